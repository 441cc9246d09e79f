"""The processes of a container that has no cgroup, as an ordinary user's often has none: found by their namespaces.

A process is the container's when its pid namespace is the container's own, or one that was made in there.  Where the
pid namespace is shared, the user namespace decides in the same way.
"""

import posix
import time
from _signal import pidfd_send_signal
from errno import EPERM, ESRCH

from pyrunc import syscalls
from pyrunc.errors import PyruncError, from_os_error
from pyrunc.record import Record, open_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.state import StateDirectory

    Identity = tuple[int, int]  # device and inode

NS_GET_PARENT = 0xB702  # linux/nsfs.h
SIGKILL = 9
POLLIN = 0x1
KILL_PATIENCE = 10.0  # seconds until all must be gone


def members(record: Record) -> "list[int]":
    """The pids of the container's processes; none when its first process has ended.  Raises PyruncError."""
    kind, wanted = deciding(record)
    if wanted is None:
        return []
    return find(kind, wanted) if kind else [record.pid]


def note_own(state: "StateDirectory", record: Record) -> None:
    """Notes which user namespace the container was made with: its process can leave it for one below, where not all of
    the others are."""
    if record.namespaces.get("user") == "":
        record.user_namespace = posix.stat(f"/proc/{record.pid}/ns/user").st_ino
        state.save(record)


def deciding(record: Record) -> "tuple[str, Identity | None]":
    """The namespace that only the container's processes are in: its name below /proc/PID/ns and what it is.

    The name is "" when there is none, and None stands for a first process that has ended.
    """
    kind = "pid" if record.own_pidns else "user" if record.namespaces.get("user") == "" else ""
    target = open_process(record.pid, record.start_time)
    if target is None:
        return kind, None
    try:
        wanted = identity(record.pid, kind or "user")
        if kind == "user" and wanted and record.user_namespace:
            wanted = (wanted[0], record.user_namespace)
        return kind, None if syscalls.poll(target, POLLIN, 0) else wanted
    finally:
        posix.close(target)


def find(kind: str, wanted: "Identity") -> "list[int]":
    """The living processes in that namespace or in those below it."""
    return [pid for pid in all_pids() if is_inside(pid, kind, wanted) and not is_zombie(pid)]


def all_pids() -> "list[int]":
    """Every process that /proc shows."""
    return [int(name) for name in posix.listdir("/proc") if name.isdigit()]


def identity(pid: int, kind: str) -> "Identity | None":
    """Device and inode of a process's namespace; None when it has ended or is somebody else's."""
    try:
        status = posix.stat(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_inside(pid: int, kind: str, wanted: "Identity") -> bool:
    """Whether the process is in the wanted namespace or in one below it."""
    found = identity(pid, kind)
    if found is None or found == identity_of_caller(kind):
        return False
    if found == wanted:
        return True
    try:
        fd = posix.open(f"/proc/{pid}/ns/{kind}", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return False  # it has ended
    try:
        return has_ancestor(fd, wanted)
    finally:
        posix.close(fd)


def identity_of_caller(kind: str) -> "tuple[int, int]":
    """The same of this process, whose namespace is never the container's."""
    status = posix.stat(f"/proc/self/ns/{kind}")
    return status.st_dev, status.st_ino


def has_ancestor(fd: int, wanted: "Identity") -> bool:
    """Whether a namespace is below the wanted one (ioctl_nsfs(2))."""
    above = posix.dup(fd)
    try:
        while True:
            try:
                parent = syscalls.ioctl(above, NS_GET_PARENT)
            except OSError as error:
                if error.errno != EPERM:
                    raise from_os_error(error, operation="look for a container's processes") from error
                return False  # what is above that is not for us to see
            posix.close(above)
            above = parent
            status = posix.fstat(above)
            if (status.st_dev, status.st_ino) == wanted:
                return True
    finally:
        posix.close(above)


def signal_all(record: Record, signal: int) -> None:
    """Sends the signal to every process of the container.  Raises PyruncError.

    SIGKILL is sent until nobody is left; where the container has a pid namespace the kernel sees to that.
    """
    kind, wanted = deciding(record)
    if wanted is None:
        return
    if not kind or (signal == SIGKILL and kind == "pid"):
        send_first(record, signal)
        return
    deadline = time.monotonic() + KILL_PATIENCE
    while pids := find(kind, wanted):
        for pid in pids:
            send(pid, signal, kind, wanted)
        if signal != SIGKILL:
            return
        if time.monotonic() > deadline:
            raise PyruncError(f"processes {pids} do not end", operation="kill the container's processes")
        time.sleep(0.001)


def send_first(record: Record, signal: int) -> None:
    """Signals the container's first process, if there still is one."""
    target = open_process(record.pid, record.start_time)
    if target is None:
        return
    try:
        pidfd_send_signal(target, signal)
    except ProcessLookupError:
        return
    except OSError as error:
        raise from_os_error(error, operation=f"kill process {record.pid}") from error
    finally:
        posix.close(target)


def send(pid: int, signal: int, kind: str, wanted: "Identity") -> None:
    """Signals the process, if it is still one of that namespace and not another with its number."""
    try:
        pidfd = posix.pidfd_open(pid)
        try:
            if is_inside(pid, kind, wanted):
                pidfd_send_signal(pidfd, signal)
        finally:
            posix.close(pidfd)
    except OSError as error:
        if error.errno != ESRCH:
            raise from_os_error(error, operation=f"kill process {pid}") from error


def is_zombie(pid: int) -> bool:
    """Whether the process has ended and waits to be seen by its parent."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] in (b"Z", b"X", b"")
    except OSError:
        return True
