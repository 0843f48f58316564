"""Backends that bring arms up, by one contract. One kind a file; the folder is the registry."""
