"""One Python function for each system call of csrc/shim.h: no policy, failures are SystemCallError.

Every descriptor that these functions make has O_CLOEXEC set.  Those that wait are made again after a signal, as
Python's own are (PEP 475): handlers of the importing program run in between.
"""

import _signal
from errno import EAGAIN, EINTR
from time import monotonic

from pyrunc._shim import ffi, lib
from pyrunc.errors import SystemCallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

AT_FDCWD = -100
F_DUPFD_CLOEXEC = 1030
INTERRUPTING = frozenset((1, 2, 15))  # SIGHUP, SIGINT, SIGTERM
INTERRUPT_MS = 250  # how often to look for one that is blocked


def check_interrupt() -> None:
    """Raises KeyboardInterrupt, with its number, for a signal that is to end us and waits because it is blocked.

    For what may wait long while signals are held for a process in the foreground: see foreground.hold_signals.
    """
    pending = INTERRUPTING & _signal.sigpending()
    if pending and (signal := _signal.sigtimedwait(pending, 0)) is not None:
        raise KeyboardInterrupt(signal.si_signo)


class Uninterrupted:
    """A context in which signals that are to end us wait: for what must not be left half done."""

    __slots__ = ("mask",)

    def __enter__(self) -> None:
        self.mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, INTERRUPTING)

    def __exit__(self, *_: object) -> None:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self.mask)


def check(value: int, call: str, subject: "str | bytes" = "") -> int:
    """Gives back a result that is not negative; raises SystemCallError for -errno."""
    if value < 0:
        raise SystemCallError(-value, call, subject if isinstance(subject, str) else subject.decode("utf-8", "replace"))
    return value


def encode(path: str) -> bytes:
    """A path as the kernel wants it (surrogateescape, as os.fsencode, whatever the locale)."""
    return path.encode("utf-8", "surrogateescape")


def spawn(flags: int, cgroup_fd: int, exe_fd: int, control_fd: int) -> tuple[int, int]:
    """clone3(2) and execveat(2): see csrc/spawn.h.  Returns (pid, pidfd)."""
    pidfd = ffi.new("int *", -1)
    pid = check(lib.sh_spawn(flags, cgroup_fd, exe_fd, control_fd, pidfd), "clone3")
    return pid, pidfd[0]


def openat2(dirfd: int, path: str, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2); O_CLOEXEC is always added."""
    return check(lib.sh_openat2(dirfd, encode(path), flags | 0o2000000, mode, resolve), "openat2", path)


def open_tree(dirfd: int, path: str, flags: int) -> int:
    """open_tree(2); OPEN_TREE_CLOEXEC is always added."""
    return check(lib.sh_open_tree(dirfd, encode(path), flags | 0o2000000), "open_tree", path)


def move_mount(from_fd: int, to_fd: int, flags: int = 0x44) -> None:
    """move_mount(2) from one descriptor to another (MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)."""
    check(lib.sh_move_mount(from_fd, b"", to_fd, b"", flags), "move_mount")


def fsopen(fstype: str) -> int:
    """fsopen(2) with FSOPEN_CLOEXEC."""
    return check(lib.sh_fsopen(encode(fstype), 1), "fsopen", fstype)


def fsconfig(fs_fd: int, cmd: int, key: "str | None" = None, value: "str | None" = None, aux: int = 0) -> None:
    """fsconfig(2)."""
    check(
        lib.sh_fsconfig(
            fs_fd,
            cmd,
            ffi.NULL if key is None else encode(key),
            ffi.NULL if value is None else encode(value),
            aux,
        ),
        "fsconfig",
        "" if key is None else key if value is None else f"{key}={value}",
    )


def fsmount(fs_fd: int, attributes: int = 0) -> int:
    """fsmount(2) with FSMOUNT_CLOEXEC."""
    return check(lib.sh_fsmount(fs_fd, 1, attributes), "fsmount")


def fspick(dirfd: int, path: str, flags: int) -> int:
    """fspick(2); FSPICK_CLOEXEC is always added."""
    return check(lib.sh_fspick(dirfd, encode(path), flags | 1), "fspick", path)


def mount_setattr(
    fd: int, flags: int, set: int = 0, clear: int = 0, propagation: int = 0, userns_fd: int = -1, path: str = ""
) -> None:
    """mount_setattr(2); pass AT_EMPTY_PATH (0x1000) in flags when path is empty, AT_RECURSIVE (0x8000) for a tree."""
    check(lib.sh_mount_setattr(fd, encode(path), flags, set, clear, propagation, userns_fd), "mount_setattr", path)


def mount(source: str, target: str, fstype: "str | None", flags: int, data: "str | None" = None) -> None:
    """mount(2), for the few things that the descriptor calls cannot say.  Never with a path inside the root."""
    check(
        lib.sh_mount(
            encode(source),
            encode(target),
            ffi.NULL if fstype is None else encode(fstype),
            flags,
            ffi.NULL if data is None else encode(data),
        ),
        "mount",
        target,
    )


def umount2(target: str, flags: int) -> None:
    """umount2(2)."""
    check(lib.sh_umount2(encode(target), flags), "umount2", target)


def setns(fd: int, nstype: int) -> None:
    """setns(2), with a namespace's descriptor or a pidfd."""
    check(lib.sh_setns(fd, nstype), "setns")


