"""What state.json says of a container, and how the process that it names is known again.

A pid alone names whatever process has the number now; with the start time it names one process for ever.
"""

import posix
import time
from errno import EINVAL, ENOENT, ENOSYS, EPERM, ESRCH

from pyrunc import fastjson, syscalls
from pyrunc.errors import PyruncError, UnusableState, from_os_error
from pyrunc.pathnames import S_IFDIR, S_IFMT, S_IFREG, S_IFSOCK

FORMAT = 1
POLLIN = 0x1
KINDS = {S_IFREG: "a plain file", S_IFDIR: "a directory", S_IFSOCK: "a socket"}

# The phases of a container's creation, as stored.  CREATING is written before anything else is made, so that a
# crash leaves a record of what there may be to clean; what the container is now is asked of the kernel.
CREATING = "creating"
CREATED = "created"

# The fields of state.json, with what a record begins with; a field must keep the type of its first value.
FIELDS: "dict[str, object]" = {
    "format": FORMAT,
    "id": "",
    "ociVersion": "",
    "phase": CREATING,
    "bundle": "",  # absolute
    "rootfs": "",  # absolute
    "created": "",  # RFC 3339, UTC, nanoseconds
    "owner": 0,  # effective uid of who made it
    "pid": 0,  # of the helper, which becomes the container's process; 0: none yet
    "start_time": 0,  # of that process, in clock ticks after boot
    "annotations": {},
    "cgroups": {},  # hierarchy name -> absolute directory; what exists, or is about to
    "namespaces": {},  # type as in config.json -> path to join ("" for one of the container's own)
    "keyring": "",  # the name of the session keyring that its processes have; "": the caller's
    "process": True,  # there is one to start; it may be missing at create
    "own_pidns": False,  # killing the process ends all others of the container
    "user_namespace": 0,  # inode of its own, where only that tells its processes from others
    "rootless": False,
    "systemd_cgroup": "",  # whose scope its cgroups are: the "system" manager's or a "user"'s; "": nobody's
}


class Record:
    """The contents of state.json; the fields are those of FIELDS."""

    __slots__ = tuple(FIELDS)

    format: int
    id: str
    ociVersion: str
    phase: str
    bundle: str
    rootfs: str
    created: str
    owner: int
    pid: int
    start_time: int
    annotations: "dict[str, str]"
    cgroups: "dict[str, str]"
    namespaces: "dict[str, str]"
    keyring: str
    process: bool
    own_pidns: bool
    user_namespace: int
    rootless: bool
    systemd_cgroup: str

    def __init__(self, **values: object) -> None:
        for name, first in FIELDS.items():
            value = values.pop(name, first)
            setattr(self, name, value.copy() if isinstance(value, dict) else value)
        if values:
            raise TypeError(f"a state record has no field {next(iter(values))!r}")

    def dump(self) -> bytes:
        """The contents of state.json.  Raises PyruncError when they cannot be written as JSON."""
        try:
            return fastjson.dumps({name: getattr(self, name) for name in FIELDS}).encode()
        except ValueError as error:
            # JSON is UTF-8, and a name that is not cannot be written so that every reader gets it back.
            raise PyruncError(
                "a path is not valid UTF-8", operation="record the container's state", hint=f"bundle {self.bundle!r}"
            ) from error


def new_keyring(id: str) -> str:
    """The name of a session keyring that does not exist yet.

    The kernel joins the one that has the name, whoever has made it: a name that could be foreseen would let another
    user, or another container, own the keyring of this one.
    """
    return f"_ses.{id}.{posix.urandom(16).hex()}"


def load_record(data: bytes, path: str) -> Record:
    """Reads state.json.  Raises UnusableState, naming path, when it is not what `Record.dump` writes."""
    try:
        values = fastjson.loads(data.decode())
    except ValueError as error:
        raise unusable(path, str(error)) from error
    if not isinstance(values, dict):
        raise unusable(path, "not an object")
    if values.get("format") != FORMAT:
        raise unusable(path, f"it has format {values.get('format')}, this pyrunc knows {FORMAT}")
    for name, first in FIELDS.items():
        if type(values.get(name)) is not type(first):
            raise unusable(path, f"{name} is missing or of the wrong type")
        if isinstance(first, dict) and not all(isinstance(value, str) for value in values[name].values()):
            raise unusable(path, f"{name} has a value that is not a string")
    return Record(**{name: values[name] for name in FIELDS})


