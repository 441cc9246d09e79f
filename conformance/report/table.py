"""The report for a terminal."""

from rich.console import Console
from rich.table import Table

from conformance.report.outcome import FAIL, PASS, SKIP, Run

STYLE = {PASS: "green", FAIL: "bold red", SKIP: "yellow"}


def show(runs: list[Run]) -> None:
    """Prints what did not pass, and the counts of each runtime."""
    console = Console()
    for run in runs:
        console.rule(f"{run.version} ({run.runtime})")
        for one in run.outcomes:
            if one.result != PASS:
                reason = one.reason.splitlines()[0] if one.reason else ""
                console.print(
                    f"{one.number} {one.level} {one.section}: {one.title}", style=STYLE[one.result], markup=False
                )
                console.print(f"    {one.result}: {reason}", markup=False, highlight=False)
    counts = Table("runtime", "MUST passed", "MUST failed", "SHOULD passed", "SHOULD failed", "left out")
    for run in runs:
        numbers = [run.count(result, level) for level in ("MUST", "SHOULD") for result in (PASS, FAIL)]
        counts.add_row(run.version, *(str(number) for number in numbers), str(run.count(SKIP)))
    console.print(counts)
