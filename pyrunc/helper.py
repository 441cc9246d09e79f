"""The messages to and from pyrunc-init: csrc/message.h in Python (docs/helper-protocol.md describes the format)."""

import posix
from errno import ECONNRESET, EPIPE
from sys import byteorder

from pyrunc import syscalls
from pyrunc.errors import PyruncError, from_os_error, reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAGIC = 0x43525950
VERSION = 1
MAX_SIZE = 64 << 20
MAX_FDS = 253
HEADER_SIZE = 16

# enum message_type
JOIN, CONTINUE, PREPARE, SETUP, START = 1, 2, 3, 4, 5
ERROR, WAIT, JOINED, PREPARED, CONSOLE, READY, LISTENER = 16, 17, 18, 19, 20, 21, 22

# enum record_tag
TAG_JOIN, TAG_NEW, TAG_FORK, TAG_DUMPABLE, TAG_WAIT_TIME, TAG_OOM_SCORE_ADJ, TAG_KEEP = 1, 2, 3, 4, 5, 6, 7
TAG_CGROUP_NAMESPACE, TAG_PROC, TAG_PROC_OPTION, TAG_LOOPBACK, TAG_TASKS = 16, 17, 18, 19, 20
TAG_FDS, TAG_HOSTNAME, TAG_DOMAINNAME, TAG_ROOT_PROPAGATION, TAG_SYSCTL, TAG_KEYRING = 32, 33, 34, 35, 36, 37
TAG_CONSOLE, TAG_RLIMIT, TAG_UMASK, TAG_PERSONALITY, TAG_SCHEDULER, TAG_IO_PRIORITY = 38, 39, 40, 41, 42, 43
TAG_AFFINITY, TAG_NO_NEW_PRIVS, TAG_CAPABILITIES, TAG_IDS, TAG_GROUPS, TAG_LSM_EXEC = 44, 45, 46, 47, 48, 49
TAG_CWD, TAG_ARG, TAG_ENV, TAG_SECCOMP = 50, 51, 52, 53
TAG_HOOK, TAG_HOOK_PATH, TAG_HOOK_ARG, TAG_HOOK_ENV, TAG_HOOK_STATE = 54, 55, 56, 57, 58
TAG_CHOWN_STDIO, TAG_NO_SETSID, TAG_KEY_LABEL = 59, 60, 61
TAG_MEMORY_POLICY = 65
TAG_ERRNO, TAG_STEP, TAG_REASON, TAG_WAIT_FOR, TAG_PID, TAG_CONSOLE_NAME = 128, 129, 130, 131, 132, 133

# enum fd_kind
FD_PIVOT, FD_MOVE, FD_CHROOT, FD_LISTENER, FD_PRESERVE = 1, 2, 3, 4, 5

# enum wait_for
WAIT_ID_MAPS, WAIT_TIME_OFFSETS = 1, 2

POLLIN = 0x1
# How long the helper may take for one answer, which it gives within milliseconds on a machine at ease: seconds.
PATIENCE = 60.0
WAITED_FOR = {
    JOINED: "has entered its namespaces",
    PREPARED: "has prepared its namespaces",
    READY: "has applied its settings",
}

# Steps whose place in config.json is known here.
HOOK_STEP = "error running startContainer hook #"
SYSCTL_STEP = 'write sysctl: "'
PLACES = {"set the memory policy": "linux.memoryPolicy"}


class HelperError(PyruncError):
    """What pyrunc-init said went wrong."""


def u32(*values: int) -> bytes:
    """Unsigned 32-bit numbers in host order; OverflowError when one does not fit."""
    return b"".join([value.to_bytes(4, byteorder) for value in values])


def u64(*values: int) -> bytes:
    """Unsigned 64-bit numbers in host order; OverflowError when one does not fit."""
    return b"".join([value.to_bytes(8, byteorder) for value in values])


def text(value: str) -> bytes:
    """A C string.  Raises PyruncError for a NUL inside, which would cut it (CVE-2021-43784 is of that family), and
    for what is no text (half of a surrogate pair)."""
    try:
        data = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise PyruncError("a string holds half of a surrogate pair") from error
    if b"\0" in data:
        raise PyruncError("a string holds a NUL byte")
    return data + b"\0"


def pair(first: str, second: str) -> bytes:
    """Two C strings in one payload."""
    return text(first) + text(second)


