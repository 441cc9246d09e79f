"""The runtimes that are compared, each as a command with a state root of its own."""

import itertools
import os
import select
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.runtime import ENVIRONMENT

PEERS = ("runc", "crun")
TIMEOUT = 20.0
"""Seconds that one command may take."""


class Result(NamedTuple):
    """How a command ended, and its messages; `out` is the file that its output, and its container's, goes to."""

    status: int
    out: Path
    err: Path

    @property
    def stdout(self) -> str:
        """What was written so far."""
        return self.out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """The same for messages."""
        return self.err.read_text(errors="replace")


class Runtime:
    """One of the runtimes.  Calls from several threads do not disturb each other."""

    def __init__(self, name: str, argv: Sequence[str], folder: Path) -> None:
        """argv: the command, perhaps behind another that leads to it;  folder: for its state and all output."""
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.argv = [*argv, "--root", str(self.folder / "root")]
        self.numbers = itertools.count(1)

    def __call__(self, *args: "str | os.PathLike[str]", input: str = "", pass_fds: Sequence[int] = ()) -> Result:
        """Runs one command to its end.  Output goes to files, since a container keeps what its maker had open.

        Input is a pipe: crun gives its standard input to the container's user, and /dev/null would be the host's.
        """
        number = next(self.numbers)
        out, err = (self.folder / f"{number}.{end}" for end in ("out", "err"))
        reading, writing = os.pipe()
        os.write(writing, input.encode())
        os.close(writing)
        with open(out, "wb") as stdout, open(err, "wb") as stderr, open(reading, "rb") as stdin:
            process = subprocess.Popen(
                [*self.argv, *map(str, args)],
                env=ENVIRONMENT,
                cwd="/",
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=pass_fds,
            )
        if not ends(process.pid, TIMEOUT):
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} {' '.join(map(str, args))}: not done after {TIMEOUT:g} s")
        return Result(process.wait(), out, err)


def ends(pid: int, timeout: float) -> bool:
    """Waits until a process ends (it stays a zombie if it is ours); whether it did in that time, in seconds."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(timeout * 1000))
    finally:
        os.close(pidfd)


class WithoutUnified:
    """A mount namespace like this one without the cgroup2 hierarchy of a hybrid host, which crun refuses to see."""

    def __init__(self) -> None:
        script = "umount /sys/fs/cgroup/unified; echo ready; read -r end"
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        with self.process.stdout as output:
            if output.readline() != b"ready\n":
                raise AssertionError("unshare --mount failed")

    @property
    def prefix(self) -> list[str]:
        """What leads a command into it."""
        return ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt"]

    def close(self) -> None:
        """Ends the process that holds it."""
        self.process.communicate(timeout=TIMEOUT)


def installed(name: str) -> "str | None":
    """The path of a peer, None where it is not there."""
    return shutil.which(name, path=ENVIRONMENT["PATH"])


def is_hybrid() -> bool:
    """Whether the host has cgroup v1 hierarchies with a cgroup2 one beside them."""
    return Path("/sys/fs/cgroup/unified/cgroup.procs").exists()


def is_v2() -> bool:
    """Whether the host has cgroup v2 alone."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()
