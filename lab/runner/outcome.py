"""From verdicts to an exit code."""

from __future__ import annotations

from lab.errors import Exit, LabError, worst
from lab.model.run import Judgement, Verdict


def exit_of(judgement: Judgement, stopped: BaseException | None, *, judged: bool = True) -> Exit:
    """The exit code of a run: what stopped it early, else what its verdicts say.

    ``judged`` is False where the experiment was changed by hand, so that expectations do not hold.
    """
    if isinstance(stopped, KeyboardInterrupt):
        return Exit.INTERRUPTED
    if isinstance(stopped, SystemExit):
        return Exit.TERMINATED
    if isinstance(stopped, LabError):
        return stopped.exit
    if judgement.void:
        return Exit.VOID
    return worst([_of_verdict(verdict, judged) for verdict in judgement.verdicts])


def what_failed(stopped: BaseException | None) -> str:
    """What ended a run so that it can have no verdict, in a few words; empty for any other end."""
    return stopped.what if isinstance(stopped, LabError) and stopped.exit is Exit.VOID else ""


def _of_verdict(verdict: Verdict, judged: bool) -> Exit:
    if verdict.fix == "placebo" or verdict.expected or not judged:
        return Exit.OK
    if verdict.state == "inconclusive":
        return Exit.INCONCLUSIVE
    if verdict.state in ("void", "not-reproduced"):
        return Exit.VOID
    return Exit.REFUTED
