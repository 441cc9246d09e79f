"""What the hot commands need of `os` and `os.path`, on the interpreter's own `posix` module.

Importing `os` costs a short command a tenth of its time, most of it for abstract base classes that nothing here uses.
So modules that every command loads call `posix` directly, which has the same functions under the same names.
"""

import posix
from sys import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from posix import stat_result

# <sys/stat.h>
S_IFMT = 0o170000
S_IFDIR = 0o040000
S_IFREG = 0o100000
S_IFLNK = 0o120000
S_IFSOCK = 0o140000


def join(directory: str, name: str) -> str:
    """name below directory, or name itself when it is absolute (os.path.join)."""
    if name.startswith("/") or not directory:
        return name
    return f"{directory}{name}" if directory.endswith("/") else f"{directory}/{name}"


def split(path: str) -> tuple[str, str]:
    """(directory, last part) (os.path.split)."""
    directory, slash, name = path.rpartition("/")
    return (directory.rstrip("/") or slash), name


def dirname(path: str) -> str:
    """The directory part."""
    return split(path)[0]


def normpath(path: str) -> str:
    """The path without empty, "." and ".." parts, by its text alone (os.path.normpath)."""
    root = "/" if path.startswith("/") else ""
    parts: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != ".." or (not root and not parts) or (parts and parts[-1] == ".."):
            parts.append(part)
        elif parts:
            parts.pop()
    return root + "/".join(parts) or "."


def abspath(path: str) -> str:
    """The normal absolute path.  Raises FileNotFoundError when the working directory is gone."""
    return normpath(path if path.startswith("/") else join(posix.getcwd(), path))


def realpath(path: str) -> str:
    """Where an existing path leads, without symbolic links: the kernel's answer.  Raises OSError."""
    fd = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
    try:
        return posix.readlink(f"/proc/self/fd/{fd}")
    finally:
        posix.close(fd)


def exists(path: str) -> bool:
    """Whether the path leads to something that the caller can see."""
    return posix.access(path, posix.F_OK)


def isdir(path: str) -> bool:
    """Whether the path leads to a directory."""
    try:
        return posix.stat(path).st_mode & S_IFMT == S_IFDIR
    except OSError:
        return False


def samestat(one: "stat_result", other: "stat_result") -> bool:
    """Whether both are of the same file."""
    return one.st_ino == other.st_ino and one.st_dev == other.st_dev


def environ() -> dict[str, str]:
    """The environment: of the process's start, or in a program that has loaded `os` what that made of it."""
    loaded = modules.get("os")
    if loaded is not None:
        return dict(loaded.environ)
    return {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in posix.environ.items()
    }
