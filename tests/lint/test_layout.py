"""Habits of this project that no linter knows."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
LINES = 400
"""One idea a file: what needs more than this is two ideas."""


def tracked(*patterns: str) -> list[Path]:
    """The files that git knows; outside of a git checkout (an unpacked archive) those that are there."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=CHECKOUT, capture_output=True, text=True)
    if listed.returncode:
        return sorted(path for pattern in patterns for path in CHECKOUT.rglob(pattern) if ".venv" not in path.parts)
    return [path for name in listed.stdout.split("\0") if name and (path := CHECKOUT / name).is_file()]


@pytest.mark.parametrize("folder", ["pyrunc", "csrc", "tools", "tests", "conformance"])
def test_file_length(folder: str) -> None:
    """No source file has more than LINES lines."""
    long = {
        str(path.relative_to(CHECKOUT)): length
        for path in tracked("*.py", "*.c", "*.h")
        if path.relative_to(CHECKOUT).parts[0] == folder and (length := len(path.read_text().splitlines())) > LINES
    }
    assert not long


def test_nothing_left_for_later() -> None:
    """No note to self in the sources: what is worth doing is done, or is an issue."""
    pattern = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    notes = [
        f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()}"
        for path in tracked("*.py", "*.c", "*.h", "Makefile", "*.md")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert not notes


def test_no_wait_depends_on_the_time_of_day() -> None:
    """The clock on the wall may be set at any moment: it is for the log and the date of a record, never for a wait."""
    allowed = {"pyrunc/log.py": {"gmtime", "strftime"}, "pyrunc/record.py": {"time_ns", "gmtime"}}
    wall = {"time", "time_ns", "gmtime", "localtime", "strftime", "clock_gettime", "clock_settime", "mktime", "ctime"}
    found = []
    for path in tracked("pyrunc/*.py"):
        name = str(path.relative_to(CHECKOUT))
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            used: set[str] = set()
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                used = {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time":
                used = {node.attr}
            elif isinstance(node, ast.Import | ast.ImportFrom) and "datetime" in ast.dump(node):
                used = {"time"}
            found += [f"{name}: time.{what}" for what in used & (wall - allowed.get(name, set()))]
    assert not found
