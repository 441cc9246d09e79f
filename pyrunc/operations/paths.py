"""Paths inside the container's root file system: the only module that resolves any.

Whoever can write in the root, or in a volume that is mounted there, may exchange its directories and links
while the container is being built.  So a path is never looked up twice and never handed to a call that
would follow it on the host: the kernel resolves it once, below the root (openat2(2), RESOLVE_IN_ROOT), and
everything later is done on the descriptor that came out.  What is missing is made one part at a time, each
in the descriptor of the one before.
"""

import posix
import time
from errno import EAGAIN, EEXIST, ELOOP, ENOENT, ENOSYS, ENOTDIR, EPERM

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.constants import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS
from pyrunc.syscalls import openat2

O_PATH = posix.O_PATH
O_PATH_DIRECTORY = posix.O_PATH | posix.O_DIRECTORY

S_IFMT = 0o170000
S_IFDIR = 0o040000

MAX_LINKS = 40
"""As many links as the kernel follows in one look-up."""

RETRY_SECONDS = 0.1
"""How long a look-up is repeated while renames elsewhere disturb it; a busy loop of renames delays one by
less than a millisecond."""


def open_in_root(root: int, path: str, flags: int = O_PATH, *, strict: bool = False) -> int:
    """A descriptor of what `path` means to a process whose root directory is `root`; links are followed there.

    strict: no part of the path may be a link (ELOOP).
    Raises SystemCallError, PyruncError where the kernel has no openat2.
    """
    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    if strict:
        resolve |= RESOLVE_NO_SYMLINKS
    deadline = 0.0
    while True:
        try:
            return openat2(root, path, flags, 0, resolve)
        except SystemCallError as error:
            if error.errno == EAGAIN:
                now = time.monotonic()
                deadline = deadline or now + RETRY_SECONDS
                if now < deadline:
                    continue
            if error.errno in (ENOSYS, EPERM):
                raise PyruncError(
                    str(error),
                    errno=error.errno or 0,
                    hint="openat2(2) is needed: Linux 5.14 or later, and no outer seccomp filter that refuses it",
                ) from error
            raise


def open_or_make_directory(root: int, path: str, mode: int = 0o755, *, strict: bool = False) -> tuple[int, bool]:
    """An O_PATH descriptor of a directory in the root, and whether it had to be made."""
    try:
        return open_in_root(root, path, O_PATH_DIRECTORY, strict=strict), False
    except SystemCallError as error:
        if error.errno != ENOENT:
            raise
    return make_directory(root, path, mode, strict=strict), True


def make_directory(root: int, path: str, mode: int = 0o755, *, strict: bool = False) -> int:
    """An O_PATH descriptor of the directory `path` in the root, made with its missing parents if need be.

    A link that leads nowhere is followed to where it points inside the root, and that is made.
    Raises SystemCallError; ENOTDIR when something else is there.
    """
    for _ in range(MAX_LINKS):
        directory, existing, missing = _deepest_directory(root, path, strict)
        try:
            while missing:
                name = missing[0]
                try:
                    child = _make_child(directory, name, mode)
                except SystemCallError as error:
                    if error.errno != ENOTDIR or strict:
                        raise
                    path = _through_link(directory, existing, name, missing[1:])
                    if not path:
                        raise
                    break
                posix.close(directory)
                directory = child
                existing.append(name)
                missing = missing[1:]
            else:
                result, directory = directory, -1
                return result
        finally:
            if directory >= 0:
                posix.close(directory)
    raise SystemCallError(ELOOP, "mkdirat", path)


def open_or_make_file(root: int, path: str, mode: int = 0o755) -> int:
    """A descriptor of the file `path` in the root, of whatever type it is; an empty regular one is made if none is."""
    for _ in range(MAX_LINKS):
        try:
            return open_in_root(root, path, O_PATH)
        except SystemCallError as error:
            if error.errno != ENOENT:
                raise
        parts = split(path)
        if not parts:
            raise SystemCallError(ENOENT, "open", path)
        directory, _made = open_or_make_directory(root, "/".join(parts[:-1]) or ".")
        try:
            return _create(directory, parts[-1], mode)
        except SystemCallError as error:
            if error.errno != EEXIST:
                raise
            # No link: somebody else has made it in the meantime.
            path = _through_link(directory, parts[:-1], parts[-1], []) or path
        finally:
            posix.close(directory)
    raise SystemCallError(ELOOP, "open", path)


def split(path: str) -> list[str]:
    """The parts of a path, without empty ones and ".": ".." is the kernel's to resolve."""
    return [part for part in path.split("/") if part not in ("", ".")]


def _deepest_directory(root: int, path: str, strict: bool) -> tuple[int, list[str], list[str]]:
    """The longest beginning of the path that is a directory: its descriptor, its parts, and the missing parts.

    Nothing is above what does not exist: ENOENT when ".." is among the missing parts.
    """
    parts = split(path)
    for count in range(len(parts), -1, -1):
        try:
            found = open_in_root(root, "/".join(parts[:count]) or ".", O_PATH_DIRECTORY, strict=strict)
        except SystemCallError as error:
            if error.errno != ENOENT or count == 0:
                raise
        else:
            if ".." in parts[count:]:
                posix.close(found)
                break
            return found, parts[:count], parts[count:]
    raise SystemCallError(ENOENT, "openat2", path)


def _make_child(directory: int, name: str, mode: int) -> int:
    """Makes one directory, or takes the one that is there; what was made must be what is opened."""
    try:
        posix.mkdir(name, mode, dir_fd=directory)
        made = True
    except FileExistsError:
        made = False
    except OSError as error:
        raise SystemCallError(error.errno or 0, "mkdirat", name) from error
    try:
        child = posix.open(name, O_PATH_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        raise SystemCallError(error.errno or 0, "open", name) from error
    if made:
        status = posix.stat(child)
        # Fewer bits than asked for are the umask's or a default ACL's doing, the set-group-ID bit the parent's.
        if status.st_uid != posix.geteuid() or status.st_mode & 0o777 & ~mode:
            posix.close(child)
            raise PyruncError(f"directory {name} was exchanged while it was being made")
    return child


def _create(directory: int, name: str, mode: int) -> int:
    """Makes one regular file, and nothing else: no link is followed and nothing that exists is opened."""
    if name == "..":
        raise SystemCallError(ENOENT, "open", name)
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        return posix.open(name, flags, mode, dir_fd=directory)
    except OSError as error:
        raise SystemCallError(error.errno or 0, "open", name) from error


def _through_link(directory: int, parents: list[str], name: str, rest: list[str]) -> str:
    """The path with the dangling link `name` replaced by what it says; "" if it is no link."""
    try:
        target = posix.readlink(name, dir_fd=directory)
    except OSError:
        return ""
    return "/".join([target, *rest] if target.startswith("/") else [*parents, target, *rest])
