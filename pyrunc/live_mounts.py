"""mounts add, mounts remove: other mounts for a container that is there, all of a list or none.

The container's mount namespace is hostile ground: a fork of ours (see builder.py) that can import nothing enters it,
with everything from the host open already, and works on descriptors there.  With a user namespace, copies of the
host's mounts are made in a mount namespace that belongs to it, which a helper makes: so the attributes that protect
them are locked, as they are in what `create` mounts.
"""

import _signal
import posix

from pyrunc import builder, cgroups, pathnames, syscalls
from pyrunc.errors import ConfigError, InvalidTransition, PyruncError, from_os_error
from pyrunc.fastjson import dumps
from pyrunc.kernel_calls import check_calls
from pyrunc.launch import spawn_with, user_namespace
from pyrunc.liveness import not_entered, open_mounts, status_of
from pyrunc.namespaces import BUILDER_NAMESPACES, CLONE_NEWNS, CLONE_NEWUSER, TYPES, NamespacePlan, without_own_user
from pyrunc.operations.base import perform_all
from pyrunc.operations.build import Build
from pyrunc.operations.live import Unmount, made_outside, plan_added, take_back, why_kept
from pyrunc.operations.plan import clean
from pyrunc.record import open_process
from pyrunc.spec.check import check_config
from pyrunc.spec.load import parse
from pyrunc.state import CONFIG_FILE, StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyrunc.container import Container
    from pyrunc.launch import Helper
    from pyrunc.operations.base import Operation
    from pyrunc.record import Record

    Mounts = list[dict[str, Any]]

POLLIN = 0x1
SIGALRM = 14
# How long the fork may take, in seconds: a file system that the container serves may never answer.
PATIENCE = 60
DIRECTORY = posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC


def add(container: "Container", mounts: "Mounts") -> None:
    """Adds mounts, entries as of config.json's `mounts`, to a container that has not stopped.

    Raises PyruncError, and then none of them is there.
    """
    with StateDirectory.open(container.root, container.id) as state:
        record, config = load(state, mounts, "add mounts to")
        inner = without_own_user(config)
        operations = plan_added(
            mounts, inner, bundle=record.bundle, layout=cgroups.detect(), has_own=set(record.namespaces)
        )
        with Way(record) as way, Outside(way) as outside:
            build = way.build(record)
            started = builder.fork(lambda report: work_add(report, operations, build, way, outside))
            commit(started, state, {**config, "mounts": [*(config.get("mounts") or []), *mounts]})


def remove(container: "Container", mounts: "Mounts") -> None:
    """Removes the mounts on the destinations of these entries, the last first, with what is mounted in them.

    Raises PyruncError, and then all of them are there.
    """
    with StateDirectory.open(container.root, container.id) as state:
        record, config = load(state, mounts, "remove mounts from")
        operations: list[Unmount] = []
        kept = list(config.get("mounts") or [])
        for index, mount in reversed(list(enumerate(mounts))):
            destination, place = clean(mount["destination"]), f"mounts[{index}] ({mount['destination']})"
            reason = why_kept(destination, config)
            if reason:
                raise PyruncError(f"{destination} cannot be removed: {reason}", place=place)
            operations.append(Unmount(destination, place, keep_copy=len(mounts) > 1))
            forget(kept, destination)
        with Way(record) as way:
            build = way.build(record)
            started = builder.fork(lambda report: work_remove(report, operations, build, way))
            commit(started, state, {**config, "mounts": kept})


def load(state: StateDirectory, mounts: "Mounts", verb: str) -> "tuple[Record, dict[str, Any]]":
    """The container's record and configuration, when it is one whose mounts can be changed and these are mounts."""
    record = state.load()
    status = status_of(state, record)
    if status in ("stopped", "creating"):
        raise InvalidTransition(f"cannot {verb} a {status} container")
    if "mount" not in record.namespaces:
        raise PyruncError(f"cannot {verb} a container without a mount namespace", hint="its mounts are the host's")
    check_calls(mounting=True)
    config = parse(state.read(CONFIG_FILE), CONFIG_FILE)
    check(mounts, without_own_user(config))
    return record, config


def check(mounts: "Mounts", config: "dict[str, Any]") -> None:
    """Raises ConfigError, with pointers into the list, for what could not stand in this configuration either."""
    try:
        check_config({**config, "mounts": mounts})
    except ConfigError as error:
        found = [(pointer.removeprefix("/mounts") or "/", message) for pointer, message in error.problems]
        lines = [f"{pointer}: {message}" for pointer, message in found]
        raise ConfigError("the list of mounts: " + "; ".join(lines), problems=found) from None


def forget(mounts: "Mounts", destination: str) -> None:
    """Takes the last mount on this destination out of a list, if there is one."""
    for index in range(len(mounts) - 1, -1, -1):
        if clean(mounts[index]["destination"]) == destination:
            del mounts[index]
            return


