"""What tests take out of copies of pyrunc (tests/support/weakened.py) stands there exactly once: told here, before a
slow test finds that it has nothing to take out."""

import ast
from pathlib import Path

from tests.support.code import CHECKOUT

FILES = sorted((CHECKOUT / "tests").rglob("*.py"))


def text_of(node: ast.expr, names: "dict[str, ast.expr]") -> str:
    """A string, also one that has a name in its module; "" for anything else."""
    if isinstance(node, ast.Name):
        node = names.get(node.id, node)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def changes(path: Path) -> "list[tuple[str, str]]":
    """(file, old text) of each Change of a module."""
    module = ast.parse(path.read_text())
    names = {
        target.id: node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    tuples = [node.elts for node in ast.walk(module) if isinstance(node, ast.Tuple) and len(node.elts) == 3]
    found = [(text_of(file, names), text_of(old, names)) for file, old, _ in tuples]
    return [(file, old) for file, old in found if old and is_source(file)]


def is_source(name: str) -> bool:
    """Whether it is the name of a file of the runtime."""
    return name.startswith(("pyrunc/", "csrc/")) and name.endswith((".py", ".c")) and (CHECKOUT / name).exists()


def test_each_stands_there_once() -> None:
    found = [(path.name, *change) for path in FILES for change in changes(path)]
    assert len(found) > 40
    assert [entry for entry in found if (CHECKOUT / entry[1]).read_text().count(entry[2]) != 1] == []
