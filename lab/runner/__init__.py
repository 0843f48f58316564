"""Plan to verdict: the only floor where anything happens."""

from lab.runner.progress import Progress, Silent
from lab.runner.run import Finished, Request, run

__all__ = ["Finished", "Progress", "Request", "Silent", "run"]
