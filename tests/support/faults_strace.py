"""Faults in the system calls of pyrunc-init, by strace(1): of the N-th after it was attached, an error or SIGKILL.

pyrunc-init waits for orders when strace is attached, so what it does on its way there is the same each time.
"""

import os
import shutil
import time
from collections.abc import Callable

from pyrunc import launch
from tests.support.faults_points import ERROR, replace

INIT = "system call of pyrunc-init"
FIRST, CHILD = "pyrunc-init", "child of pyrunc-init"
STRACE = shutil.which("strace", path="/usr/local/bin:/usr/bin:/bin") or ""
NEVER_STRUCK = {"exit_group", "exit", "rt_sigreturn"}
"""Without these a process cannot go on, nor end."""
KILLED = "+++ killed by SIGKILL +++"
PATIENCE = 10.0
"""How long attaching may take: seconds."""


class Tracer:
    """Strace on the helper of one command: it tells of all calls, or injects one fault.

    report: descriptor that strace's own output goes to
    which:  FIRST or CHILD (of a helper that forks to enter a pid namespace)
    inject: strace's options for it, "" to tell only
    """

    def __init__(self, report: int, which: str, inject: str) -> None:
        self.report = report
        self.which = which
        self.inject = inject

    def follow(self) -> None:
        """Attaches to the helper that this process starts."""
        name = "__init__" if self.which == FIRST else "become"
        real: Callable[..., None] = getattr(launch.Helper, name)

        def started(process: launch.Helper, *rest: object) -> None:
            real(process, *rest)
            self.attach(process.pid)

        replace(launch.Helper, name, started)

    def attach(self, pid: int) -> None:
        """Attaches when the process sleeps, and returns when that is done."""
        self.wait(pid, "State:\tS")
        words = ["strace", "-q", "-o", f"/dev/fd/{self.report}", *self.inject.split(), "-p", str(pid)]
        null = os.open("/dev/null", os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
        os.set_inheritable(self.report, True)
        os.posix_spawn(STRACE, words, {}, file_actions=actions)
        os.set_inheritable(self.report, False)
        os.close(null)
        self.wait(pid, "TracerPid:\t", but="TracerPid:\t0\n")

    @staticmethod
    def wait(pid: int, text: str, but: str = "\0") -> None:
        """Waits until /proc/PID/status has the one text and not the other."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                with open(f"/proc/{pid}/status") as file:
                    status = file.read()
            except FileNotFoundError:
                return  # the fault was in the call that it waited in: it has ended already
            if "State:\tZ" in status or (text in status and but not in status):
                return
            time.sleep(0.001)
        raise AssertionError(f"process {pid}: waited for {text!r}")


def injection(action: str, call: str, number: int) -> str:
    """Strace's options for a fault at the number-th call of that name."""
    what = "error=EIO" if action == ERROR else "signal=KILL"
    return f"-e inject={call}:{what}:when={number}"


def calls_in(told: str) -> list[str]:
    """The names of the calls that strace told of, up to the exec of a program."""
    names = []
    for line in told.splitlines():
        name, bracket, rest = line.partition("(")
        if bracket and name.isidentifier():
            names.append(name)
            if name in ("execve", "execveat") and rest.rstrip().endswith("= 0"):
                break
    return names


def struck_at(told: str) -> str:
    """The line in which strace says that it has injected the fault, "" when it has not."""
    return next((line for line in told.splitlines() if "(INJECTED" in line or line == KILLED), "")
