"""linux.seccomp -> a program for seccomp(2), from the cache where it has been compiled before.

This is the hot side: it looks up and stores; only a miss imports compile.py, and with it pyseccomp and ctypes
(some 35 ms in all).  A cache entry is one file, named by a hash of its key and compared in full, in a
directory that belongs to the caller alone.
"""

import marshal
import posix
from _imp import source_hash

from pyrunc.errors import ConfigError
from pyrunc.spec.rules_linux import uses_notify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# linux/seccomp.h
SECCOMP_FILTER_FLAG_LOG = 1 << 1
SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1 << 2
SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3
SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5

FLAGS = {
    # Spreads the filter to the caller's other threads.  The helper, which loads it, has none, so it is as good
    # as set; and the kernel refuses it together with NEW_LISTENER.
    "SECCOMP_FILTER_FLAG_TSYNC": 0,
    "SECCOMP_FILTER_FLAG_LOG": SECCOMP_FILTER_FLAG_LOG,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
}

BPF_MAXINSNS = 4096
_INSTRUCTION = 8  # sizeof(struct sock_filter)

# To be raised whenever the compiler's output for the same profile, or the layout of an entry, changes.
_MAGIC = b"pyrunc seccomp 1"
_HEADER = len(_MAGIC) + 8 + 4 * 4  # then the hash of all the rest, and the lengths of its four parts
_MAX_ENTRY = 16 << 20
_MAX_ENTRIES = 64


class Filter:
    """A seccomp program ready to be loaded.

    program:  an array of struct sock_filter, in the machine's byte order
    flags:    SECCOMP_FILTER_FLAG_* for seccomp(2); with NEW_LISTENER the call gives back the notify descriptor
    warnings: what the profile asks for and this libseccomp does not know, for the debug log
    """

    __slots__ = ("flags", "program", "warnings")

    def __init__(self, program: bytes, flags: int, warnings: "list[str]") -> None:
        self.program = program
        self.flags = flags
        self.warnings = warnings


def filter_for(seccomp: "Mapping[str, Any]", cache_dir: "str | None") -> Filter:
    """The program for linux.seccomp; cache_dir None compiles without a cache.

    cache_dir is made (0700) if only it is missing.  It is used only as long as it and the entry in it are the
    caller's own and nobody else can write to them; a broken or foreign entry is compiled anew and replaced, and
    a cache that cannot be written is done without.  Raises ConfigError for a profile that has no meaning, and
    PyruncError where libseccomp is missing or refuses it.
    """
    flags, warnings = filter_flags(seccomp)
    key = _key(seccomp)
    name = source_hash(0, key).hex()

    directory = -1 if cache_dir is None else _open_directory(cache_dir)
    try:
        found = None if directory < 0 else _look_up(directory, name, key)
        if found is None:
            # On the cold path only: pyseccomp brings ctypes.
            from pyrunc.security.compile import compile_profile

            compiled = compile_profile(seccomp)
            found = compiled.program, compiled.warnings
            if directory >= 0 and compiled.library:
                _store(directory, name, key, compiled.library, *found)
    finally:
        if directory >= 0:
            posix.close(directory)
    program, notes = found
    return Filter(program, flags, warnings + notes)


def filter_flags(seccomp: "Mapping[str, Any]") -> "tuple[int, list[str]]":
    """The flags for seccomp(2), and warnings.

    Without `flags` it is SPEC_ALLOW, as in runc and crun: the mitigation that it turns off costs interpreters in
    containers up to half of their speed.  An empty list is no flag at all.
    """
    names = seccomp.get("flags")
    flags = 0
    if names is None:
        flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW
    for number, name in enumerate(names or ()):
        if name not in FLAGS:
            raise ConfigError(f'linux.seccomp.flags[{number}]: unknown seccomp flag "{name}"')
        flags |= FLAGS[name]
    warnings = []
    if uses_notify(seccomp):
        flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER
    elif flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV:
        # About a listener that there will not be; the kernel refuses it alone.
        flags &= ~SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
        warnings.append("ignoring SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: no rule has the action SCMP_ACT_NOTIFY")
    return flags, warnings


def _key(seccomp: "Mapping[str, Any]") -> bytes:
    """All that the program depends on, except for libseccomp itself (see _stamp)."""
    # Version 2 of the format neither refers back nor tells interned strings apart: equal profiles, equal bytes.
    return marshal.dumps(
        (
            posix.uname().machine,
            seccomp["defaultAction"],
            seccomp.get("defaultErrnoRet"),
            seccomp.get("architectures"),
            seccomp.get("syscalls"),
        ),
        2,
    )