def unshare(flags: int) -> None:
    """unshare(2)."""
    check(lib.sh_unshare(flags), "unshare")


def prctl(option: int, a2: int = 0, a3: int = 0, a4: int = 0, a5: int = 0) -> int:
    """prctl(2)."""
    return check(lib.sh_prctl(option, a2, a3, a4, a5), "prctl")


def capget() -> tuple[int, int, int]:
    """The caller's (effective, permitted, inheritable) capability sets as bit masks."""
    sets = ffi.new("uint64_t[3]")
    check(lib.sh_capget(sets, sets + 1, sets + 2), "capget")
    return sets[0], sets[1], sets[2]


def prlimit(pid: int, resource: int, soft: int, hard: int) -> None:
    """prlimit(2): sets both limits; 2**64-1 is RLIM_INFINITY."""
    check(lib.sh_prlimit(pid, resource, ffi.new("uint64_t[2]", [soft, hard]), ffi.NULL), "prlimit")


def get_limits(pid: int, resource: int) -> tuple[int, int]:
    """prlimit(2): the (soft, hard) limits of a process."""
    old = ffi.new("uint64_t[2]")
    check(lib.sh_prlimit(pid, resource, ffi.NULL, old), "prlimit")
    return old[0], old[1]


def close_range(first: int, last: int, flags: int = 0) -> None:
    """close_range(2); flags 4 is CLOSE_RANGE_CLOEXEC."""
    check(lib.sh_close_range(first, last, flags), "close_range")


def fcntl(fd: int, cmd: int, arg: int = 0) -> int:
    """fcntl(2) with an integer argument."""
    return check(lib.sh_fcntl(fd, cmd, arg), "fcntl")


def flock(fd: int, operation: int) -> None:
    """flock(2)."""
    check(lib.sh_flock(fd, operation), "flock")


def fchownat(dirfd: int, path: str, uid: int, gid: int, flags: int) -> None:
    """fchownat(2), which with AT_EMPTY_PATH takes an O_PATH descriptor."""
    check(lib.sh_fchownat(dirfd, encode(path), uid, gid, flags), "fchownat", path)


def fchmod_path(fd: int, mode: int) -> None:
    """fchmodat2(2) of a descriptor that may be O_PATH (through /proc/self/fd before Linux 6.6)."""
    check(lib.sh_fchmod_path(fd, mode), "fchmodat2")


def fstatfs_type(fd: int) -> int:
    """f_type of fstatfs(2): the magic number of the file system that fd is on."""
    value = ffi.new("long *")
    check(lib.sh_fstatfs_type(fd, value), "fstatfs")
    return int(value[0])


def mount_id(fd: int) -> int:
    """stx_mnt_id of statx(2): which mount fd is on."""
    value = ffi.new("uint64_t *")
    check(lib.sh_mount_id(fd, value), "statx")
    return int(value[0])


def renameat2(from_dirfd: int, source: str, to_dirfd: int, target: str, flags: int) -> None:
    """renameat2(2)."""
    check(lib.sh_renameat2(from_dirfd, encode(source), to_dirfd, encode(target), flags), "renameat2", target)


def bpf(cmd: int, attr: bytes) -> int:
    """bpf(2) with the union bpf_attr packed in attr; pointers in it must outlive the call.

    EAGAIN is for a signal that came while the kernel checked a program.
    """
    while True:
        value = lib.sh_bpf(cmd, ffi.from_buffer(attr), len(attr))
        if value != -EAGAIN:
            return check(value, "bpf")


def poll(fd: int, events: int, timeout_ms: int) -> int:
    """poll(2) of one descriptor: the events that came, 0 when timeout_ms passed (-1 waits for ever)."""
    deadline = monotonic() + timeout_ms / 1000
    while True:
        value = lib.sh_poll(fd, events, timeout_ms)
        if value != -EINTR:
            return check(value, "poll")
        if timeout_ms >= 0:
            timeout_ms = max(0, int((deadline - monotonic()) * 1000))


def getcwd() -> str:
    """The getcwd system call: "(unreachable)..." where the C library would say ENOENT."""
    buffer = ffi.new("char[]", 4096)
    length = check(lib.sh_getcwd(buffer, 4096), "getcwd")
    path: bytes = ffi.buffer(buffer, length - 1)[:]
    return path.decode("utf-8", "surrogateescape")


