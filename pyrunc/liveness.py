"""Whether a container's process lives, and its end: asked of the kernel, never remembered."""

import posix
from _signal import pidfd_send_signal
from errno import EACCES

from pyrunc import cgroups, pathnames, syscalls
from pyrunc.errors import InvalidTransition, PyruncError, from_os_error, reason_of
from pyrunc.record import CREATING, Record, open_process, pid_start_time
from pyrunc.state import PAUSED_FILE, RESCTRL_FILE, START_SOCKET, StateDirectory

POLLIN = 0x1
SIGKILL = 9
# How long a killed container may take to go: seconds.
KILL_PATIENCE = 10.0
NS_GET_USERNS = 0xB701  # linux/nsfs.h


def status_of(state: StateDirectory, record: Record) -> str:
    """What the container is now: asked of the kernel, not remembered."""
    pidfd = open_process(record.pid, record.start_time)
    if pidfd is None:
        return CREATING if record.phase == CREATING and record.pid == 0 else "stopped"
    posix.close(pidfd)
    if record.phase == CREATING:
        return CREATING
    waits = state.exists(START_SOCKET)
    if waits and not state.exists(PAUSED_FILE):
        return "created"
    if cgroups.is_frozen(record.cgroups):
        return "paused"
    return "created" if waits else "running"


def kill_process(record: Record) -> None:
    """Kills the container's first process and waits until it is gone.  Raises PyruncError when it does not go."""
    pidfd = open_process(record.pid, record.start_time)
    if pidfd is None:
        reap_zombie(record)
        return
    try:
        pidfd_send_signal(pidfd, SIGKILL)
        cgroups.thaw_killed(record.cgroups)
        if not syscalls.poll(pidfd, POLLIN, int(KILL_PATIENCE * 1000)):
            raise PyruncError(
                f"process {record.pid} does not end",
                operation="kill the container's process",
                hint="It hangs in the kernel: see /proc/PID/stack.",
            )
        reap(record.pid)
    except ProcessLookupError:
        reap_zombie(record)
    except OSError as error:
        raise from_os_error(error, operation=f"kill process {record.pid}") from error
    finally:
        posix.close(pidfd)


def kill_all(record: Record, signal: int) -> None:
    """Sends the signal to every process of the container.  Raises PyruncError."""
    if record.cgroups:
        cgroups.kill_all(record.cgroups, signal)
    else:
        from pyrunc.namespace_members import signal_all

        signal_all(record, signal)


def reap_zombie(record: Record) -> None:
    """Collects the container's process if it has ended as the caller's own child, and is that very process."""
    if record.pid > 0 and pid_start_time(record.pid, zombie=True) == record.start_time:
        reap(record.pid)


def reap(pid: int) -> None:
    """Collects the process if it was our own child."""
    try:
        posix.waitpid(pid, posix.WNOHANG)
    except ChildProcessError:
        return


def remove_group(state: StateDirectory) -> None:
    """Removes what was made for the container in resctrl, if anything was.  Raises PyruncError."""
    if state.exists(RESCTRL_FILE):
        from pyrunc import resctrl

        resctrl.remove(state)


def open_mounts(record: Record) -> int:
    """The mount namespace of the container's process, -1 where that needs no look: it is the caller's, or a joined one,
    or there is a user namespace to enter as well.

    Raises OSError; PyruncError when the process has left it for one that belongs to a user namespace which it has made:
    whoever it is, there it can mount over everything, and nothing that is mounted for it stays read-only.
    """
    if record.namespaces.get("mount") != "" or "user" in record.namespaces:
        return -1
    mounts = posix.open(f"/proc/{record.pid}/ns/mnt", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        owner = syscalls.ioctl(mounts, NS_GET_USERNS)
        try:
            if pathnames.samestat(posix.stat(owner), posix.stat("/proc/self/ns/user")):
                return mounts
        finally:
            posix.close(owner)
        raise PyruncError(
            "its process is in a mount namespace of its own making, where it may have put anything anywhere",
            operation="enter the container",
        )
    except BaseException:
        posix.close(mounts)
        raise


def not_entered(error: OSError) -> PyruncError:
    """The error for a container whose process lets the caller not look at its namespaces: it waits to be started."""
    hint = "an ordinary user can enter a container only when it has been started" if error.errno == EACCES else ""
    return PyruncError(reason_of(error.errno or 0), operation="enter the container", hint=hint, errno=error.errno or 0)


def cannot_start(status: str) -> InvalidTransition:
    """The error for a container that does not wait to be started, in runc's words."""
    reasons = {
        "running": "cannot start an already running container",
        "paused": "cannot start a container in the paused state",
        "stopped": "cannot start a container that has stopped",
    }
    return InvalidTransition(reasons.get(status, f"cannot start a container that is {status}"))


def no_process() -> PyruncError:
    """The error for a container that was created without a process and is to be started (runtime.md, "Start")."""
    return PyruncError(
        "there is no process to start", place="process", hint="a container without one cannot be started"
    )
