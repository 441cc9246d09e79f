"""linux.intelRdt: a container's group in resctrl (config-linux.md, "IntelRdt"; Documentation/filesystems/resctrl.rst).

A group is a directory of the resctrl file system: its `schemata` file says how much of a cache and of the memory's
bandwidth its tasks get, its `tasks` file who they are.  A group below mon_groups only counts what its tasks use.

What is made is noted in the container's state directory before it is made, so that `delete` finds it whatever
happened; what was there before is never removed.
"""

import posix
import time
from errno import EACCES, EAGAIN, EEXIST, ENOENT, EPERM, ESRCH

from pyrunc import pathnames, syscalls
from pyrunc.errors import PyruncError, from_os_error, reason_of
from pyrunc.fastjson import dumps, loads
from pyrunc.schemata import combined, difference, lines_about
from pyrunc.state import RESCTRL_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any

    from pyrunc.state import StateDirectory

PLACE = "linux.intelRdt"
MODE = 0o755
LOCK_EX, LOCK_NB, LOCK_UN = 2, 4, 8
# How long to wait for others that change groups: seconds.
LOCK_PATIENCE = 10.0
LOCK_SLEEP = 0.01
# Threads that appear while those of a container are moved are moved in the next round.
ROUNDS = 20


def find_root(mountinfo: str = "/proc/self/mountinfo") -> str:
    """Where resctrl is mounted.  Raises PyruncError when it is not: the specification's MUST."""
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for line in file:
                root, mount_point, *rest = line.split(" ")[3:]
                if root == "/" and rest[rest.index("-") + 1] == "resctrl":
                    return unescaped(mount_point)
    except OSError as error:
        raise from_os_error(error, operation="find resctrl", place=PLACE) from error
    hint = "mount -t resctrl resctrl /sys/fs/resctrl; the CPU must have Intel RDT, AMD QoS or Arm MPAM"
    raise PyruncError("no resctrl file system is mounted", place=PLACE, hint=hint)


def unescaped(text: str) -> str:
    """A path of mountinfo, where blanks and their like are written as octal numbers."""
    head, *parts = text.split("\\")
    return head + "".join(chr(int(part[:3], 8)) + part[3:] for part in parts)


class Group:
    """The group of one container, as the configuration wants it.

    root:     where resctrl is mounted
    path:     the group's directory, which is root for closID "/"
    shared:   whether it is named by closID: there may be others in it
    lines:    for its schemata file; what is there already must agree with them
    schemata: more of them, written after the others and whatever there was
    monitor:  the directory of the container's monitoring group, "" without one
    """

    __slots__ = ("lines", "monitor", "path", "root", "schemata", "shared")

    def __init__(self, settings: "Mapping[str, Any]", id: str, root: str) -> None:
        name = settings.get("closID") or ""
        self.root = root
        self.shared = bool(name)
        self.path = root if name == "/" else f"{root}/{name or id}"
        self.lines = combined(settings)
        self.schemata: "list[str]" = list(settings.get("schemata") or ())
        self.monitor = f"{self.path}/mon_groups/{id}" if settings.get("enableMonitoring") else ""

    def make(self, state: "StateDirectory") -> None:
        """Makes the group, or checks the one that is there; then the monitoring group.  Raises PyruncError."""
        with Lock(self.root):
            exists = pathnames.isdir(self.path)
            self.check(exists)
            note = {"root": self.root, "group": self.path, "made": not exists, "shared": self.shared}
            state.write(RESCTRL_FILE, dumps({**note, "monitor": self.monitor}).encode("utf-8", "surrogateescape"))
            if not exists:
                make_directory(self.path)
                write_schemata(self.root, self.path, self.lines)
            write_schemata(self.root, self.path, self.schemata)
            if self.monitor:
                make_directory(self.monitor)

    def attach(self, pid: int) -> None:
        """Puts a process into the group, and into the monitoring group.  Raises PyruncError."""
        put({"root": self.root, "group": self.path, "monitor": self.monitor}, pid)

    def check(self, exists: bool) -> None:
        """Raises PyruncError when what is there is not what the configuration needs.  Nothing is changed."""
        if not self.shared and exists:
            hint = "closID names a group that is to be shared; without it a container has one of its own"
            raise PyruncError(f"{self.path} exists already", operation="make the group", place=PLACE, hint=hint)
        if self.shared and not exists and not self.lines and not self.schemata:
            hint = "without schemata, closID names a group that was made before"
            raise PyruncError(f"{self.path} does not exist", place=f"{PLACE}.closID", hint=hint)
        if exists and self.lines:
            differs = difference(self.lines, read(self.path, "schemata"), bandwidth_granularity(self.root))
            if differs:
                hint = "all containers of a group have the same schemata"
                reason = f'{self.path}/schemata exists, and does not agree with "{differs}"'
                raise PyruncError(reason, place=PLACE, hint=hint)
        if self.monitor and pathnames.isdir(self.monitor):
            raise PyruncError(f"{self.monitor} exists already", operation="make the monitoring group", place=PLACE)


def attach(state: "StateDirectory", pid: int) -> None:
    """Puts a process into the group of the container, and into its monitoring group.  Raises PyruncError."""
    note = load(state)
    if note:
        put(note, pid)


def put(note: "Mapping[str, Any]", task: int) -> None:
    for directory in (note["group"], note["monitor"]):
        if directory:
            write(note["root"], directory, "tasks", str(task))