def record(tag: int, payload: bytes = b"") -> bytes:
    """One record: tag, length, payload, padding."""
    length = len(payload)
    return tag.to_bytes(4, byteorder) + length.to_bytes(4, byteorder) + payload + bytes(-length % 4)


def message(type: int, records: "Iterable[bytes]" = (), fd_count: int = 0) -> bytes:
    """A whole message, header first.  Raises PyruncError when it is larger than the helper takes."""
    body = b"".join(records)
    if len(body) > MAX_SIZE:
        raise PyruncError(f"the process settings take {len(body)} bytes, more than {MAX_SIZE}")
    header = (
        MAGIC.to_bytes(4, byteorder)
        + VERSION.to_bytes(2, byteorder)
        + type.to_bytes(2, byteorder)
        + len(body).to_bytes(4, byteorder)
        + fd_count.to_bytes(4, byteorder)
    )
    return header + body


def records_of(body: bytes) -> list[tuple[int, bytes]]:
    """The records of a body.  Raises PyruncError when it is malformed."""
    found = []
    offset = 0
    while offset < len(body):
        if len(body) - offset < 8:
            raise PyruncError("the helper's answer is malformed")
        tag = int.from_bytes(body[offset : offset + 4], byteorder)
        length = int.from_bytes(body[offset + 4 : offset + 8], byteorder)
        offset += 8
        if length > len(body) - offset:
            raise PyruncError("the helper's answer is malformed")
        found.append((tag, body[offset : offset + length]))
        offset += length + -length % 4
    return found


