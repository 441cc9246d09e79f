"""The project's own code as trees, for the tests that look for what it must not say."""

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PACKAGE = CHECKOUT / "pyrunc"
OPERATIONS = sorted((PACKAGE / "operations").glob("*.py"))
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """A file's path below the checkout."""
    return str(path.relative_to(CHECKOUT))


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """All calls in a piece of code, with the text of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node
