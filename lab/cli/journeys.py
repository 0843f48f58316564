"""``--locustfile``: the load of a scenario as journeys of a user's own file, checked before anything starts."""

from __future__ import annotations

from pathlib import Path, PurePath

from lab.loads._locustfile import user_classes
from lab.model.scenario import Scenario
from lab.scenario.reading import amended


def with_journeys(scenario: Scenario, locustfile: Path | None) -> Scenario:
    """The scenario with its requests replaced; as it is for None."""
    if locustfile is None:
        return scenario
    load = amended(scenario.load, requests=(), locustfile=str(locustfile.absolute()), classes=())
    return amended(scenario, load=load)


def check_journeys(scenario: Scenario) -> None:
    """LabError where the scenario's load names a locustfile in which there is a mistake."""
    load = scenario.load
    if load.locustfile is not None:
        user_classes(Path(PurePath(scenario.path).parent / load.locustfile), load.classes)