class Channel:
    """The runtime's end of the socket to one helper.  `fd` is owned: close() it.

    patience: for how many seconds an answer may be waited for; below zero for ever
    """

    __slots__ = ("fd", "patience")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.patience = PATIENCE

    def close(self) -> None:
        """Closes the socket; a helper that still waits on it ends."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            posix.close(fd)

    def send(self, type: int, records: "Iterable[bytes]" = (), fds: "list[int] | tuple[int, ...]" = ()) -> None:
        """Sends a message.  Raises PyruncError when the helper has gone away."""
        if len(fds) > MAX_FDS:
            raise PyruncError(f"{len(fds)} descriptors for the container, more than {MAX_FDS}")
        data = message(type, records, len(fds))
        try:
            sent = syscalls.send(self.fd, data, fds)
            while sent < len(data):
                sent += syscalls.send(self.fd, data[sent:])
        except OSError as error:
            if error.errno in (EPIPE, ECONNRESET):
                raise self.explain_loss() from error
            raise from_os_error(error, operation="give the container's init process its orders") from error

    def explain_loss(self) -> PyruncError:
        """Why the helper does not listen any more: what it said last, or that it was killed."""
        try:
            while True:
                for fd in self.receive_any()[2]:
                    posix.close(fd)
        except PyruncError as error:
            return error

    def readable(self, timeout_ms: int) -> bool:
        """Waits for something to read, the end of the stream included; False when timeout_ms passed.  Raises
        PyruncError."""
        try:
            return syscalls.poll(self.fd, POLLIN, timeout_ms) != 0
        except OSError as error:
            raise from_os_error(error, operation="wait for the container's init process") from error

    def read_some(self, size: int, fds: list[int]) -> bytes:
        """At most size bytes; none at the end of the stream.  Raises PyruncError."""
        try:
            data, passed = syscalls.recv(self.fd, size, 1)
        except OSError as error:
            if error.errno == ECONNRESET:  # it ended without having read all that we sent
                raise killed() from error
            raise from_os_error(error, operation="hear from the container's init process") from error
        fds += passed
        return data

    def read_exactly(self, size: int, fds: list[int], data: bytes = b"") -> bytes:
        """size bytes, data among them as the first.  Raises PyruncError when the stream ends before."""
        while len(data) < size:
            part = self.read_some(size - len(data), fds)
            if not part:
                raise killed()
            data += part
        return data

    def receive_any(
        self, start: bytes = b"", passed: "Iterable[int]" = ()
    ) -> tuple[int, list[tuple[int, bytes]], list[int]]:
        """The next message: (type, records, descriptors), whose first bytes, and the descriptors that came with
        them, may have been read already.

        Raises HelperError for an ERROR message, PyruncError for what is none; no descriptor stays open then.
        """
        fds = [*passed]
        try:
            type, size, count = header_of(self.read_exactly(HEADER_SIZE, fds, start))
            records = records_of(self.read_exactly(size, fds)) if size else []
            if count != len(fds):
                raise PyruncError("the helper's answer is malformed")
            if type == ERROR:
                raise error_of(records)
        except BaseException:
            for fd in fds:
                posix.close(fd)
            raise
        return type, records, fds

    def receive(self, *expected: int) -> tuple[int, list[tuple[int, bytes]], list[int]]:
        """The next message, which must be of an expected type.

        Raises PyruncError when none comes in time: the helper does nothing that takes long, but may be held up.
        """
        if not self.readable(int(self.patience * 1000)):
            raise late(self.patience, expected[-1])
        type, records, fds = self.receive_any()
        if type not in expected:
            for fd in fds:
                posix.close(fd)
            raise PyruncError(f"pyrunc-init answered out of turn (message {type})")
        return type, records, fds

    def ended(self, take_listener: "Callable[[int], None] | None" = None) -> None:
        """Waits for the end of the stream, which is the helper's exec.  Raises PyruncError when that failed, and
        when the helper was killed before it had read MESSAGE_START.

        take_listener gets (and owns) the descriptor of the seccomp filter's listener; the helper waits for that.
        """
        while True:
            first: list[int] = []
            while not self.readable(syscalls.INTERRUPT_MS):
                syscalls.check_interrupt()
            start = self.read_some(1, first)
            if not start and not first:
                return
            type, _, fds = self.receive_any(start, first)
            if type != LISTENER or len(fds) != 1 or take_listener is None:
                for fd in fds:
                    posix.close(fd)
                raise PyruncError(f"pyrunc-init answered out of turn (message {type})")
            take_listener(fds[0])
            self.send(CONTINUE)


def late(seconds: float, expected: int) -> PyruncError:
    """The error for a helper that does not answer."""
    return PyruncError(
        f"the container's init process has not answered for {seconds:g} s",
        operation=f"wait until it {WAITED_FOR[expected]}",
        hint="Is its cgroup frozen, or does a file system hang?  See /proc/PID/stack.",
    )


def killed() -> PyruncError:
    """The error for a helper that is gone and has not said why."""
    return PyruncError(
        "the container's init process was killed before it was ready",
        hint="Is the memory limit too low, or was it killed from outside?",
    )


def header_of(data: bytes) -> tuple[int, int, int]:
    """(type, size of the body, number of descriptors) of a header.  Raises PyruncError when it is none of ours."""
    magic = int.from_bytes(data[0:4], byteorder)
    version = int.from_bytes(data[4:6], byteorder)
    size = int.from_bytes(data[8:12], byteorder)
    if magic != MAGIC or version != VERSION or size > MAX_SIZE or size % 4:
        raise PyruncError("pyrunc-init does not match this pyrunc: build or install it again")
    return int.from_bytes(data[6:8], byteorder), size, int.from_bytes(data[12:16], byteorder)


def number_in(records: list[tuple[int, bytes]], tag: int, default: int = 0) -> int:
    """The 32-bit number of the record with that tag."""
    for found, payload in records:
        if found == tag and len(payload) == 4:
            return int.from_bytes(payload, byteorder)
    return default


def string_in(records: list[tuple[int, bytes]], tag: int) -> str:
    """The string of the record with that tag, "" when there is none."""
    for found, payload in records:
        if found == tag:
            return payload.rstrip(b"\0").decode("utf-8", "replace")
    return ""


def error_of(records: list[tuple[int, bytes]]) -> HelperError:
    """The error that an ERROR message tells."""
    errno = number_in(records, TAG_ERRNO)
    reason = string_in(records, TAG_REASON) or reason_of(errno)
    step = string_in(records, TAG_STEP)
    place = PLACES.get(step, "")
    if step.startswith(HOOK_STEP):
        place = f"hooks.startContainer[{step[len(HOOK_STEP) :].partition(':')[0]}]"
    elif step.startswith(SYSCTL_STEP):
        # The path below /proc/sys, in quotation marks: in a name "." separates, and "/" is a dot.
        step, path = "write sysctl", step[len(SYSCTL_STEP) : -1]
        place = "linux.sysctl." + path.translate({ord("/"): ".", ord("."): "/"})
    return HelperError(f"{step}: {reason}" if step else reason, place=place, errno=errno)
