"""What of a container is not its own: mounts of the host, namespaces that it joined, its standard descriptors.

CRIU does not look into those.  It notes a name for each at the checkpoint, and is told at the restore what is behind
the name now.  The names are runc's, so that each can restore what the other has checkpointed.
"""

import os
from stat import S_ISCHR, S_ISREG

from pyrunc.cgroups.layout import lines_of, unescape
from pyrunc.operations.bind import BindMount
from pyrunc.operations.cgroup_mount import Cgroup1Mount, Cgroup2Mount
from pyrunc.operations.devices import MakeDevice
from pyrunc.operations.masks import MaskPath
from pyrunc.syscalls import mount_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pyrunc.operations.base import Operation

NULL = "/dev/null"
# Major numbers of terminals: virtual and serial ones, and the inner ends of pseudo-terminals.
TERMINALS = (4, *range(136, 144))
# Joined namespaces whose descriptor CRIU takes: type -> (name in CRIU's syntax, the name noted).
NAMED_NAMESPACES = {"network": ("net", "extRootNetNS"), "pid": ("pid", "extRootPidNS")}
# Those that it enters by their path at the restore.
ENTERED_NAMESPACES = {"ipc": "ipc", "uts": "uts", "time": "time"}


class Bind:
    """A mount of the host in the container.  recursive: what is mounted below it on the host came along."""

    __slots__ = ("destination", "recursive", "source")

    def __init__(self, destination: str, source: str, recursive: bool = False) -> None:
        self.destination = destination
        self.source = source
        self.recursive = recursive


class MountPoint:
    """One line of a mountinfo: its id, the device of its file system (as "8:1"), where it is, and what of the file
    system is there."""

    __slots__ = ("device", "id", "path", "root")

    def __init__(self, id: int, device: str, path: str, root: str = "/") -> None:
        self.id = id
        self.device = device
        self.path = path
        self.root = root


def binds_of(operations: "Iterable[Operation]") -> "list[Bind]":
    """The host's mounts that the operations put into the container."""
    found = []
    for step in operations:
        if isinstance(step, BindMount):
            found.append(Bind(step.destination, step.source, step.options.recursive))
        elif isinstance(step, MakeDevice) and step.bind:
            found.append(Bind(step.path, step.path))
        elif isinstance(step, Cgroup2Mount) and not step.own:
            found.append(Bind(step.destination, step.bound))
        elif isinstance(step, Cgroup1Mount) and not step.own:
            found += [Bind(f"{step.destination}/{each.directory}", each.bound) for each in step.hierarchies]
    return found


def masks_of(operations: "Iterable[Operation]") -> "list[str]":
    """The paths that are hidden."""
    return [step.path for step in operations if isinstance(step, MaskPath)]


def noted_mounts(
    binds: "Iterable[Bind]",
    masks: "Iterable[str]",
    places: "Mapping[str, str]",
    inside: "Iterable[MountPoint]",
    outside: "Iterable[MountPoint]",
) -> "dict[str, str]":
    """For the checkpoint: place in the container -> name of what is mounted there.

    places:  destination as in config.json -> where its mount is (links in the root file system resolved); a
             destination, or a mask, that is not in it is no mount now
    inside:  the container's mounts;  outside: the host's
    """
    there = {mount.path: (mount.device, mount.root) for mount in inside}
    noted = {}
    for bind in binds:
        place = places.get(bind.destination)
        if place is None:
            continue
        noted[place] = bind.destination
        for suffix, mount in below(bind, outside):
            if there.get(place + suffix) == (mount.device, mount.root):
                noted[place + suffix] = bind.destination + suffix
    for path in masks:
        if path in places:
            noted.setdefault(places[path], NULL)
    return noted


def named_sources(binds: "Iterable[Bind]", outside: "Iterable[MountPoint]") -> "dict[str, str]":
    """For the restore: name -> path on the host."""
    outside = list(outside)
    named = {NULL: NULL}
    for bind in binds:
        named[bind.destination] = bind.source
        for suffix, mount in below(bind, outside):
            named.setdefault(bind.destination + suffix, mount.path)
    return named


def below(bind: "Bind", outside: "Iterable[MountPoint]") -> "list[tuple[str, MountPoint]]":
    """The host's mounts below a recursive bind's source, each with the rest of its path."""
    if not bind.recursive:
        return []
    source = bind.source.rstrip("/")
    return [(mount.path[len(source) :], mount) for mount in outside if mount.path.startswith(source + "/")]


def parse_mountinfo(text: str) -> "list[MountPoint]":
    """The lines of /proc/PID/mountinfo (proc_pid_mountinfo(5))."""
    mounts = []
    for line in lines_of(text):
        fields = line.split(" ")
        mounts.append(MountPoint(int(fields[0]), fields[2], unescape(fields[4]), unescape(fields[3])))
    return mounts


def read_mountinfo(pid: "int | str") -> "list[MountPoint]":
    """The mounts that a process sees.  Raises OSError."""
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return parse_mountinfo(file.read())


def is_same(status: os.stat_result, source: str) -> bool:
    """Whether that is the status of a path on the host, or of the null device where the path is one's."""
    try:
        of_source = os.stat(source)
    except OSError:
        return False
    if S_ISCHR(of_source.st_mode):
        return S_ISCHR(status.st_mode) and status.st_rdev == of_source.st_rdev
    return os.path.samestat(status, of_source)


def with_real_sources(binds: "Iterable[Bind]") -> "list[Bind]":
    """The binds with links in the sources resolved, as the host's mountinfo has no links."""
    return [Bind(bind.destination, os.path.realpath(bind.source), bind.recursive) for bind in binds]


def stdio_names(pid: int, own_mounts: "Collection[int]") -> "list[str]":
    """What a process's standard descriptors are, as CRIU names what a restore may exchange: "pipe:[123]",
    "file[12:34]" for a file of the host (mount id and inode, hexadecimal), "tty[8801:19]" for a terminal of the host
    (its device number, and that of its file system); for anything else its path.

    own_mounts: the ids of the mounts that the process has: files there are the container's own
    """
    names = []
    for number in range(3):
        try:
            fd = os.open(f"/proc/{pid}/fd/{number}", os.O_PATH | os.O_CLOEXEC)
            try:
                name = os.readlink(f"/proc/{pid}/fd/{number}")
                status = os.stat(fd)
                mount = mount_id(fd)
            finally:
                os.close(fd)
        except FileNotFoundError:
            name = ""  # closed
        else:
            if name.startswith("/") and mount not in own_mounts:
                if S_ISREG(status.st_mode):
                    name = f"file[{mount:x}:{status.st_ino:x}]"
                elif S_ISCHR(status.st_mode) and os.major(status.st_rdev) in TERMINALS:
                    name = f"tty[{status.st_rdev:x}:{status.st_dev:x}]"
        names.append(name)
    return names


def outside_of(names: "Iterable[str]") -> "list[str]":
    """Those of the standard descriptors that are files or terminals of the host, each once, in CRIU's syntax."""
    return list(dict.fromkeys(name for name in names if name.startswith(("file[", "tty["))))


def inherited(names: "Iterable[str]") -> "dict[str, int]":
    """Those of the standard descriptors that are to be exchanged for ours: the name for CRIU -> its number."""
    found: "dict[str, int]" = {}
    for number, name in enumerate(names):
        if name.startswith(("pipe:", "file[", "tty[")):
            found.setdefault(name, number)
    return found