class Way:
    """The way into a container: descriptors of its process (`target`), of its user namespace and, where its mount
    namespace is not its own, of its root, or else of that namespace (-1: there is none).  flags: the namespaces to
    enter by the first."""

    __slots__ = ("flags", "mounts", "root", "target", "userns")

    def __init__(self, record: "Record") -> None:
        self.mounts = self.root = self.userns = -1
        self.flags = 0
        for kind in record.namespaces:
            self.flags |= TYPES[kind][0] & BUILDER_NAMESPACES & ~CLONE_NEWUSER
        target = open_process(record.pid, record.start_time)
        if target is None:
            raise InvalidTransition("container not running")
        self.target = target
        try:
            if "user" in record.namespaces:
                self.userns = posix.open(f"/proc/{record.pid}/ns/user", posix.O_RDONLY | posix.O_CLOEXEC)
                if pathnames.samestat(posix.stat(self.userns), posix.stat("/proc/self/ns/user")):
                    posix.close(self.userns)
                    self.userns = -1
            self.mounts = open_mounts(record)
            if record.namespaces["mount"]:
                self.root = posix.open(f"/proc/{record.pid}/root", DIRECTORY)
        except OSError as error:
            self.close()
            raise not_entered(error) from error
        except BaseException:
            self.close()
            raise
        if syscalls.poll(target, POLLIN, 0):
            # What was found by its pid may be another process's.
            self.close()
            raise InvalidTransition("container not running")

    def __enter__(self) -> "Way":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the descriptors."""
        for fd in (self.target, self.mounts, self.root, self.userns):
            if fd >= 0:
                posix.close(fd)

    def build(self, record: "Record") -> Build:
        """What the operations share; its root is found in the container."""
        build = Build(
            record.rootfs,
            record.bundle,
            in_userns=self.userns >= 0,
            userns_fd=self.userns,
            make_proc=lambda _: -1,
            make_userns=user_namespace,
        )
        build.entered = self.userns >= 0
        return build

    def enter(self, user: int = 0) -> None:
        """Joins the namespaces; user: CLONE_NEWUSER when that is one of them."""
        flags = self.flags | user
        if self.mounts >= 0:
            builder.enter(self.mounts, CLONE_NEWNS)
            flags &= ~CLONE_NEWNS
        builder.enter(self.target, flags)

    def open_root(self) -> int:
        """The container's root directory, once its mount namespace has been entered."""
        return self.root if self.root >= 0 else posix.open("/", DIRECTORY)


class Outside:
    """With a user namespace, a process in it with a copy of the host's mounts; else nothing.  A context manager.

    An ordinary user needs none: the fork has no privilege outside that it would have to keep for a while.
    """

    __slots__ = ("helper",)

    def __init__(self, way: Way) -> None:
        self.helper: Helper | None = None
        if way.userns < 0 or posix.geteuid() != 0:
            return
        self.helper = spawn_with(0)
        try:
            self.helper.enter(NamespacePlan(CLONE_NEWNS, [], [], [], []), [(CLONE_NEWUSER, way.userns)])
        except BaseException:
            self.helper.kill()
            raise

    def __enter__(self) -> "Outside":
        return self

    def __exit__(self, *_: object) -> None:
        if self.helper is not None:
            self.helper.kill()


def commit(started: "builder.Builder", state: StateDirectory, config: "dict[str, Any]") -> None:
    """Waits for the fork, puts the configuration into the state directory, and tells the fork that it was.

    One that is not told so, since that failed or we are gone, undoes what it did.
    """
    try:
        started.read_report()
        state.write(CONFIG_FILE, dumps(config).encode())
        syscalls.send(started.fd, b"g")
    except OSError as error:
        raise from_os_error(error) from error
    finally:
        started.finish()


def work_add(report: int, operations: "list[Operation]", build: Build, way: Way, outside: Outside) -> None:
    """What the fork does to add mounts."""
    own = begin()
    if outside.helper is not None:
        # What only the host's root can reach must be opened before that privilege is given up.
        builder.enter(outside.helper.pidfd, CLONE_NEWNS)
        perform_all(operations, build, "prepare")
        builder.enter(outside.helper.pidfd, CLONE_NEWUSER)
    else:
        if way.userns >= 0:
            builder.enter(way.target, CLONE_NEWUSER)
            syscalls.unshare(CLONE_NEWNS)
        perform_all(operations, build, "prepare")
    perform_all(made_outside(operations), build)
    way.enter()
    build.root = way.open_root()
    posix.fchdir(own)
    work_inside(report, operations, build)


def work_remove(report: int, operations: "list[Unmount]", build: Build, way: Way) -> None:
    """What the fork does to remove mounts."""
    own = begin()
    way.enter(CLONE_NEWUSER if way.userns >= 0 else 0)
    build.root = way.open_root()
    posix.fchdir(own)
    # Of several at one place only the first is to be seen.
    perform_all({operation.destination: operation for operation in reversed(operations)}.values(), build, "prepare")
    work_inside(report, operations, build)


def begin() -> int:
    """Makes the fork one that does no more than it must.  Returns the directory of its own descriptors (see live.py).

    It does not end with the runtime but undoes its work then; so it must end by itself where it is held up.
    """
    builder.seal_imports()
    _signal.signal(SIGALRM, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (SIGALRM,))
    _signal.alarm(PATIENCE)
    posix.umask(0o022)  # directories that are made on the way have the usual mode, whoever calls
    return posix.open("/proc/self/fd", DIRECTORY)


def work_inside(report: int, operations: "Sequence[Operation]", build: Build) -> None:
    """The fork's work in the container: all operations, or none if one fails or the runtime does."""
    syscalls.prctl(builder.PR_SET_PDEATHSIG, 0)
    try:
        perform_all(operations, build)
        builder.tell(report, None)
        if not syscalls.recv(report, 1)[0]:
            raise PyruncError("the runtime was ended")
    except BaseException as error:
        left = take_back(operations, build)
        if left and isinstance(error, PyruncError):
            error.hint = "; ".join(left)
        raise
