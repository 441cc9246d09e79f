"""The processes of a container's cgroups: moving them in, listing, stopping and killing them, removing the cgroup.

`paths` is always a plan's (or state's) controller -> directory; one directory may serve several controllers.
"""

import posix
import time
from _signal import pidfd_send_signal
from errno import EACCES, EBUSY, EINVAL, ENAMETOOLONG, ENODEV, ENOENT, ENOTEMPTY, EOPNOTSUPP, ESRCH

from pyrunc import pathnames
from pyrunc.cgroups.files import pids_in, read_file, walk, write_file
from pyrunc.cgroups.layout import UNIFIED
from pyrunc.errors import PyruncError, from_os_error, reason_of

SIGKILL = 9
# How many processes are signalled at once: each has a descriptor meanwhile.
AT_ONCE = 64
# A cgroup that is not there: removed before its file was opened, or before it was read, or never possible.
GONE = (ENOENT, ENODEV, ENAMETOOLONG)

# v1's freezer does not get to the end while new processes appear; these are runc's empirical numbers.
FREEZE_ATTEMPTS = 1000
FREEZE_TIMEOUT = 10.0  # seconds to wait for v2's freezer
# How long a helper may take to end after its runtime: seconds.
DEATH_PATIENCE = 5.0


def attach(paths: "dict[str, str]", pid: int, beside: int = 0) -> None:
    """Moves a process (all its threads) into every directory of paths.  Raises PyruncError.

    beside: the container's first process.  On cgroup2 a container that manages its own cgroup has its processes in
    cgroups below, and then the top takes none (EBUSY): the new one goes where that process is.
    """
    text = b"%d" % pid
    for directory in dict.fromkeys(paths.values()):
        path = f"{directory}/cgroup.procs"
        try:
            try:
                write_pid(path, text)
            except OSError as error:
                if error.errno != EBUSY or not beside or not attach_beside(directory, text, beside):
                    raise
        except OSError as error:
            reason = f"{path}: {reason_of(error.errno or 0)}"
            hint = ""
            if error.errno == EACCES:
                hint = (
                    "the cgroup that a user moves a process from and the one it goes to must lie below one that is his"
                )
            raise PyruncError(reason, operation=f"move process {pid}", hint=hint, errno=error.errno or 0) from error


def write_pid(path: str, text: bytes, dir_fd: "int | None" = None) -> None:
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        posix.write(fd, text)
    finally:
        posix.close(fd)


def attach_beside(directory: str, text: bytes, other: int) -> bool:
    """Moves the process into the cgroup of another one, somewhere below directory; whether that one was found."""
    for fd, name in walk(directory):
        if other in pids_in(fd, name):
            write_pid(f"{name}/cgroup.procs", text, fd)
            return True
    return False


def processes(paths: "dict[str, str]") -> "list[int]":
    """The pids in the container's cgroup and those below it, as the caller's pid namespace numbers them.

    A process that the caller's pid namespace does not have is 0.  The hierarchy that says which devices a process
    may use decides, as in runc.
    """
    for name in ("devices", UNIFIED, *paths):
        if name in paths:
            return members(paths[name])
    return []


def members(directory: str) -> "list[int]":
    """The pids in one cgroup and those below it; none when it is not there."""
    pids: list[int] = []
    try:
        for fd, name in walk(directory):
            pids += pids_in(fd, name)
    except OSError as error:
        if error.errno not in GONE:
            raise from_os_error(error, operation=f"list the processes of {directory}") from error
    return pids


def kill_all(paths: "dict[str, str]", signal: int = SIGKILL) -> None:
    """Sends signal to every process of the container's cgroups; with SIGKILL none of them survives by forking.

    Where cgroup2 has the container, cgroup.kill does it in one step.  Elsewhere the freezer holds the processes
    while they are signalled; killed ones are thawed to die.  Returns without waiting for their end.
    """
    at_once = signal == SIGKILL and write_if_there(paths.get(UNIFIED), "cgroup.kill", "1")
    hold = not at_once and freezer_state(paths) in ("THAWED", "0")
    if hold and "freezer" in paths:
        set_v1_freezer(paths["freezer"])
    elif hold:
        set_v2_freezer(paths[UNIFIED])
    try:
        signal_members(paths, signal)
    finally:
        if signal == SIGKILL:
            thaw_killed(paths)
        elif hold:
            thaw(paths)


