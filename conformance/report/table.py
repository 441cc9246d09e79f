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
    levels = list(dict.fromkeys(("MUST", "SHOULD", *(one.level for run in runs for one in run.outcomes))))
    counts = Table("runtime", *(f"{level} {what}" for level in levels for what in ("passed", "failed")), "left out")
    for run in runs:
        numbers = [run.count(result, level) for level in levels for result in (PASS, FAIL)]
        counts.add_row(run.version, *(str(number) for number in numbers), str(run.count(SKIP)))
    console.print(counts)


def show_engines(runs: list[Run]) -> None:
    """Prints engine and operation against runtime, and the time of all that both did as a ratio."""
    console = Console()
    shown = Table("engine", "operation", *(run.version for run in runs))
    for row in zip(*(run.outcomes for run in runs), strict=True):
        cells = [f"[{STYLE[one.result]}]{one.result}[/] {one.seconds:.2f} s" for one in row]
        shown.add_row(row[0].level, row[0].title, *cells)
    console.print(shown)
    for run in runs:
        reasons: dict[tuple[str, str, str], list[str]] = {}
        for one in run.outcomes:
            if one.result != PASS or one.reason:
                reasons.setdefault((one.level, one.result, one.reason), []).append(one.title)
        for (engine, result, reason), titles in reasons.items():
            console.print(f"{run.version}: {engine}: {', '.join(titles)}: {result}: {reason}", markup=False)
    if len(runs) > 1:
        both = [
            row for row in zip(*(run.outcomes for run in runs), strict=True) if {one.result for one in row} == {PASS}
        ]
        times = [sum(row[index].seconds for row in both) for index in range(2)]
        if times[1]:
            console.print(
                f"time of {len(both)} operations that both pass: {times[0] / times[1]:.2f} times the control's"
            )