def refuse_foreign(status: posix.stat_result, path: str, kind: int) -> None:
    """Raises UnusableState unless what is open or named there is of that kind (S_IFMT), the caller's own, and to be
    written by nobody else: who could have written it would decide what we do as ourselves."""
    if status.st_mode & S_IFMT != kind:
        raise unusable(path, f"it is not {KINDS[kind]}")
    if status.st_uid != posix.geteuid():
        raise unusable(path, f"it belongs to user {status.st_uid}, not to {posix.geteuid()}")
    if status.st_mode & 0o022:
        raise unusable(path, f"it can be written by others (mode {status.st_mode & 0o7777:04o})")


def unusable(path: str, why: str) -> UnusableState:
    """The error for a state.json that cannot be used."""
    hint = "pyrunc delete --force removes the record, but cannot know the process and the cgroups"
    return UnusableState(f"{path}: {why}", operation="read the container's state", hint=hint)


def spec_state(record: Record, status: str, pid: int) -> "dict[str, object]":
    """The state as runtime.md ("State") has it, and as hooks read it.  There is no pid once it is stopped."""
    state: dict[str, object] = {"ociVersion": record.ociVersion, "id": record.id, "status": status}
    if pid:
        state["pid"] = pid
    state["bundle"] = record.bundle
    if record.annotations:
        state["annotations"] = record.annotations
    return state


def state_dict(record: Record, status: str, pid: int) -> "dict[str, object]":
    """What `state` prints: the specification's fields and runc's own, in runc's order.

    `owner` is left empty, as runc does: a look-up of the user's name is for `list` to make (`owner_name`).
    """
    state: dict[str, object] = {
        "ociVersion": record.ociVersion,
        "id": record.id,
        "pid": pid,
        "status": status,
        "bundle": record.bundle,
        "rootfs": record.rootfs,
        "created": record.created,
    }
    if record.annotations:
        state["annotations"] = record.annotations
    state["owner"] = ""
    return state


def owner_name(uid: int) -> str:
    """The user's name; as runc, "#UID" for a user without one.  For `list` only: it reads the user database."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def timestamp(nanoseconds: "int | None" = None) -> str:
    """The time (nanoseconds after the epoch; None: now) as RFC 3339 in UTC: "2026-11-24T03:54:53.123456789Z"."""
    seconds, rest = divmod(time.time_ns() if nanoseconds is None else nanoseconds, 1_000_000_000)
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:09}Z"


def pid_start_time(pid: int, zombie: bool = False) -> "int | None":
    """When the process began, in clock ticks after boot (field 22 of /proc/PID/stat); None when it is gone.

    A zombie is gone (unless zombie is true), but not while other threads of the process live: then only its first
    thread has ended.  Raises PyruncError.
    """
    try:
        fd = posix.open(f"/proc/{pid}/stat", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            stat = posix.read(fd, 4096)
        finally:
            posix.close(fd)
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError as error:
        raise from_os_error(error, operation="look at the container's process") from error
    # The second field, the name, is whatever the process likes, blanks and parentheses included: start after it.
    fields = stat[stat.rindex(b")") + 2 :].split()
    state, threads, start_time = fields[0], int(fields[17]), int(fields[19])
    return None if state in (b"Z", b"X") and threads <= 1 and not zombie else start_time


def open_process(pid: int, start_time: int) -> "int | None":
    """A pidfd of the process that had this pid and began at start_time; None when it is gone or was another.

    The pidfd is opened before the time is compared: what it refers to cannot change after that.  Raises PyruncError.
    """
    if pid <= 0:
        return None
    same = False
    try:
        pidfd = posix.pidfd_open(pid)
        try:
            same = pid_start_time(pid) == start_time and not syscalls.poll(pidfd, POLLIN, 0)
        finally:
            if not same:
                posix.close(pidfd)
    except OSError as error:
        if error.errno in (ESRCH, EINVAL, ENOENT):  # the last two: the number is that of a thread now
            return None
        if error.errno in (ENOSYS, EPERM):  # from a seccomp filter on us
            from pyrunc.kernel_calls import lacking

            raise lacking({"pidfd_open": error.errno}) from error
        raise from_os_error(error, operation=f"look at process {pid}") from error
    return pidfd if same else None