def signal_members(paths: "dict[str, str]", signal: int) -> None:
    """Signals what is in any of the hierarchies: a privileged container can move its processes in one of them."""
    done: set[int] = {0}
    for directory in dict.fromkeys(paths.values()):
        try:
            for fd, name in walk(directory):
                pids = [pid for pid in pids_in(fd, name) if pid not in done]
                for start in range(0, len(pids), AT_ONCE):
                    done |= signal_in(fd, name, pids[start : start + AT_ONCE], signal)
        except OSError as error:
            if error.errno not in GONE:
                raise from_os_error(error, operation=f"signal the processes of {directory}") from error


def signal_in(directory_fd: int, name: str, pids: "list[int]", signal: int) -> "set[int]":
    """Signals those of these processes that are in the cgroup; which these were.

    A number may have become another process's since it was read.  That one is not in the cgroup, which is asked once
    the numbers stand for what is open.
    """
    opened: dict[int, int] = {}
    try:
        for pid in pids:
            try:
                opened[pid] = posix.pidfd_open(pid)
            except OSError as error:
                if error.errno not in (ESRCH, EINVAL, ENOENT):  # it has ended; the last two: a thread has its number
                    raise
        found = opened.keys() & set(pids_in(directory_fd, name))
        for pid in found:
            try:
                pidfd_send_signal(opened[pid], signal)
            except ProcessLookupError:
                continue  # it ended meanwhile
        return found
    finally:
        for fd in opened.values():
            posix.close(fd)


def freeze(paths: "dict[str, str]") -> None:
    """Stops all processes of the container and returns when they stand.  Raises PyruncError (and thaws again)."""
    if "freezer" in paths:
        directory = paths["freezer"]
        stands = set_v1_freezer(directory)
    elif UNIFIED in paths:
        directory = paths[UNIFIED]
        stands = set_v2_freezer(directory)
    else:
        raise PyruncError("the freezer cgroup controller is not available")
    if not stands:
        thaw(paths)
        raise PyruncError("unable to freeze", operation=f"freeze {directory}")


def thaw(paths: "dict[str, str]") -> None:
    """Lets the container's processes go on; nothing happens when they do, or when there is no freezer."""
    if not write_if_there(paths.get("freezer"), "freezer.state", "THAWED"):
        write_if_there(paths.get(UNIFIED), "cgroup.freeze", "0")


def thaw_killed(paths: "dict[str, str]") -> None:
    """Thaws for killed processes to die, also what a container has frozen by itself in v1 cgroups below its own.

    On cgroup2 they die where they stand.
    """
    thaw(paths)
    if "freezer" not in paths:
        return
    try:
        for fd, name in walk(paths["freezer"]):
            thaw_at(fd, name)
    except OSError as error:
        if error.errno not in GONE:
            raise from_os_error(error, operation=f"thaw {paths['freezer']}") from error


def thaw_at(directory_fd: int, name: str) -> None:
    flags = posix.O_WRONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW
    fd = posix.open(f"{name}/freezer.state", flags, dir_fd=directory_fd)
    try:
        posix.write(fd, b"THAWED")
    finally:
        posix.close(fd)


def is_frozen(paths: "dict[str, str]") -> bool:
    """Whether the container is paused (or about to be)."""
    return freezer_state(paths) not in ("THAWED", "0", "")


def freezer_state(paths: "dict[str, str]") -> str:
    """THAWED, FREEZING or FROZEN (v1), 0 or 1 (v2), "" without a freezer."""
    for name, file in (("freezer", "freezer.state"), (UNIFIED, "cgroup.freeze")):
        if name in paths:
            try:
                return read_file(paths[name], file)
            except OSError as error:
                if error.errno not in GONE:
                    raise from_os_error(error, operation=f"read {paths[name]}/{file}") from error
    return ""


def set_v1_freezer(directory: str) -> bool:
    """Freezes by v1's freezer, which must be told again while processes appear; whether all stand now."""
    try:
        for attempt in range(FREEZE_ATTEMPTS):
            if attempt % 50 == 49:  # a pause lets forks in flight come to an end
                write_file(directory, "freezer.state", "THAWED")
                time.sleep(0.01)
            write_file(directory, "freezer.state", "FROZEN")
            if attempt % 25 == 24:
                time.sleep(0.00001)
            if read_file(directory, "freezer.state") == "FROZEN":
                return True
    except OSError as error:
        raise from_os_error(error, operation=f"freeze {directory}") from error
    return False


