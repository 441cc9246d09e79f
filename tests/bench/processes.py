"""Child processes for timing: started by posix_spawn, waited for by us, orphans included.

The benchmark is a subreaper, so what a runtime leaves behind (the container's first process, a detached
exec) becomes our child: it is reaped at once, and its memory can be counted.  Process 1 of a small machine
may take seconds for that.
"""

import ctypes
import os
import select
import time

PR_SET_CHILD_SUBREAPER = 36
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root"}

libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A command that had to succeed did not."""

    def __init__(self, argv: list[str], status: int, output: str) -> None:
        super().__init__(f"{' '.join(argv)}: exit status {status}: {output.strip() or 'no output'}")
        self.output = output.strip()


def become_subreaper() -> None:
    """Makes every orphan below us our child."""
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def setns(fd: int) -> None:
    """Enters the mount namespace behind fd (the working directory becomes its root)."""
    if libc.setns(fd, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Stage:
    """Where commands run: /dev/null as input, output to one file that is read only when a command fails.

    namespace: descriptor of the mount namespace to start in, None for our own.
    """

    def __init__(self, output_path: str) -> None:
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.output = os.open(output_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.actions = [
            (os.POSIX_SPAWN_DUP2, self.null, 0),
            (os.POSIX_SPAWN_DUP2, self.output, 1),
            (os.POSIX_SPAWN_DUP2, self.output, 2),
        ]
        self.own_namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    def time(self, argv: list[str], namespace: int | None = None) -> int:
        """Nanoseconds from before the spawn until the command has been waited for.  Raises Failed unless it exits 0."""
        os.ftruncate(self.output, 0)
        if namespace is not None:
            setns(namespace)
        try:
            before = time.perf_counter_ns()
            pid = os.posix_spawn(argv[0], argv, ENVIRONMENT, file_actions=self.actions)
            _, wait_status = os.waitpid(pid, 0)
            elapsed = time.perf_counter_ns() - before
        finally:
            if namespace is not None:
                setns(self.own_namespace)
        status = os.waitstatus_to_exitcode(wait_status)
        if status != 0:
            raise Failed(argv, status, self.text())
        return elapsed

    def text(self) -> str:
        """What the last command printed."""
        return os.pread(self.output, 100_000, 0).decode("utf-8", "replace")


def wait_gone(pid: int, seconds: float = 10.0) -> None:
    """Waits until the process has ended, whoever its parent is, and reaps what is ours.  TimeoutError after that."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(seconds * 1000):
            raise TimeoutError(f"process {pid} is still there after {seconds} s")
    finally:
        os.close(pidfd)
    reap()


def reap() -> None:
    """Collects every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            continue
    except ChildProcessError:
        return


def descendants() -> list[int]:
    """The pids of everything below us that has not ended."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, parent = file.read().rsplit(")", 1)[1].split()[:2]
        except OSError:  # it ended while we looked
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    queue = [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def pss(pid: int) -> int:
    """The process's proportional set size in bytes (proc_pid_smaps_rollup(5))."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/{pid}/smaps_rollup has no Pss line")
