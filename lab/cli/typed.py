"""What a person types after an option, as what it means. LabError where it means nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lab.driver.options import Address
from lab.errors import LabError
from lab.model.load import Sharing

if TYPE_CHECKING:
    from lab.report.junit import OnInconclusive


def on_inconclusive(text: str) -> OnInconclusive:
    """What an undecided fix is in JUnit. LabError for another word."""
    if text == "error":
        return "error"
    if text == "skip":
        return "skip"
    raise LabError(f"{text!r} is neither error nor skip", where="--inconclusive", do="name one of them")


def refuse_impossible(sharing: Sharing, scenarios: int) -> None:
    """LabError for workers that cannot be had."""
    if min(sharing.workers, sharing.join) < 0:
        raise LabError("there are no fewer than 0 workers", where="--workers, --join", do="give 0 or more")
    if sharing.join and scenarios > 1:
        raise LabError(
            "workers from other machines join one run", where="--join", do="run one scenario at a time"
        )
    try:
        Address.parse(sharing.bind)
    except ValueError as wrong:
        raise LabError(
            str(wrong), where="--bind", do="write it as 192.0.2.7:5557; port 0 is a free one"
        ) from None


def seconds_of(text: str | None, where: str = "--budget") -> float | None:
    """``5m`` to seconds. LabError where the unit is missing."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", text.strip())
    if found is None:
        raise LabError(f"{text!r} is not a duration", where=where, do="write it as 90s, 5m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
