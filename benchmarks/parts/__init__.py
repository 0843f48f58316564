"""What the benchmarks of the load driver share: servers, peers, the lab's own driver, tables and goals."""
