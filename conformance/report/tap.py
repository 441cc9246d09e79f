"""The Test Anything Protocol, version 14 (testanything.org), written and read."""

import re
from collections.abc import Iterator

from conformance.report.outcome import FAIL, PASS, SKIP, Run

LINE = re.compile(r"^(not )?ok\b\s*(?:\d+)?\s*-?\s*(.*?)(?:\s+#\s*SKIP\b\s*(.*))?$", re.IGNORECASE)


def written(run: Run) -> str:
    """The run as TAP, the reasons of failures as YAML blocks."""
    lines = ["TAP version 14", f"1..{len(run.outcomes)}"]
    for number, one in enumerate(run.outcomes, 1):
        title = f"{one.number} {one.level} {one.section}: {one.title}".replace("#", r"\#")
        skipped = f" # SKIP {one.reason}" if one.result == SKIP else ""
        lines.append(f"{'not ' if one.result == FAIL else ''}ok {number} - {title}{skipped}")
        if one.result == FAIL:
            lines += ["  ---", "  message: |", *(f"    {line}" for line in one.reason.splitlines()), "  ..."]
    return "\n".join(lines) + "\n"


def read(text: str) -> Iterator[tuple[str, str, str]]:
    """(result, title, reason) of each line of a TAP stream."""
    for line in text.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        failed, title, skipped = found.groups()
        yield (SKIP if skipped is not None else FAIL if failed else PASS), title, skipped or ""
