"""The builder: a short-lived fork of the runtime that makes the container's file system from inside its namespaces.

It joins every namespace of the helper but the pid namespace, works on descriptors only, and is gone before the
root changes: it never has a file tree that the container controls as its own "/".
"""

import _signal
import marshal
import posix
import sys

from pyrunc import helper, syscalls
from pyrunc.errors import PyruncError, from_os_error
from pyrunc.namespaces import BUILDER_NAMESPACES, CLONE_NEWPID, CLONE_NEWUSER
from pyrunc.operations.base import perform_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyrunc.launch import Helper
    from pyrunc.operations.base import Operation
    from pyrunc.operations.build import Build

PR_SET_PDEATHSIG = 1
SIGKILL = 9
SIGTERM = 15
POLLIN = 0x1
# How long a builder may take to end its hook: milliseconds.
KILL_PATIENCE_MS = 2000
MAX_REPORT = 1 << 16
MAX_TEXT = 4000  # characters, of up to four bytes each
SOCK_SEQPACKET = 5


class Builder:
    """The runtime's side of a running builder.  Owns the socket: finish() or kill() it."""

    __slots__ = ("fd", "pid")

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self.fd = fd

    def wait_mounted(self) -> int:
        """Waits until the file system stands.  Returns the descriptor of its root mount; raises what went wrong."""
        fds = self.read_report()
        if not fds:
            raise PyruncError("the builder gave no root")
        return fds[0]

    def go_on(self) -> None:
        """Lets a builder that was started with Hooks run them and do the rest, and waits for that."""
        syscalls.send(self.fd, b"g")
        for fd in self.read_report():
            posix.close(fd)

    def read_report(self) -> list[int]:
        """One report: nothing but descriptors, or the error that it tells."""
        data, fds = syscalls.recv(self.fd, MAX_REPORT, 1)
        if not data:
            raise PyruncError("the builder was killed before it was done")
        report = marshal.loads(data)
        if report is not None:
            for fd in fds:
                posix.close(fd)
            reason, operation, place, hint, errno = report
            raise PyruncError(reason, operation=operation, place=place, hint=hint, errno=errno)
        return fds

    def finish(self) -> None:
        """Waits for the builder's end, which comes by itself after its last report."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            posix.close(fd)
            try:
                posix.waitpid(self.pid, 0)
            except ChildProcessError:
                return  # it has ended, and a program that ignores SIGCHLD or waits for all has seen it

    def kill(self) -> None:
        """Ends the builder wherever it is.

        First it may end a hook: one that it left would be a child of the next subreaper, which may be us, and the
        container's pid namespace would not end before somebody has reaped it.
        """
        if self.fd >= 0:
            try:
                posix.kill(self.pid, SIGTERM)  # it is our child and has not been waited for: the pid is its own
                while syscalls.poll(self.fd, POLLIN, KILL_PATIENCE_MS):
                    data, fds = syscalls.recv(self.fd, MAX_REPORT, 1)
                    for fd in fds:
                        posix.close(fd)
                    if not data:
                        break
                posix.kill(self.pid, SIGKILL)
            except ProcessLookupError:
                pass  # it has ended; SIGCHLD is ignored, or the program waits for all
            self.finish()


class Hooks:
    """The createContainer hooks: entries of config.json, the state that they read, where they start."""

    __slots__ = ("cwd", "entries", "state")

    def __init__(self, entries: "list[Any]", state: "dict[str, object]", cwd: str) -> None:
        self.entries = entries
        self.state = state
        self.cwd = cwd


def start(
    operations: "list[Operation]", build: "Build", inside: "Helper", namespaces: int, before_pivot: "Hooks | None"
) -> Builder:
    """Forks the builder.

    namespaces:   flags of those that the container has of its own, made or joined
    before_pivot: given when hooks run while the file system stands, in the builder or in the runtime: it then
                  waits for `go_on` before it runs its own and does what has to come after them
    """
    if before_pivot is not None and before_pivot.entries:
        from pyrunc import hooks  # noqa: F401 the builder itself can import nothing any more

    return fork(lambda report: work(operations, build, inside, namespaces, before_pivot, report))


def fork(work: "Callable[[int], None]") -> Builder:
    """Forks a builder that does `work`, which gets the socket to report to; what it raises is reported, too."""
    try:
        ours, theirs = syscalls.socketpair(SOCK_SEQPACKET)
    except OSError as error:
        raise from_os_error(error, operation="start the builder") from error
    try:
        pid = posix.fork()
    except OSError as error:
        posix.close(ours)
        posix.close(theirs)
        raise from_os_error(error, operation="fork the builder") from error
    if pid:
        posix.close(theirs)
        return Builder(pid, ours)
    status = 1
    try:
        _signal.signal(_signal.SIGTERM, _signal.default_int_handler)  # see Builder.kill; a program's own is not for us
        posix.close(ours)
        work(theirs)
        status = 0
    except PyruncError as error:
        tell(theirs, (error.reason, error.operation, error.place, error.hint, error.errno))
    except OSError as error:
        tell(theirs, (str(from_os_error(error)), "", "", "", error.errno or 0))
    except BaseException as error:  # noqa: BLE001 a fork must not return into its parent's code, whatever happens
        tell(theirs, (f"internal error in the builder: {where(error)}", "", "", "", 0))
    finally:
        posix._exit(status)


def tell(fd: int, report: "tuple[str, str, str, str, int] | None", fds: "list[int] | tuple[int, ...]" = ()) -> None:
    """Sends a report; None is success.  Raises SystemCallError when the runtime has gone away."""
    if report is not None:
        reason, operation, place, hint, errno = report
        report = (cut(reason), cut(operation), cut(place), cut(hint), errno)
    syscalls.send(fd, marshal.dumps(report), fds)


def cut(text: str) -> str:
    """The text, or its beginning and end, so that four of them fit into one message."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT // 2]} ... {text[-MAX_TEXT // 2 :]}"