def _stamp(library: str) -> bytes:
    """Which libseccomp it was, so that an upgrade of it makes its old entries stale."""
    status = posix.stat(library)
    return f"{library}\0{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}".encode(
        "utf-8", "surrogateescape"
    )


def _ours(status: posix.stat_result, kind: int) -> bool:
    """Whether a file of that kind (S_IFMT) is the caller's and writable by nobody else."""
    return status.st_mode & 0o170022 == kind and status.st_uid == posix.geteuid()


def _open_directory(path: str) -> int:
    """A descriptor of the cache directory, -1 when there is none that may be trusted."""
    flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        try:
            directory = posix.open(path, flags)
        except FileNotFoundError:
            posix.mkdir(path, 0o700)
            directory = posix.open(path, flags)
    except OSError:
        return -1
    try:
        if _ours(posix.fstat(directory), 0o040000):
            return directory
    except OSError:
        pass  # then it is not known to be ours
    posix.close(directory)
    return -1


def _look_up(directory: int, name: str, key: bytes) -> "tuple[bytes, list[str]] | None":
    """The program and the notes of the entry, None when there is none for that key or it is not sound."""
    try:
        # O_NONBLOCK: whatever lies there, opening it does not wait.
        entry = posix.open(
            name, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC, dir_fd=directory
        )
    except OSError:
        return None
    try:
        status = posix.fstat(entry)
        if not _ours(status, 0o100000) or not _HEADER <= status.st_size <= _MAX_ENTRY:
            return None
        data = posix.read(entry, status.st_size)
    except OSError:
        return None
    finally:
        posix.close(entry)
    parts = unpack_entry(data)
    if parts is None or parts[0] != key:
        return None
    _, stamp, program, notes = parts
    try:
        if stamp != _stamp(stamp.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")):
            return None
        return program, notes.decode("utf-8", "surrogatepass").split("\n") if notes else []
    except (OSError, ValueError):
        return None


def pack_entry(parts: "tuple[bytes, bytes, bytes, bytes]") -> bytes:
    """The bytes of a cache entry: magic, hash, four lengths (u32, little endian), key, stamp, program, notes."""
    body = b"".join([*(len(part).to_bytes(4, "little") for part in parts), *parts])
    return _MAGIC + source_hash(0, body) + body


def unpack_entry(data: bytes) -> "list[bytes] | None":
    """The four parts of a cache entry, None for anything that pack_entry did not make."""
    start = len(_MAGIC) + 8
    body = data[start:]
    if len(data) < _HEADER or data[:start] != _MAGIC + source_hash(0, body):
        return None
    parts = []
    offset = 16
    for number in range(4):
        end = offset + int.from_bytes(body[4 * number : 4 * number + 4], "little")
        parts.append(body[offset:end])
        offset = end
    program = len(parts[2])
    if offset != len(body) or program % _INSTRUCTION or not 0 < program <= BPF_MAXINSNS * _INSTRUCTION:
        return None
    return parts


def _store(directory: int, name: str, key: bytes, library: str, program: bytes, notes: "list[str]") -> None:
    """Writes an entry beside its place and renames it there; a reader sees the old one, the new one or none."""
    temporary = f".{name}.{posix.getpid()}"
    try:
        data = pack_entry((key, _stamp(library), program, "\n".join(notes).encode("utf-8", "surrogatepass")))
        _make_room(directory)
        entry = posix.open(
            temporary,
            posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC,
            0o600,
            dir_fd=directory,
        )
        try:
            complete = posix.write(entry, data) == len(data)
        finally:
            posix.close(entry)
        if complete:
            posix.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        else:
            posix.unlink(temporary, dir_fd=directory)
    except OSError:
        # The container does not depend on the cache.  A temporary file that stayed is one of the entries that
        # _make_room counts and removes.
        return


def _make_room(directory: int) -> None:
    """Keeps the cache below _MAX_ENTRIES files: the oldest go."""
    names = posix.listdir(directory)
    if len(names) < _MAX_ENTRIES:
        return
    ages = sorted((posix.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns, name) for name in names)
    for _, name in ages[: len(names) - _MAX_ENTRIES + 1]:
        posix.unlink(name, dir_fd=directory)