def attach_all(state: "StateDirectory", pids: "Callable[[], Iterable[int]]") -> None:
    """Puts all threads of the processes into the group, those too that appear meanwhile.  Raises PyruncError."""
    note = load(state)
    moved: "set[int]" = set()
    for _ in range(ROUNDS):
        tasks = {task for pid in pids() for task in threads(pid)} - moved
        if not tasks or not note:
            return
        for task in tasks:
            try:
                put(note, task)
            except PyruncError as error:
                if error.errno != ESRCH:  # it has ended
                    raise
        moved |= tasks


def threads(pid: int) -> "list[int]":
    """The threads of a process; none when it has ended."""
    try:
        return [int(name) for name in posix.listdir(f"/proc/{pid}/task")]
    except FileNotFoundError:
        return []


def load(state: "StateDirectory") -> "dict[str, Any]":
    """What `Group.make` noted; empty for a container without a group."""
    if not state.exists(RESCTRL_FILE):
        return {}
    note = loads(state.read(RESCTRL_FILE).decode("utf-8", "surrogateescape"))
    return note if isinstance(note, dict) else {}


def remove(state: "StateDirectory") -> None:
    """Removes what was made for the container: its monitoring group, and its group when nobody else is in it.

    Raises PyruncError.  What is not there (any more) is no error.
    """
    note = load(state)
    if not note or not pathnames.isdir(note["root"]):
        return
    with Lock(note["root"]):
        if note["monitor"]:
            remove_directory(note["monitor"])
        # A closID may be that of other containers by now, whose tasks would lose their share.
        if note["made"] and not (note["shared"] and tasks_in(note["group"])):
            remove_directory(note["group"])
    state.unlink(RESCTRL_FILE)


def tasks_in(directory: str) -> str:
    """The tasks of a group; "" when it is not there."""
    try:
        return read(directory, "tasks").strip()
    except PyruncError as error:
        if error.errno == ENOENT:
            return ""
        raise


def change(state: "StateDirectory", settings: "Mapping[str, Any]") -> "Callable[[], None]":
    """Writes other schemata for the container's group; gives back what undoes it.  Raises PyruncError."""
    note = load(state)
    root, group = note["root"], note["group"]
    lines = combined(settings)
    with Lock(root):
        before = lines_about(lines, read(group, "schemata"))
        write_schemata(root, group, lines)
    return lambda: write_schemata(root, group, before)


def write_schemata(root: str, directory: str, lines: "list[str]") -> None:
    """Writes lines to a group's schemata file, all at once; none are none to write."""
    if lines:
        write(root, directory, "schemata", "".join([line + "\n" for line in lines]))


def write(root: str, directory: str, file: str, text: str) -> None:
    """Writes to a file of a group.  Raises PyruncError, with what the kernel says in info/last_cmd_status."""
    try:
        fd = posix.open(f"{directory}/{file}", posix.O_WRONLY | posix.O_TRUNC | posix.O_CLOEXEC)
        try:
            posix.write(fd, text.encode("utf-8", "surrogateescape"))
        finally:
            posix.close(fd)
    except OSError as error:
        shown = text.strip().replace("\n", "; ")
        raise failure(error, f"write {shown!r} to {directory}/{file}", root) from error


def read(directory: str, file: str) -> str:
    """A file of a group or of info.  Raises PyruncError."""
    path = f"{directory}/{file}"
    try:
        with open(path, encoding="utf-8", errors="replace") as opened:
            return opened.read()
    except OSError as error:
        raise from_os_error(error, operation=f"read {path}", place=PLACE) from error


def make_directory(path: str) -> None:
    """Makes a group.  Raises PyruncError: there are as many as the hardware has classes of service."""
    try:
        posix.mkdir(path, MODE)
    except OSError as error:
        raise failure(error, f"make group {path}", pathnames.dirname(path)) from error


def remove_directory(path: str) -> None:
    """Removes a group, which the kernel does with all in it; its tasks fall back to the group above."""
    try:
        posix.rmdir(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise from_os_error(error, operation=f"remove group {path}", place=PLACE) from error


def failure(error: OSError, operation: str, root: str) -> PyruncError:
    """The error with the kernel's own words (info/last_cmd_status), which are "ok" when it has none."""
    number = error.errno or 0
    reason = reason_of(number)
    if number not in (ENOENT, EACCES, EPERM, EEXIST, ESRCH):
        try:
            words = read(f"{root}/info", "last_cmd_status").strip()
        except PyruncError:
            words = ""
        if words and words != "ok":
            reason = f"{reason} ({words})"
    return PyruncError(reason, operation=operation, place=PLACE, errno=number)


def bandwidth_granularity(root: str) -> int:
    """The steps of memory bandwidth, in percent; 1 where there is no such control."""
    try:
        return max(1, int(read(f"{root}/info/MB", "bandwidth_gran")))
    except (PyruncError, ValueError):
        return 1


class Lock:
    """The lock that resctrl.rst ("Examples for working with locks") asks changes to be made under."""

    __slots__ = ("fd", "root")

    def __init__(self, root: str) -> None:
        self.root = root
        self.fd = -1

    def __enter__(self) -> None:
        deadline = time.monotonic() + LOCK_PATIENCE
        try:
            self.fd = posix.open(self.root, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
            while True:
                try:
                    syscalls.flock(self.fd, LOCK_EX | LOCK_NB)
                    return
                except OSError as error:
                    if error.errno != EAGAIN or time.monotonic() > deadline:
                        raise
                time.sleep(LOCK_SLEEP)
        except OSError as error:
            self.__exit__(None, None, None)
            raise from_os_error(error, operation=f"lock {self.root}", place=PLACE) from error

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        if self.fd >= 0:
            syscalls.flock(self.fd, LOCK_UN)  # closing is not enough while a fork (of another thread?) has a copy
            posix.close(self.fd)
        self.fd = -1
