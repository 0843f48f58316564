"""A stack that stays up, for poking at by hand: its faults, its load, and the socket that takes requests."""

from lab.runner.keeper.keep import STATE, keep

__all__ = ["STATE", "keep"]
