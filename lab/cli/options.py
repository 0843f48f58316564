"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

REPORTS = Path("reports")

Out = Annotated[Path, typer.Option(help="Folder of the run folders.", envvar="LAB_OUT")]
StackName = Annotated[str, typer.Option("--stack", help="auto, embedded or containers.", envvar="LAB_STACK")]
Seed = Annotated[int | None, typer.Option(help="Repeat a run: order and requests.", envvar="LAB_SEED")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.", envvar="LAB_JSON")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.", envvar="LAB_QUIET")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Every block as a line.", envvar="LAB_VERBOSE")
]
Color = Annotated[str, typer.Option(help="auto, always or never.", envvar="LAB_COLOR")]
RunName = Annotated[
    str | None, typer.Argument(help="A run folder, its id or a scenario; the newest by default.")
]
RunOne = Annotated[str, typer.Argument(help="A run folder, its id, or a scenario: its newest run.")]
NoControl = Annotated[bool, typer.Option("--no-control", help="Leave out the placebo arm.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="A fix must stay clean for 44 blocks, not 17, to end RESOLVED.")
]
Calm = Annotated[
    bool,
    typer.Option("--calm", help="Judge nothing: measure what the fixes cost while nothing is wrong."),
]
Formats = Annotated[str, typer.Option("--report", help="html, json, junit, md, github.")]
Inconclusive = Annotated[str, typer.Option(help="In JUnit: error or skip.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Refuse where another run is measuring.")]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going/-x", help="Go on to the next scenario after a failure.")
]
LinkUrl = Annotated[
    str,
    typer.Option(
        "--link",
        help="A Toxiproxy (or `lab link`) on this machine, to be used in place of the lab's own links.",
        envvar="LAB_LINK",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        help="A host that the load may reach beside this machine; more than once.", envvar="LAB_ALLOW_HOST"
    ),
]
ALL_FORMATS = "html,json,junit,md"


def complete_scenario(incomplete: str) -> list[str]:
    from lab.catalog import scenario_names

    return [name for name in scenario_names() if name.startswith(incomplete)]


Names = Annotated[
    list[str], typer.Argument(help="Scenario names or files.", autocompletion=complete_scenario)
]
Name = Annotated[str, typer.Argument(help="A scenario name or file.", autocompletion=complete_scenario)]
AnyNames = Annotated[
    list[str] | None,
    typer.Argument(help="Scenario names or files; all of them by default.", autocompletion=complete_scenario),
]
