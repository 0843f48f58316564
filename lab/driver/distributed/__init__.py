"""Load from more than one process or machine, by Locust's own master and workers."""
