"""Real things done to a stack, each undone in its own ``finally``. One kind a file."""
