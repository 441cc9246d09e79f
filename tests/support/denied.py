"""pyrunc under a seccomp filter that denies system calls, as that of an outer container might (see denied.c)."""

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.bundles import Bundle
from tests.support.runtime import Pyrunc, Result

SOURCE = Path(__file__).with_name("denied.c")
CALLS = {
    "openat2": "5.6",
    "open_tree": "5.2",
    "fsopen": "5.2",
    "fsconfig": "5.2",
    "fsmount": "5.2",
    "move_mount": "5.2",
    "mount_setattr": "5.12",
    "close_range": "5.11",
    "clone3": "5.7",
    "pidfd_open": "5.3",
    "pidfd_send_signal": "5.1",
    "execveat": "3.19",
    "memfd_create": "3.17",
}
"""What is denied, and the first Linux that has what pyrunc uses of it."""

ERRORS = {"ENOSYS": "function not implemented", "EPERM": "operation not permitted"}

CREATE_WORKS = {"memfd_create"}
"""What create and run do not need, or have another way for that is as safe."""

EXEC_WORKS = {"memfd_create", "open_tree", "mount_setattr", "fsopen", "fsconfig", "fsmount", "move_mount"}
"""The same for exec, which mounts nothing."""

UNNEEDED = "fspick"
"""Denied instead, where something is compared: pyrunc calls it for no more than the remount of a file system."""


def build_denied(folder: Path) -> Path:
    """Compiles denied.c; the path of the static program."""
    program = folder / "denied"
    if not program.exists():
        flags = ["-std=c11", "-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["gcc", *flags, "-o", program, SOURCE], check=True)
    return program


class Denied(Pyrunc):
    """The command as another object calls it (same state root, same ids), with system calls denied to it.

    only: the commands that are run so; the others are run as they are (empty: all of them)
    """

    def __init__(self, of: Pyrunc, program: Path, error: str, calls: str, only: "Sequence[str]" = ()) -> None:
        super().__init__(of.command, of.root, of.folder)
        self.of = of
        self.numbers = of.numbers
        self.filter = [str(program), error, calls]
        self.only = only

    def argv(self, *args: "str | os.PathLike[str]") -> list[str]:
        line = self.of.argv(*args)
        return [*self.filter, *line] if not self.only or args[0] in self.only else line


DenyFactory = Callable[..., Denied]
"""deny(error, calls, only=(), of=pyrunc): the fixture of tests/attacks."""


def assert_names(result: Result, call: str, error: str) -> None:
    """The message has all that a reader needs, and nothing was run."""
    assert result.returncode in (1, 255), result
    assert f"{call} (of Linux {CALLS[call]} and later) is needed to " in result.stderr, result
    assert ERRORS[error] in result.stderr
    assert "a seccomp filter on pyrunc itself, as that of a container around it, may forbid" in result.stderr
    assert result.stdout == ""


def assert_refused(result: Result, call: str, error: str, pyrunc: Pyrunc) -> None:
    """The same, and nothing has been touched: before all else there is a state root.  (Processes and mounts that were
    left would fail any test.)"""
    assert_names(result, call, error)
    assert not pyrunc.root.exists()


def run(pyrunc: Pyrunc, made: Bundle) -> Result:
    """`run`, at a terminal of its own where the configuration wants one."""
    if not made.config["process"].get("terminal"):
        return pyrunc.run(made)
    out, err = pyrunc.folder / "script.out", pyrunc.folder / "script.err"
    command = ["script", "-qec", shlex.join(pyrunc.argv("run", "--bundle", made, pyrunc.new_id())), "/dev/null"]
    with open(out, "wb") as stdout, open(err, "wb") as stderr:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, timeout=30).returncode
    out.write_text(out.read_text().replace("^@", ""))  # which script(1) may type at its end
    return Result(command, status, out, err)
