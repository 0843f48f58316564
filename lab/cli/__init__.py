"""The command line. Only this floor and the terminal report print: stdout is the result, stderr the progress."""

from lab.cli.main import main

__all__ = ["main"]
