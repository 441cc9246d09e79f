"""Copies of pyrunc with a protection taken out, to see that an attack which fails on pyrunc is one that could succeed.

Nothing of the checkout changes: the package, and csrc where it is concerned, are copied, edited and built elsewhere.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent

Change = tuple[str, str, str]
"""A file below the checkout, text that stands in it exactly once, and what stands there instead."""

HELPER_FLAGS = ("-std=c11", "-O1", "-static", "-s", "-w")

UNCONTAINED: Change = (
    "pyrunc/operations/paths.py",
    "    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS\n",
    '    resolve = 0\n    path = path.lstrip("/") or "."\n',
)
"""Paths of the container follow links out of its root, as before CVE-2019-18837."""

ANY_MOUNT: Change = ("pyrunc/operations/build.py", "if mount_id(fd) != mount_id(self.root):", "if not fd:")
"""Devices are made wherever links of the image lead."""

ANYTHING_BELOW_PROC: tuple[Change, ...] = (
    (
        "pyrunc/operations/mount.py",
        '    elif destination.startswith("/proc/")',
        '    elif destination.startswith("/none/")',
    ),
    (
        "pyrunc/operations/mount.py",
        "            if posix.stat(proc).st_dev == posix.stat(target).st_dev:\n",
        "            if not proc:\n",
    ),
)
"""Mounts over files of procfs, as before CVE-2019-16884."""


def weakened(folder: Path, *changes: Change) -> Path:
    """Makes the copy in a folder that is not there yet; the path of its command."""
    shutil.copytree(CHECKOUT / "pyrunc", folder / "pyrunc", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(CHECKOUT / "csrc", folder / "csrc", ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in changes:
        text = (folder / file).read_text()
        if text.count(old) != 1:
            raise AssertionError(f"{file} has changed, so this test must, too: {text.count(old)} times {old!r}")
        (folder / file).write_text(text.replace(old, new))
    files = {Path(file).name for file, _, _ in changes if file.startswith("csrc/")}
    if any(name.startswith(("init", "message")) for name in files):
        sources = [*sorted((folder / "csrc").glob("init*.c")), folder / "csrc/message.c"]
        subprocess.run(["gcc", *HELPER_FLAGS, "-o", folder / "pyrunc/pyrunc-init", *sources], check=True)
    if any(name.startswith(("shim", "spawn")) for name in files):
        subprocess.run([sys.executable, folder / "csrc/build_shim.py", folder], check=True)
    return write_command(folder)


def write_command(folder: Path) -> Path:
    """The copy's `pyrunc`: as build/pyrunc, but for where the package is."""
    python = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    sites = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), "/usr/lib/python3/dist-packages"})
    command = folder / "pyrunc.command"
    command.write_text(
        f"#!{python} -IS\nimport sys\nsys.path[:0] = [{str(folder)!r}]\nsys.path += {sites!r}\n"
        "from pyrunc.cli import entry\nentry()\n"
    )
    command.chmod(0o755)
    return command
