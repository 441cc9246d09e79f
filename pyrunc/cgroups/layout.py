"""Where the host's cgroup hierarchies are mounted, and where the calling process is in them (cgroups(7))."""

import posix
from errno import ENOENT

from pyrunc import pathnames, syscalls

CGROUP_ROOT = "/sys/fs/cgroup"
CGROUP_SUPER_MAGIC = 0x27E0EB
CGROUP2_SUPER_MAGIC = 0x63677270

UNIFIED = "unified"  # the name of the cgroup2 hierarchy in Layout.hierarchies
SYSTEMD = "systemd"  # and of the v1 hierarchy without a controller that systemd keeps its units in
NAMED_SYSTEMD = "name=systemd"

KERNFS_ROOT_INODE = 1  # the inode of a hierarchy's root; a mount of something deeper has another


class Layout:
    """The host's hierarchies, read once, so that planning touches nothing.

    version:      2 when everything is cgroup2 at /sys/fs/cgroup, 1 on v1 and hybrid hosts
    hierarchies:  controller -> mount point ("memory", ...; "systemd" for name=systemd; "unified" for cgroup2);
                  controllers that are mounted together have the same mount point
    own:          controller -> cgroup of the calling process, as a path below that mount point ("/" at its top)
    """

    __slots__ = ("hierarchies", "own", "version")

    def __init__(self, version: int, hierarchies: "dict[str, str]", own: "dict[str, str]") -> None:
        self.version = version
        self.hierarchies = hierarchies
        self.own = own


def detect(root: str = CGROUP_ROOT, proc: str = "/proc/self") -> Layout:
    """The layout of this host.  Raises OSError when proc has no cgroup file.

    /proc/self/mountinfo, which can be long, is only read for what is not mounted at its usual place below root or
    when a mount shows a part of a hierarchy (a container without its own cgroup namespace).
    """
    memberships = parse_memberships(read_text(f"{proc}/cgroup"))
    if filesystem_type(root) == CGROUP2_SUPER_MAGIC:
        own = memberships.get(UNIFIED, "/")
        return Layout(2, {UNIFIED: root}, {UNIFIED: below_mount(root, own, proc)})
    try:
        entries = posix.listdir(root)
    except FileNotFoundError:
        entries = []
    hierarchies: dict[str, str] = {}
    own_paths: dict[str, str] = {}
    for names, path in memberships.items():
        mount = find_mount(root, entries, names) or mount_from_table(proc, names)
        if mount is None:
            continue  # a hierarchy that the kernel has, but that is mounted nowhere: nobody can use it
        own = below_mount(mount, path, proc)
        for name in names.split(","):
            hierarchies[name] = mount
            own_paths[name] = own
    return Layout(1, hierarchies, own_paths)


def parse_memberships(text: str) -> "dict[str, str]":
    """/proc/PID/cgroup as {"cpu,cpuacct": "/path", ..., "systemd": ..., "unified": ...}; other named ones left out."""
    memberships: dict[str, str] = {}
    for line in lines_of(text):
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if not names:
            if number == "0":
                memberships[UNIFIED] = path
        elif names == NAMED_SYSTEMD:
            memberships[SYSTEMD] = path
        elif "=" not in names:
            memberships[names] = path
    return memberships


def find_mount(root: str, entries: "list[str]", names: str) -> "str | None":
    """The directory below root of the hierarchy with these comma-separated controllers, None when there is none."""
    if names in entries:
        return f"{root}/{names}"
    controllers = names.split(",")
    if len(controllers) > 1:
        wanted = sorted(controllers)
        for entry in entries:  # the kernel and the mounter may order "cpu,cpuacct" differently
            if sorted(entry.split(",")) == wanted:
                return f"{root}/{entry}"
        for name in controllers:  # or only "cpu" is there, perhaps as a link
            if name in entries:
                return pathnames.realpath(f"{root}/{name}")
    return None


def mount_from_table(proc: str, names: str) -> "str | None":
    """The mount point of a hierarchy by /proc/self/mountinfo (proc_pid_mountinfo(5)), None when it is not mounted."""
    wanted = NAMED_SYSTEMD if names == SYSTEMD else names.split(",")[0]
    for _, point, fstype, options in mount_table(proc):
        if fstype == "cgroup2" if names == UNIFIED else fstype == "cgroup" and wanted in options:
            return point
    return None


def below_mount(mount: str, path: str, proc: str) -> str:
    """A path of /proc/PID/cgroup, which starts at the hierarchy's (or namespace's) root, as one below mount.

    They differ where only a part of the hierarchy is mounted: then mountinfo says which.
    """
    if path == "/" or posix.stat(mount).st_ino == KERNFS_ROOT_INODE:
        return path
    for shown, point, _, _ in mount_table(proc):
        if point == mount and shown != "/" and (path + "/").startswith(shown + "/"):
            return path[len(shown) :] or "/"
    return path


def mount_table(proc: str) -> "list[tuple[str, str, str, list[str]]]":
    """(root, mount point, type, super block options) of every cgroup mount in mountinfo."""
    table = []
    for line in lines_of(read_text(f"{proc}/mountinfo")):
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup"):
            fields = left.split(" ")
            fstype, _, options = right.split(" ", 2)
            table.append((unescape(fields[3]), unescape(fields[4]), fstype, options.split(",")))
    return table


def lines_of(text: str) -> "list[str]":
    """The lines of a file of procfs.  What ends one elsewhere (\\r, \\f, U+2028, ...) may stand in a name, which on a
    shared host anybody may have chosen."""
    return [line for line in text.split("\n") if line]


def unescape(text: str) -> str:
    """A mountinfo field with \\040 and friends (space, tab, newline, backslash) undone."""
    for escaped, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escaped, character)
    return text


def filesystem_type(path: str) -> int:
    """f_type of statfs(2), 0 when path does not exist."""
    try:
        fd = posix.open(path, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError as error:
        if error.errno == ENOENT:
            return 0
        raise
    try:
        return syscalls.fstatfs_type(fd)
    finally:
        posix.close(fd)


def read_text(path: str) -> str:
    """A whole file of procfs or cgroupfs."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    try:
        data = posix.read(fd, 65536)
        more = data
        while more:  # reads of these files may be short; only an empty one is the end
            more = posix.read(fd, 65536)
            data += more
        return data.decode("utf-8", "surrogateescape")
    finally:
        posix.close(fd)
