"""The *fast* executor: plain HTTP over connections that the hub's own events drive."""
