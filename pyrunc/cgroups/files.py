"""Reading and writing the files of one cgroup: no link is followed, nothing is ever created in passing."""

import posix
from errno import EOPNOTSUPP

from pyrunc import syscalls
from pyrunc.cgroups.layout import CGROUP2_SUPER_MAGIC, CGROUP_SUPER_MAGIC, read_text
from pyrunc.errors import PyruncError

WORD_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def is_file_name(name: str) -> bool:
    """Whether a word from the configuration may be (part of) the name of a cgroup's file: no path, no blank."""
    return bool(name) and name[0] not in ".-" and WORD_CHARACTERS.issuperset(name)


def write_file(directory: str, name: str, value: str) -> None:
    """Writes value to an existing file of a cgroup.  Raises OSError with the file's name."""
    path = f"{directory}/{name}"
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    try:
        posix.write(fd, value.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        posix.close(fd)


def read_file(directory: str, name: str) -> str:
    """A cgroup's file without the newline at its end.  Raises OSError."""
    return read_text(f"{directory}/{name}").rstrip("\n")


def open_cgroup(directory: str) -> int:
    """A descriptor of a directory that is proven to be a cgroup (O_RDONLY: it can be listed).

    Raises OSError, and PyruncError for a directory of another file system (a hierarchy that is not mounted).
    """
    fd = posix.open(directory, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    try:
        if syscalls.fstatfs_type(fd) not in (CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC):
            raise PyruncError(f"{directory}: not on a cgroup file system")
    except BaseException:
        posix.close(fd)
        raise
    return fd


def walk(directory: str) -> "Iterator[tuple[int, str]]":
    """Every cgroup from directory down, deepest first, as (descriptor of the parent, name in it).

    Whoever is in the container may have made cgroups deeper than a path or the stack can be: one descriptor goes
    down by name and up by "..".  It is only good until the next step.  Raises OSError when the tree changes.
    """
    parent, _, top = directory.rpartition("/")
    fd = posix.open(parent, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    try:
        trail = [(top, [top])]  # per level: the name entered last, the names still to enter
        while trail:
            name, names = trail[-1]
            if names:
                name = names.pop()
                fd = step(fd, name)
                trail[-1] = (name, names)
                trail.append(("", children(fd)))
                continue
            trail.pop()
            if trail:
                fd = step(fd, "..")
                yield fd, trail[-1][0]
    finally:
        posix.close(fd)


def step(fd: int, name: str) -> int:
    """The descriptor of name in the directory fd, which is closed when that worked."""
    entered = posix.open(name, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC | posix.O_NOFOLLOW, dir_fd=fd)
    posix.close(fd)
    return entered


def children(fd: int) -> "list[str]":
    """The names of the cgroups directly below the one that fd is open on."""
    if posix.stat(fd).st_nlink == 2:  # kernfs counts sub-directories: most cgroups have none, and hundred files to list
        return []
    with posix.scandir(fd) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def pids_in(directory_fd: int, name: str) -> "list[int]":
    """The processes of one cgroup, without those below it; 0 is one outside the caller's pid namespace."""
    fd = posix.open(f"{name}/cgroup.procs", posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW, dir_fd=directory_fd)
    try:
        data = more = posix.read(fd, 65536)
        while more:
            more = posix.read(fd, 65536)
            data += more
    except OSError as error:
        if error.errno == EOPNOTSUPP:
            return []  # a threaded cgroup: its processes are listed in its domain's
        raise
    finally:
        posix.close(fd)
    return [int(word) for word in data.split()]


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
