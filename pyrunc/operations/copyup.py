"""Copying what a directory of the image holds into the tmpfs that is about to hide it: the option tmpcopyup."""

import posix
from errno import EINVAL, ENOTSUP, EPERM

from pyrunc.errors import PyruncError

MAX_DEPTH = 64
"""Directories below one another; each has two descriptors open while it is copied."""

MAX_ENTRIES = 1_000_000

CHUNK = 1 << 20

S_IFMT, S_IFDIR, S_IFREG, S_IFLNK = 0o170000, 0o040000, 0o100000, 0o120000

NOFOLLOW = posix.O_NOFOLLOW | posix.O_CLOEXEC


def copy_up(source: int, target: int) -> None:
    """Copies the tree below the directory `source` into the directory `target`, with owners, modes, times and
    extended attributes as far as the caller may set them.

    Directories, regular files and links are copied; nothing else has any content.  No link is followed and
    every name is opened in the descriptor of its directory, so that whoever changes the tree meanwhile can
    spoil no more than the copy.  Raises OSError (ENOSPC when the tmpfs is full), PyruncError at the bounds.
    """
    writable = posix.open(".", posix.O_RDONLY | posix.O_DIRECTORY | NOFOLLOW, dir_fd=target)
    try:
        _copy_directory(source, writable, 0, [MAX_ENTRIES])
    finally:
        posix.close(writable)


def _copy_directory(source: int, target: int, depth: int, left: list[int]) -> None:
    if depth > MAX_DEPTH:
        raise PyruncError(f"tmpcopyup: more than {MAX_DEPTH} directories below one another")
    readable = posix.open(".", posix.O_RDONLY | posix.O_DIRECTORY | NOFOLLOW, dir_fd=source)
    try:
        names = posix.listdir(readable)
        left[0] -= len(names)
        if left[0] < 0:
            raise PyruncError(f"tmpcopyup: more than {MAX_ENTRIES} files")
        for name in names:
            _copy_entry(readable, target, name, depth, left)
        _copy_attributes(readable, target, posix.stat(readable))
    finally:
        posix.close(readable)


def _copy_entry(source: int, target: int, name: str, depth: int, left: list[int]) -> None:
    try:
        kind = posix.stat(name, dir_fd=source, follow_symlinks=False).st_mode & S_IFMT
    except FileNotFoundError:
        return  # gone since the directory was read
    if kind == S_IFLNK:
        posix.symlink(posix.readlink(name, dir_fd=source), name, dir_fd=target)
        status = posix.stat(name, dir_fd=source, follow_symlinks=False)
        _allowed(posix.chown, name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    elif kind == S_IFDIR:
        inner = posix.open(name, posix.O_RDONLY | posix.O_DIRECTORY | NOFOLLOW, dir_fd=source)
        try:
            posix.mkdir(name, 0o700, dir_fd=target)
            copy = posix.open(name, posix.O_RDONLY | posix.O_DIRECTORY | NOFOLLOW, dir_fd=target)
            try:
                _copy_directory(inner, copy, depth + 1, left)
            finally:
                posix.close(copy)
        finally:
            posix.close(inner)
    elif kind == S_IFREG:
        # Not to hang on a fifo that has taken the file's place: O_NONBLOCK.
        inner = posix.open(name, posix.O_RDONLY | posix.O_NONBLOCK | NOFOLLOW, dir_fd=source)
        try:
            status = posix.stat(inner)
            if status.st_mode & S_IFMT != S_IFREG:
                return
            copy = posix.open(name, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | NOFOLLOW, 0o600, dir_fd=target)
            try:
                while posix.sendfile(copy, inner, None, CHUNK):
                    pass
                _copy_attributes(inner, copy, status)
            finally:
                posix.close(copy)
        finally:
            posix.close(inner)


def _copy_attributes(source: int, target: int, status: posix.stat_result) -> None:
    """Owner first: changing it clears the set-user-ID bit and file capabilities."""
    _allowed(posix.chown, target, status.st_uid, status.st_gid)
    posix.chmod(target, status.st_mode & 0o7777)
    for name in posix.listxattr(source):
        _allowed(posix.setxattr, target, name, posix.getxattr(source, name))
    posix.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _allowed(call: "object", *arguments: "object", **options: "object") -> None:
    """Calls, and does without what the caller or the tmpfs may not have: other owners in a user namespace, ..."""
    try:
        call(*arguments, **options)  # type: ignore[operator]
    except OSError as error:
        if error.errno not in (EPERM, EINVAL, ENOTSUP):
            raise