def set_v2_freezer(directory: str) -> bool:
    """Freezes by cgroup.freeze; whether all stand now."""
    deadline = time.monotonic() + FREEZE_TIMEOUT
    delay = 0.0002
    try:
        write_file(directory, "cgroup.freeze", "1")
        while "frozen 1" not in read_file(directory, "cgroup.events"):
            if time.monotonic() > deadline:
                return False
            time.sleep(delay)
            delay = min(delay * 2, 0.05)
    except OSError as error:
        raise from_os_error(error, operation=f"freeze {directory}") from error
    return True


def remove(paths: "dict[str, str]", timeout: float = 10.0) -> None:
    """Removes the container's cgroups with all that was made in them; what still lives there is killed first.

    Cgroups that are not there are no error.  Raises PyruncError after `timeout` seconds, naming what is left and
    who is in it.
    """
    busy = [directory for directory in dict.fromkeys(paths.values()) if not remove_tree(directory)]
    if not busy:
        return
    deadline = time.monotonic() + timeout
    delay = 0.0005
    while busy:
        # First the quick way; who is still there has moved out of what it kills, and is held while it is killed.
        left = paths if delay < 0.005 else {name: path for name, path in paths.items() if name != UNIFIED}
        kill_all(left)
        time.sleep(delay)
        delay = min(delay * 2, 0.1)
        busy = [directory for directory in busy if not remove_tree(directory)]
        if busy and time.monotonic() > deadline:
            holders = ", ".join(f"{path} (processes {members(path) or 'unknown'})" for path in busy)
            raise PyruncError(f"unable to remove cgroup {holders}", operation="remove cgroups", errno=EBUSY)


def remove_tree(directory: str) -> bool:
    """Removes a cgroup and those below it, as far as they are empty; whether nothing is left."""
    try:
        posix.rmdir(directory)
        return True
    except OSError as error:
        if error.errno in GONE:
            return True
        if error.errno not in (EBUSY, ENOTEMPTY):
            raise from_os_error(error, operation=f"remove cgroup {directory}") from error
    try:
        for fd, name in walk(directory):
            try:
                posix.rmdir(name, dir_fd=fd)
                gone = True
            except OSError as error:
                if error.errno not in (EBUSY, ENOTEMPTY, *GONE):
                    raise
                gone = error.errno in GONE
    except OSError as error:
        if error.errno not in GONE:  # ENOENT: the tree changed under the walk
            raise from_os_error(error, operation=f"remove cgroup {directory}") from error
        return not pathnames.isdir(directory)
    return gone  # of the last one, which is directory itself


def write_if_there(directory: "str | None", file: str, value: str) -> bool:
    """Writes to a cgroup's file if cgroup and file exist; whether they do."""
    if directory is None:
        return False
    try:
        write_file(directory, file, value)
    except OSError as error:
        if error.errno in (*GONE, EOPNOTSUPP):
            return False
        raise from_os_error(error, operation=f"write {value!r}") from error
    return True


def remove_empty(paths: "dict[str, str]") -> None:
    """Removes those of the container's cgroups that are empty, and touches nothing in the others.

    A helper may have been born in them that dies because its runtime was killed: that is waited for.
    """
    deadline = time.monotonic() + DEATH_PATIENCE
    for directory in set(paths.values()):
        delay = 0.0005
        while not removed(directory) and only_helpers_in(directory) and time.monotonic() < deadline:
            time.sleep(delay)
            delay = min(delay * 2, 0.05)


def removed(directory: str) -> bool:
    """Removes a cgroup in which nothing is; whether it is gone.  Raises PyruncError."""
    try:
        posix.rmdir(directory)
    except OSError as error:
        if error.errno not in (ENOENT, ENOTEMPTY, EBUSY):
            raise from_os_error(error, operation="remove the cgroup") from error
        return error.errno == ENOENT
    return True


def only_helpers_in(directory: str) -> bool:
    """Whether nothing lives in a cgroup but pyrunc-init, or what has given up its memory and is about to end."""
    for pid in members(directory):
        try:
            fd = posix.open(f"/proc/{pid}/cmdline", posix.O_RDONLY | posix.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            command = posix.read(fd, 12)
        except ProcessLookupError:
            command = b""
        finally:
            posix.close(fd)
        if command and not b"pyrunc-init\0".startswith(command):
            return False
    return True
