"""``lab fault``: faults on the stack that is up."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.cli.by_hand.keeper import ask
from lab.model.dose import Dose
from lab.report.doses import in_words

Told = Mapping[str, Any]


def add(out: Path, words: Sequence[str], *, keep: bool) -> None:
    """Do it; say what was asked against what was measured, and how to undo it.

    Raises EnvironmentFailed, with all of it undone, where it does not bite and is not to be kept.
    """
    fault = ask(out, "add-fault", words=list(words), keep=keep)
    _say(f"{fault['kind']} on {fault['target']}")
    for dose in fault["doses"]:
        _say(f"  {dose_words(dose)}")
    number = fault.get("id")
    _say("it passes by itself" if number is None else f"undo it: lab fault rm {number}")


def show(out: Path, *, json: bool) -> None:
    """What stands."""
    faults = ask(out, "list-faults")["faults"]
    if json:
        _say(json_.dumps({"schema": "lab.faults/1", "faults": faults}, indent=1))
        return
    if not faults:
        _say("no fault stands")
    for fault in faults:
        _say(f"{fault['id']:>3}  {fault['kind']} on {fault['target']}, since {_clock(fault['since'])}")
        for dose in fault["doses"]:
            _say(f"     {dose_words(dose)}")
        if fault["failed"]:
            _say(f"     could not be healed: {fault['failed']}")


def remove(out: Path, which: str) -> None:
    """Heal one fault, or all of them."""
    removed = ask(out, "remove-fault", which=which)["removed"]
    for fault in removed:
        _say(f"healed: {fault['kind']} on {fault['target']}")
    if not removed:
        _say("no fault stands")


def dose_words(told: Told) -> str:
    """One dose, asked against measured."""
    dose = Dose(**{key: value for key, value in told.items() if key != "bit"})
    return in_words(dose) if dose.bit else f"{in_words(dose)}: IT DOES NOT BITE"


def _clock(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