def socketpair(type: int = 1) -> tuple[int, int]:
    """socketpair(2) of AF_UNIX; type 1 is SOCK_STREAM, 5 SOCK_SEQPACKET."""
    fds = ffi.new("int[2]")
    check(lib.sh_socketpair(type, fds), "socketpair")
    return fds[0], fds[1]


def unix_listen(dirfd: int, name: str, backlog: int = 16) -> int:
    """A listening AF_UNIX stream socket bound to name in the directory dirfd."""
    return check(lib.sh_unix_listen(dirfd, encode(name), backlog), "bind", name)


def unix_connect(dirfd: int, name: str, type: int = 1) -> int:
    """Connects to the AF_UNIX socket name in the directory dirfd (AT_FDCWD: any path below 108 bytes)."""
    return check(lib.sh_unix_connect(dirfd, encode(name), type), "connect", name)


def send(fd: int, data: bytes, fds: "list[int] | tuple[int, ...]" = ()) -> int:
    """sendmsg(2) with descriptors (SCM_RIGHTS, at most 253).  Returns how many bytes went."""
    numbers = ffi.new("int[]", list(fds) or [0])
    while True:
        value = lib.sh_send(fd, data, len(data), numbers, len(fds))
        if value != -EINTR:
            return check(value, "sendmsg")


def recv(fd: int, length: int, max_fds: int = 0) -> tuple[bytes, list[int]]:
    """recvmsg(2): up to length bytes and max_fds descriptors; no bytes at the end of the stream."""
    buffer = ffi.new("char[]", length)
    fds = ffi.new("int[]", max_fds or 1)
    count = ffi.new("int *")
    while True:
        got = lib.sh_recv(fd, buffer, length, fds, max_fds, count)
        if got != -EINTR:
            break
    check(got, "recvmsg")
    return ffi.buffer(buffer, got)[:], [fds[i] for i in range(count[0])]


def run_program(path: str, args: "list[str]", env: "list[str]", stdio: "tuple[int, int, int]", cwd_fd: int = -1) -> int:
    """vfork(2) and execve(2): starts path in a process group of its own and returns its pid.

    The program has the three descriptors of stdio as 0, 1 and 2 and no others, no signal blocked or ignored,
    and the directory cwd_fd (-1: the caller's) as its working directory.  It is killed when the calling thread
    ends.  The error of the execve call comes back as the call's own; no process is left then.
    """
    if "\0" in path or any("\0" in text for text in args + env):
        raise SystemCallError(22, "execve", path, "a string holds a NUL character")
    strings = [[ffi.new("char[]", encode(text)) for text in texts] for texts in (args, env)]
    argv, envp = (ffi.new("char *[]", [*pointers, ffi.NULL]) for pointers in strings)
    return check(lib.sh_run_program(encode(path), argv, envp, *stdio, cwd_fd), "execve", path)


def signalfd(signals: "Iterable[int]") -> int:
    """signalfd4(2), not blocking: a descriptor that becomes readable when one of signals (blocked ones) is pending."""
    mask = 0
    for number in signals:
        mask |= 1 << (number - 1)
    return check(lib.sh_signalfd(mask), "signalfd")


def poll_all(wanted: "list[tuple[int, int]]", timeout_ms: int) -> list[int]:
    """poll(2) of up to eight (fd, events); fd -1 is skipped.  The events that came, all 0 when the time was up."""
    fds = ffi.new("int[]", [fd for fd, _ in wanted])
    events = ffi.new("int[]", [event for _, event in wanted])
    got = lib.sh_poll_all(fds, events, len(wanted), timeout_ms)
    if got == -EINTR:
        return [0] * len(wanted)
    check(got, "poll")
    return list(events)


def ioctl(fd: int, request: int, argument: int = 0) -> int:
    """ioctl(2) with an integer argument."""
    return check(lib.sh_ioctl(fd, request, argument), "ioctl")


def probe(name: str) -> int:
    """The errno of a system call that is made with arguments which it cannot accept: ENOSYS, or what an outer seccomp
    filter says, where it cannot be made at all."""
    return -int(lib.sh_probe(encode(name)))


def landlock_create_ruleset(handled: int) -> int:
    """landlock_create_ruleset(2); handled: LANDLOCK_ACCESS_FS_* that no rule means to be refused."""
    return check(lib.sh_landlock_create_ruleset(handled), "landlock_create_ruleset")


def landlock_add_rule(ruleset: int, allowed: int, folder: int) -> None:
    """landlock_add_rule(2): what is allowed in and below the folder open there."""
    check(lib.sh_landlock_add_rule(ruleset, allowed, folder), "landlock_add_rule")


def landlock_restrict_self(ruleset: int) -> None:
    """landlock_restrict_self(2): of the calling thread, and what it starts."""
    check(lib.sh_landlock_restrict_self(ruleset), "landlock_restrict_self")