def where(error: BaseException) -> str:
    """The error with its last line of code: `traceback` cannot be imported any more."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace is not None else ""
    return f"{type(error).__name__}: {error}{place}"


def seal_imports() -> None:
    """From here on an import fails and reads nothing: soon the files at its path may be the container's."""
    sys.meta_path.clear()
    sys.path_hooks.clear()
    sys.path.clear()


def work(
    operations: "list[Operation]",
    build: "Build",
    inside: "Helper",
    namespaces: int,
    before_pivot: "Hooks | None",
    report: int,
) -> None:
    """What the builder does, from start to end."""
    syscalls.prctl(PR_SET_PDEATHSIG, SIGKILL)
    seal_imports()
    posix.umask(0o022)  # directories that are made on the way have the usual mode, whoever calls
    entered = namespaces & BUILDER_NAMESPACES
    if before_pivot is not None and before_pivot.entries:
        # For the hooks, which are started in it; now, since root of a user namespace may not by the helper's pidfd.
        entered |= namespaces & CLONE_NEWPID
    if not build.in_userns:
        perform_all(operations, build, "prepare")
        wait_prepared(inside)
        enter(inside.pidfd, entered)
    else:
        # A copy of the host's mounts that is made inside the mount namespace keeps the attributes that protect
        # them; and what only the host's root can reach must be opened before that privilege is given up.
        wait_prepared(inside)
        privileged = CLONE_NEWUSER if posix.geteuid() == 0 else 0
        # A program of ours is run for it: in a mount namespace that is joined somebody may have put another there.
        perform_all(operations if privileged else (), build, "reserve")
        enter(inside.pidfd, entered & ~privileged)
        build.entered = True
        perform_all(operations, build, "prepare")
        enter(inside.pidfd, entered & privileged)
    if before_pivot is None:
        perform_all(operations, build)
        tell(report, None, [build.root])
        return
    perform_all([operation for operation in operations if not operation.after_hooks], build)
    tell(report, None, [build.root])
    if not syscalls.recv(report, 1)[0]:
        posix._exit(1)
    if before_pivot.entries:
        from pyrunc.hooks import run_hooks

        state = before_pivot.state
        run_hooks(before_pivot.entries, state, "createContainer", container_id=str(state["id"]), cwd=before_pivot.cwd)
    perform_all([operation for operation in operations if operation.after_hooks], build)
    tell(report, None)


def wait_prepared(inside: "Helper") -> None:
    """Waits until the helper has made its cgroup namespace."""
    for fd in inside.channel.receive(helper.PREPARED)[2]:
        posix.close(fd)


def enter(pidfd: int, namespaces: int) -> None:
    """Joins namespaces of a process and, with a user namespace among them, becomes its root.

    pidfd: of the process, or the descriptor of one namespace
    """
    try:
        if namespaces:
            syscalls.setns(pidfd, namespaces)
        if namespaces & CLONE_NEWUSER:
            posix.setresgid(0, 0, 0)
            posix.setresuid(0, 0, 0)
            # The change of credentials has cleared it.
            syscalls.prctl(PR_SET_PDEATHSIG, SIGKILL)
    except OSError as error:
        raise from_os_error(error, operation="join the container's namespaces") from error


def make_proc(inside: "Helper", options: "list[tuple[str, str | None]]") -> int:
    """A procfs of the helper's pid namespace, as a detached mount (MESSAGE_PREPARE)."""
    records = [helper.record(helper.TAG_PROC)]
    for key, value in options:
        payload = helper.text(key) if value is None else helper.pair(key, value)
        records.append(helper.record(helper.TAG_PROC_OPTION, payload))
    inside.channel.send(helper.PREPARE, records)
    fds = inside.channel.receive(helper.PREPARED)[2]
    if not fds:
        raise PyruncError("pyrunc-init gave no procfs")
    return fds[0]
