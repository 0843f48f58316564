"""A chaos and load-testing lab that measures whether a documented fix resolves a problem."""

__version__ = "0.1.0"
