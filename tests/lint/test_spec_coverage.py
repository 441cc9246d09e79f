"""docs/spec-coverage.md names a module and a test for each feature: they must exist."""

import ast
import re
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PAGE = CHECKOUT / "docs" / "spec-coverage.md"
TEST = re.compile(r"`((?:tests|conformance)/[\w/]+\.py)::(\w+)`")
PATH = re.compile(r"`([\w/]+\.(?:py|c|h))`")


def rows() -> list[list[str]]:
    """The cells of all lines of the tables with a module and a test."""
    lines = PAGE.read_text().partition("## Left out")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return [row for row in cells if row[0] != "Feature"]


@cache
def functions(file: str) -> frozenset[str]:
    """The functions that a file defines at its top level."""
    tree = ast.parse((CHECKOUT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def is_test(file: str, name: str) -> bool:
    """Whether pytest finds that test: by its name, or by that of a check of the conformance suite."""
    return (CHECKOUT / file).exists() and name in functions(file)


def test_rows_are_complete() -> None:
    """Each has a feature, its place in the specification, a module and a test."""
    found = rows()
    assert len(found) > 150
    assert [row for row in found if len(row) != 5 or not all(row)] == []
    assert [row[0] for row in found if not PATH.search(row[2]) or not TEST.search(row[3])] == []


def test_modules_exist() -> None:
    """What is said to do it is there."""
    named = {path for row in rows() for path in PATH.findall(row[2])}
    assert sorted(path for path in named if not (CHECKOUT / path).exists()) == []


def test_tests_exist() -> None:
    """What is said to show it is there."""
    named = {place for row in rows() for place in TEST.findall(row[3])}
    assert sorted(f"{file}::{name}" for file, name in named if not is_test(file, name)) == []
