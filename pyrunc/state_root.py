"""The state root, the directory that holds the containers' state directories, and the names that those may have."""

import posix
from errno import EACCES, ELOOP, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS

from pyrunc import pathnames
from pyrunc.errors import PyruncError, from_os_error, reason_of
from pyrunc.pathnames import S_IFLNK, S_IFMT

# x for all: what runs in a container's user namespace may have to pass through, but cannot look around.
DIRECTORY_MODE = 0o711
# The sticky bit keeps directories in $XDG_RUNTIME_DIR from being cleaned away after some hours without a change.
USER_ROOT_MODE = 0o1700
DIRECTORY_FLAGS = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC

ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-")
ID_LENGTH = 1024


def is_id(id: str) -> bool:
    """Whether id may name a container: runc's rule, and no dot at the start.

    Names with a leading dot in the state root are pyrunc's own.
    """
    return 0 < len(id) <= ID_LENGTH and id[0] != "." and ID_CHARACTERS.issuperset(id)


def validate_id(id: str) -> None:
    """Raises PyruncError unless id may name a container."""
    if not id:
        raise PyruncError("container id cannot be empty")
    if not is_id(id):
        raise PyruncError(
            f"invalid container ID format: {id!r}",
            hint=f"an id has letters, digits and _ + - . only, at most {ID_LENGTH}, and does not begin with a dot",
        )


def default_root() -> str:
    """Where state is kept when nobody says: /run/pyrunc, or a user's own $XDG_RUNTIME_DIR/pyrunc.

    Root in a user namespace that some user made (rootless podman) counts as that user.
    """
    runtime_dir = pathnames.environ().get("XDG_RUNTIME_DIR", "")
    is_root = posix.geteuid() == 0
    if is_root and not (runtime_dir and pathnames.environ().get("USER") != "root" and in_user_namespace()):
        return "/run/pyrunc"
    if not runtime_dir.startswith("/"):
        what = "is not an absolute path" if runtime_dir else "is not set"
        raise PyruncError(
            f"XDG_RUNTIME_DIR {what}, so there is no place for the state of an ordinary user's containers",
            hint="log in through pam_systemd, which sets it, or name a directory of your own with --root",
        )
    return f"{runtime_dir}/pyrunc"


def in_user_namespace() -> bool:
    """Whether the user ids of this process are not those of the host."""
    fd = posix.open("/proc/self/uid_map", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, 4096).split() != [b"0", b"0", b"4294967295"]
    finally:
        posix.close(fd)


def make_root(root: str) -> bool:
    """Makes the state root and what is missing above it; whether it was missing.  Raises OSError."""
    for _ in range(2):
        try:
            posix.mkdir(root, 0o700)
            return True
        except FileExistsError:
            return False
        except FileNotFoundError:
            parent = pathnames.dirname(root)
            if parent in ("", "/"):
                raise
            make_root(parent)
    raise FileNotFoundError(ENOENT, "", root)


def open_root(root: str, *, make: bool) -> int:
    """A descriptor of the state root.  Raises FileNotFoundError when it is missing and make is not set.

    PyruncError when others could change what is in it: whoever can, decides what we run as ourselves.
    """
    root = root.rstrip("/") or "/"
    uid = posix.geteuid()
    fd = -1
    try:
        made = make and make_root(root)
        try:
            fd = posix.open(root, DIRECTORY_FLAGS)
        except OSError as error:
            if error.errno not in (ELOOP, ENOTDIR) or not own_link(root, uid):
                raise
            fd = posix.open(root, DIRECTORY_FLAGS & ~posix.O_NOFOLLOW)
        if made:
            posix.fchmod(fd, USER_ROOT_MODE if uid or in_user_namespace() else DIRECTORY_MODE)
        status = posix.fstat(fd)
    except OSError as error:
        if fd >= 0:
            posix.close(fd)
        if error.errno == ENOENT and not make:
            raise
        refusal = failure(error, f"open the state root {root}")
        if error.errno in (EACCES, EPERM):
            refusal.hint = foreign_hint(root, uid)
        raise refusal from error
    if status.st_uid == uid and not status.st_mode & 0o022:
        return fd
    posix.close(fd)
    if status.st_uid != uid:
        raise PyruncError(f"the state root {root} belongs to user {status.st_uid}, not to {uid}", hint="see --root")
    raise PyruncError(
        f"the state root {root} can be written by others (mode {status.st_mode & 0o7777:04o})",
        hint=f"chmod go-w {root}, or name another with --root",
    )


def foreign_hint(root: str, uid: int) -> str:
    """What to do when the state root may not be made or opened: the usual cause is another user's XDG_RUNTIME_DIR."""
    runtime_dir = pathnames.environ().get("XDG_RUNTIME_DIR", "")
    if not runtime_dir or not root.startswith(runtime_dir):
        return "name a directory of your own with --root"
    whose = "is not there, or hidden"
    if pathnames.exists(runtime_dir):
        owner = posix.stat(runtime_dir).st_uid
        whose = f"belongs to user {owner}, not to {uid}" if owner != uid else "is not to be written"
    return f"XDG_RUNTIME_DIR={runtime_dir} {whose}: su and sudo keep it. Log in anew, or name a directory with --root"


def own_link(path: str, uid: int) -> bool:
    """Whether path is a symbolic link, and one of ours or of root's.  Raises PyruncError for another's."""
    status = posix.lstat(path)
    if status.st_mode & S_IFMT != S_IFLNK:
        return False
    if status.st_uid not in (uid, 0):
        raise PyruncError(f"the state root {path} is a symbolic link of user {status.st_uid}", hint="see --root")
    return True


def container_ids(root: str) -> "list[str]":
    """The ids of the containers below root, sorted; none when there is no root."""
    try:
        fd = open_root(root, make=False)
    except FileNotFoundError:
        return []
    try:
        with posix.scandir(fd) as entries:
            return sorted(
                entry.name
                for entry in entries
                if ID_CHARACTERS.issuperset(entry.name) and entry.name[0] != "." and entry.is_dir(follow_symlinks=False)
            )
    except OSError as error:
        raise failure(error, f"read the state root {root}") from error
    finally:
        posix.close(fd)


def failure(error: OSError, operation: str) -> PyruncError:
    """A PyruncError for a failed step of the state directory, with hints for a disk that takes nothing."""
    if error.errno in (ENOSPC, EROFS):
        what = "full" if error.errno == ENOSPC else "read-only"
        hint = f"the file system of the state root is {what}: name another with --root"
        return PyruncError(reason_of(error.errno), operation=operation, hint=hint, errno=error.errno)
    return from_os_error(error, operation=operation)
