"""What tests take out of copies of pyrunc (tests/support/weakened.py) stands there exactly once: told here, before a
slow test finds that it has nothing to take out."""

import ast
from pathlib import Path

from tests.support.code import CHECKOUT

TESTS = sorted((CHECKOUT / "tests").rglob("test_*.py"))


def constants(node: ast.AST) -> list[str]:
    """The strings of a tuple of constants, as far as they are."""
    parts = node.elts if isinstance(node, ast.Tuple) else []
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def changes(path: Path) -> "list[tuple[str, str]]":
    """(file, old text) of each Change of a test's module."""
    found = [constants(node) for node in ast.walk(ast.parse(path.read_text()))]
    return [(each[0], each[1]) for each in found if len(each) == 3 and is_source(each[0])]


def is_source(name: str) -> bool:
    """Whether it is the name of a file of the runtime."""
    return name.startswith(("pyrunc/", "csrc/")) and name.endswith((".py", ".c")) and (CHECKOUT / name).exists()


def test_each_stands_there_once() -> None:
    found = [(path.name, *change) for path in TESTS for change in changes(path)]
    assert len(found) > 40
    assert [entry for entry in found if (CHECKOUT / entry[1]).read_text().count(entry[2]) != 1] == []
