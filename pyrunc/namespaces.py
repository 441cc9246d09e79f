"""Which namespaces a container makes and joins (config-linux.md, "Namespaces"): decided purely, opened with checks."""

import posix
from errno import ENOTTY

from pyrunc import pathnames, syscalls
from pyrunc.errors import PyruncError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# sched.h
CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

NS_GET_NSTYPE = 0xB703

# The specification's name of a type: (flag, name below /proc/PID/ns).
TYPES = {
    "pid": (CLONE_NEWPID, "pid"),
    "network": (CLONE_NEWNET, "net"),
    "mount": (CLONE_NEWNS, "mnt"),
    "ipc": (CLONE_NEWIPC, "ipc"),
    "uts": (CLONE_NEWUTS, "uts"),
    "user": (CLONE_NEWUSER, "user"),
    "cgroup": (CLONE_NEWCGROUP, "cgroup"),
    "time": (CLONE_NEWTIME, "time"),
}

# What clone3 can make at once.  Not in it: the user namespace, whose maps must be written before its process
# executes anything; the cgroup namespace, whose root is the cgroup at its making; the time namespace, which
# only children enter.
SPAWNABLE = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS

# What the builder enters.  It stays out of the pid namespace: nothing of Python is a process of the container.
BUILDER_NAMESPACES = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWUSER


class NamespacePlan:
    """new: flags of those to make; join: (type, path, place in config.json) of those to enter;
    uid_maps, gid_maps: (container id, host id, size) for a new user namespace;
    offsets: (clock, seconds, nanoseconds) for a new time namespace."""

    __slots__ = ("gid_maps", "join", "new", "offsets", "uid_maps")

    def __init__(
        self,
        new: int,
        join: "list[tuple[str, str, str]]",
        uid_maps: "list[tuple[int, int, int]]",
        gid_maps: "list[tuple[int, int, int]]",
        offsets: "list[tuple[str, int, int]]",
    ) -> None:
        self.new = new
        self.join = join
        self.uid_maps = uid_maps
        self.gid_maps = gid_maps
        self.offsets = offsets

    @property
    def joined(self) -> int:
        """The flags of the namespaces to enter."""
        flags = 0
        for kind, _, _ in self.join:
            flags |= TYPES[kind][0]
        return flags

    @property
    def staged(self) -> bool:
        """Whether the helper must be spawned outside and make its way in."""
        return bool(self.join) or bool(self.new & (CLONE_NEWUSER | CLONE_NEWTIME))


def without_own_user(config: "dict[str, Any]") -> "dict[str, Any]":
    """The configuration without a user namespace to join that is already the caller's own.

    To name it is to stay in it: the kernel refuses to enter it again.
    """
    linux = config.get("linux") or {}
    entries = linux.get("namespaces") or []
    kept = [entry for entry in entries if entry["type"] != "user" or not is_own_user(entry.get("path"))]
    return config if len(kept) == len(entries) else {**config, "linux": {**linux, "namespaces": kept}}


def is_own_user(path: "str | None") -> bool:
    """Whether the path leads to the caller's user namespace; one that leads nowhere is judged when it is joined."""
    if not path:
        return False
    try:
        return pathnames.samestat(posix.stat(path), posix.stat("/proc/self/ns/user"))
    except OSError:
        return False


def plan_namespaces(config: "Mapping[str, Any]") -> NamespacePlan:
    """Reads linux.namespaces, the mappings and timeOffsets of a checked configuration."""
    linux = config.get("linux") or {}
    new = 0
    join = []
    for index, entry in enumerate(linux.get("namespaces") or ()):
        path = entry.get("path")
        if path:
            join.append((entry["type"], path, f"linux.namespaces[{index}] ({entry['type']})"))
        else:
            new |= TYPES[entry["type"]][0]
    offsets = [
        (clock, value.get("secs") or 0, value.get("nanosecs") or 0)
        for clock, value in (linux.get("timeOffsets") or {}).items()
    ]
    return NamespacePlan(new, join, mappings(linux.get("uidMappings")), mappings(linux.get("gidMappings")), offsets)


def mappings(entries: "list[Mapping[str, int]] | None") -> "list[tuple[int, int, int]]":
    """uidMappings or gidMappings as (container id, host id, size)."""
    return [(entry["containerID"], entry["hostID"], entry["size"]) for entry in entries or ()]


def open_namespaces(plan: NamespacePlan) -> "list[tuple[int, int]]":
    """Opens what is to be joined: (flag, descriptor).  Raises PyruncError for a missing path or a wrong type."""
    opened: list[tuple[int, int]] = []
    try:
        for kind, path, place in plan.join:
            flag = TYPES[kind][0]
            operation = f"join {kind} namespace"
            try:
                fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY)
            except OSError as error:
                raise from_os_error(error, operation=operation, place=place) from error
            opened.append((flag, fd))
            try:
                actual = syscalls.ioctl(fd, NS_GET_NSTYPE)
            except OSError as error:
                if error.errno != ENOTTY:
                    raise from_os_error(error, operation=operation, place=place) from error
                actual = 0
            if actual != flag:
                raise PyruncError(f"{path} is not {article(kind)} namespace", operation=operation, place=place)
    except BaseException:
        for _, fd in opened:
            posix.close(fd)
        raise
    return opened


def article(kind: str) -> str:
    """ "a pid", "an ipc"."""
    return f"an {kind}" if kind == "ipc" else f"a {kind}"
