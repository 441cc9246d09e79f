"""Processes of the tests: this process adopts every orphan below it, finds its descendants and ends them by pid."""

import ctypes
import os
import signal
import time
from collections.abc import Callable

PR_SET_CHILD_SUBREAPER = 36
# How long what must happen may take: seconds.  It is only waited for so long where it does not happen.
PATIENCE = 40.0


def become_subreaper() -> None:
    """Makes this process the parent of every orphan below it: prctl(PR_SET_CHILD_SUBREAPER).

    Containers outlive the command that made them; so they can be waited for at once, whatever the host's process 1
    does, and none can get lost.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children(pid: int) -> list[int]:
    """The direct children of a process; [] when it is gone."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
        except OSError:
            continue  # the thread ended meanwhile
    return found


def descendants(pid: int) -> list[int]:
    """All processes below a process, zombies among them, parents first."""
    found = children(pid)
    for child in found:
        found += children(child)  # the list grows while it is walked
    return found


def state_of(pid: int) -> str:
    """The state letter of a process (proc(5)), "" when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rsplit(b")", 1)[1].split()[0].decode()
    except OSError:
        return ""


def name_of(pid: int) -> str:
    """A process for a message: its pid and command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        with open(f"/proc/{pid}/comm") as file:
            return f"{pid} ({command or file.read().strip()})"
    except OSError:
        return f"{pid} (gone)"


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    return state_of(pid) not in ("", "Z", "X")


def is_ending(pid: int) -> bool:
    """Whether the process has given up its memory on its way to become a zombie."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return not file.read() and alive(pid)
    except OSError:
        return False


def wait_until(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Waits until the condition holds; fails the test, saying what it waited for, after `timeout` seconds."""
    until = time.monotonic() + timeout
    pause = 0.001
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited {timeout:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def wait_gone(pid: int, timeout: float = PATIENCE) -> None:
    """Waits until the process does not run any more; reaps it where it is ours."""

    def gone() -> bool:
        if state_of(pid) == "Z":
            reap(pid)
        reap_inner()
        return not alive(pid)

    wait_until(gone, f"the end of process {name_of(pid)}", timeout)


def wait_exit(pid: int, timeout: float = PATIENCE) -> int:
    """Waits for an adopted process; its exit status, 128 + N after signal N."""
    result: list[int] = []

    def ended() -> bool:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            result.append(os.waitstatus_to_exitcode(status))
        return bool(found)

    wait_until(ended, f"the end of process {name_of(pid)}", timeout)
    return result[0] if result[0] >= 0 else 128 - result[0]


def reap(pid: int) -> None:
    """Collects one zombie if it is a child of ours."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def reap_adopted(keep: set[int]) -> None:
    """Collects all zombies among our children but those in `keep` (which somebody else waits for)."""
    for pid in children(os.getpid()):
        if pid not in keep and state_of(pid) == "Z":
            reap(pid)


def reap_inner() -> None:
    """Collects the zombies among our children that are in a pid namespace of a container and not its first process."""
    for pid in children(os.getpid()):
        if state_of(pid) == "Z" and len(inner := namespace_pids(pid)) > 1 and inner[-1] != 1:
            reap(pid)


def namespace_pids(pid: int) -> list[int]:
    """The process's pids, from our pid namespace to its own (NSpid in proc(5)); [] when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return next(
                ([int(number) for number in line.split()[1:]] for line in file if line.startswith("NSpid:")), []
            )
    except OSError:
        return []


def end(pids: list[int], timeout: float = 10.0) -> None:
    """Kills processes by pid and waits until they are gone."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    for pid in pids:
        wait_gone(pid, timeout)
