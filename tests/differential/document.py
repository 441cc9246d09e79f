"""Writes the tables of docs/differences.md: `python -m tests.differential.document`."""

from pathlib import Path

from tests.differential.known import Known
from tests.differential.table import PARTS

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/differences.md"
BEGIN = "<!-- The tables are made by tests/differential/document.py from what the tests know. -->\n"


def row(known: Known) -> str:
    """A line of a table."""
    named = known.theirs.startswith(("runc", "crun"))
    theirs = known.theirs if named else f"{' and '.join(known.peers)}: {known.theirs}"
    cells = (known.name, known.ours, theirs, known.why)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def tables() -> str:
    """All tables, each below its heading."""
    text = ""
    for heading, entries in PARTS.items():
        text += f"\n### {heading}\n\n| | pyrunc | the others | Why |\n|---|---|---|---|\n"
        text += "".join(map(row, entries))
    return text


def page() -> str:
    """The whole page, its tables made anew."""
    return PAGE.read_text().partition(BEGIN)[0] + BEGIN + tables()


if __name__ == "__main__":
    PAGE.write_text(page())
