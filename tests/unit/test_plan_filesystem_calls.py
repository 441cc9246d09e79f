"""Only paths.py resolves paths in the root: no other operation uses a call that would look one up on the host."""

import ast
from pathlib import Path

import pytest

OPERATIONS = Path(__file__).resolve().parents[2] / "pyrunc" / "operations"
RELATIVE = {"mkdir", "mknod", "symlink", "unlink", "readlink", "chown"}
"""Calls of os that are safe with a directory's descriptor (dir_fd) only."""
FORBIDDEN = {"open", "makedirs", "rename", "remove", "rmdir", "lstat", "scandir", "openat2", "walk", "chroot", "chdir"}
HOST = {
    ("rootfs.py", "open", "build.rootfs"),
    ("masks.py", "open", "'/dev/null'"),
    ("devices.py", "access", "'/proc/kcore'"),
}
"""What is meant to be the host's."""


def faults(path: Path) -> list[str]:
    """The calls of one module that may look up a path they should not."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        call = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        argument = ast.unparse(node.args[0]) if node.args else ""
        if (path.name, call, argument) in HOST or any(keyword.arg == "dir_fd" for keyword in node.keywords):
            continue
        if call in FORBIDDEN or call in RELATIVE:
            found.append(f"{path.name}:{node.lineno}: {call}({argument})")
    return found


@pytest.mark.parametrize(
    "path", [path for path in OPERATIONS.glob("*.py") if path.name != "paths.py"], ids=lambda p: p.name
)
def test_no_other_way_to_a_path(path: Path) -> None:
    assert faults(path) == []


def test_the_check_can_fail(tmp_path: Path) -> None:
    module = tmp_path / "bad.py"
    module.write_text("import os\nos.mkdir(build.rootfs + '/x')\nopen('/etc/passwd')\nos.mkdir('x', dir_fd=3)\n")
    assert len(faults(module)) == 2
