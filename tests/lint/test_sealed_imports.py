"""Where "/" may be the container's nothing is imported, neither a module nor a codec (SECURITY.md, P4)."""

import ast

import pytest

from tests.support.code import OPERATIONS, PACKAGE, name_of

SEALED = [
    *OPERATIONS,
    *(PACKAGE / f"{name}.py" for name in "builder hooks helper syscalls errors namespaces pathnames log".split()),
]
IMPORTED_BEFORE = {
    ("pyrunc/builder.py", "start"): "in the runtime, before the fork",
    ("pyrunc/builder.py", "work"): "what `start` has imported",
    ("pyrunc/operations/filesystem.py", "finish"): "what the plan has imported",
    ("pyrunc/operations/plan.py", "_mount"): "in the runtime: the plan is made there",
    ("pyrunc/operations/plan.py", "_maker"): "the same",
    ("pyrunc/operations/plan.py", "_cgroup"): "the same",
    ("pyrunc/log.py", "stay_above"): "for the command line, before anything is made",
}
BUILT_IN_CODECS = ("ascii", "utf-8", "latin-1")


def is_import(node: ast.AST) -> bool:
    """Whether it imports, or may have to look up a codec."""
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Import | ast.ImportFrom)
    called = ast.unparse(node.func)
    if called.endswith((".encode", ".decode")):
        return bool(node.args) and ast.unparse(node.args[0]).strip("'") not in BUILT_IN_CODECS
    return "import" in called


def late_imports(source: str) -> list[tuple[str, str]]:
    """(function, what) for each import inside of a function."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return [(each.name, ast.unparse(node)) for each in functions for node in ast.walk(each) if is_import(node)]


def test_imports() -> None:
    found = {(name_of(path), function) for path in SEALED for function, _ in late_imports(path.read_text())}
    assert found == set(IMPORTED_BEFORE)


def test_imported_before() -> None:
    """What is imported in the sealed fork has been imported by what comes before it."""
    builder = dict(late_imports((PACKAGE / "builder.py").read_text()))
    assert builder == {
        "start": "from pyrunc import hooks",
        "work": "from pyrunc.hooks import run_hooks",
    }
    planned = late_imports((PACKAGE / "operations/plan.py").read_text())
    assert ("_mount", "import pyrunc.operations.copyup") in planned
    finish = late_imports((PACKAGE / "operations/filesystem.py").read_text())
    assert finish == [("finish", "from pyrunc.operations.copyup import copy_up")]


@pytest.mark.parametrize(
    "line",
    ["import re", "from pyrunc import log", "__import__('re')", "importlib.import_module('re')", "x.encode('idna')"],
)
def test_imports_can_fail(line: str) -> None:
    assert late_imports(f"def perform():\n    {line}\n")
