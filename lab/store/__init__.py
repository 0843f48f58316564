"""The run folder on disk: make one, write to it, find it again."""

from lab.store.finding import find, runs
from lab.store.folder import RunFolder

__all__ = ["RunFolder", "find", "runs"]
