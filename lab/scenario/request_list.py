"""A file of nothing but requests, written as in the load of a scenario. Pure."""

from __future__ import annotations

from lab.model.scenario import Request
from lab.scenario.problems import invalid
from lab.scenario.reading import Reading
from lab.scenario.requests import check_request
from lab.scenario.tree import Path, read

_NEEDED = "write at least one, for example requests: [{name: ranking, get: /products/top}]"


def parse_requests(text: str | bytes, path: str) -> tuple[Request, ...]:
    """The requests of a YAML file with the one key ``requests``; ``path`` names it in messages.

    Raises ScenarioInvalid with every mistake of the file, each with line and column.
    """
    tree = read(text, path)
    reading = Reading(tree, tree.problems)
    reading.mapping((), ("requests",))

    def request(at: Path) -> Request | None:
        values = reading.mapping(at)
        return None if values is None else reading.build(Request, at, values)

    found = reading.each(("requests",), request, needed=_NEEDED)
    for placed in found:
        check_request(reading, placed)
    names = [placed.value.name for placed in found]
    for n, placed in enumerate(found):
        if placed.value.name in names[:n]:
            reading.problem((*placed.at, "name"), f"a second request named {placed.value.name!r}")
    if reading.problems:
        raise invalid(path, reading.problems)
    return tuple(placed.value for placed in found)
