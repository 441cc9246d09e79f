"""The state directory of a container, <root>/<id>/: made before anything else, locked, written atomically.

The lock is flock(2) on the directory itself, so it dies with whoever holds it; there is no lock file to go
stale.  Files are replaced by rename, so that readers need no lock, and a crash between any two steps leaves the
old contents or the new.  Nothing is synced to the disk: after a reboot no container lives.

pyrunc/record.py says what state.json holds, pyrunc/state_root.py where the directories are.
"""

import posix
import time
from errno import EAGAIN, EINTR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR

from pyrunc import fastjson, pathnames, syscalls
from pyrunc.errors import ContainerNotFound, PyruncError
from pyrunc.pathnames import S_IFDIR, S_IFREG, S_IFSOCK
from pyrunc.record import CREATED, Record, load_record, refuse_foreign, unusable
from pyrunc.state_root import DIRECTORY_FLAGS, DIRECTORY_MODE, failure, open_root, validate_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, ClassVar

STATE_FILE = "state.json"  # what is known when the creation begins; never changed for what comes later
PROCESS_FILE = "process"  # "PID START_TIME" once there is a process, then " created" when it waits to be started
CONFIG_FILE = "config.json"  # as it was when the container was created: later changes have no effect
HOOKS_FILE = "hooks.json"  # those of poststart and poststop, if there are any
START_SOCKET = "start.sock"  # where the process waits to be started; there until it is
RESCTRL_FILE = "resctrl.json"  # its group in resctrl, if it has one, and what of it is to be removed
NOTIFY_DIRECTORY = "notify"  # there when the container was created with a socket for sd_notify(3), which `start` makes
PAUSED_FILE = "paused"  # there when the container was paused before it was started: else nobody looks at its freezer
LAST_FILES = (STATE_FILE, CONFIG_FILE, PROCESS_FILE)  # the order in which they are removed, after all others

FILE_MODE = 0o600

LOCK_EX = 2
LOCK_NB = 4
LOCK_UN = 8
# How long to wait for another pyrunc that works on the same container: seconds.
LOCK_PATIENCE = 60.0
LOCK_FIRST_SLEEP = 0.001
LOCK_LONGEST_SLEEP = 0.05


class StateDirectory:
    """The open state directory of one container; a context manager, which closes (and unlocks) it.

    path:  for messages
    fd:    the directory; holds the lock, if there is one.  So do copies of it in forks, which keep the container
           locked when this process is killed, until they have ended too
    owner: the pid of the process that locked it, 0 when it is not locked: only that one unlocks it
    """

    __slots__ = ("fd", "id", "owner", "path", "root_fd")

    # Called with each record that is loaded; the command line's, see confinement.py.
    on_load: "ClassVar[Callable[[StateDirectory, Record], None] | None]" = None

    def __init__(self, root: str, id: str, root_fd: int, fd: int) -> None:
        self.path = f"{root.rstrip('/')}/{id}"
        self.id = id
        self.root_fd = root_fd
        self.fd = fd
        self.owner = 0

    @classmethod
    def create(cls, root: str, id: str, state: bytes = b"", *, timeout: float = LOCK_PATIENCE) -> "StateDirectory":
        """Makes the directory and locks it; state, when given, is its first state.json.

        Raises PyruncError; nothing is left then.  Of several callers with one id, one succeeds.
        """
        validate_id(id)
        root_fd = open_root(root, make=True)
        directory = cls(root, id, root_fd, -1)
        try:
            # Between mkdir and the lock, a `delete --force` may find the directory and remove it: then again.
            while True:
                posix.mkdir(id, DIRECTORY_MODE, dir_fd=root_fd)
                if directory.finish(state, timeout):
                    return directory
        except FileExistsError:
            directory.close()
            raise PyruncError(
                "container with given ID already exists",
                operation=f"create {directory.path}",
                hint=f"choose another id, or remove that container: pyrunc delete {id}",
            ) from None
        except OSError as error:
            directory.close()
            raise failure(error, f"create {directory.path}") from error
        except BaseException:
            directory.close()
            raise

    def finish(self, state: bytes, timeout: float) -> bool:
        """The rest of `create` after mkdir; False when another process has removed the directory meanwhile."""
        try:
            self.fd = posix.open(self.id, DIRECTORY_FLAGS, dir_fd=self.root_fd)
            posix.fchmod(self.fd, DIRECTORY_MODE)  # whatever the umask
            self.lock(timeout)
            if self.is_current():
                if state:
                    self.write(STATE_FILE, state)
                return True
        except FileNotFoundError:
            pass  # removed before it could be opened
        except BaseException:
            try:
                posix.rmdir(self.id, dir_fd=self.root_fd)
            except OSError:
                pass  # the first error counts
            raise
        self.drop()
        return False

    @classmethod
    def open(cls, root: str, id: str, *, lock: bool = True, timeout: float = LOCK_PATIENCE) -> "StateDirectory":
        """Opens the directory of an existing container.

        Raises ContainerNotFound; PyruncError when the lock is not to be had within timeout seconds.
        """
        validate_id(id)
        try:
            root_fd = open_root(root, make=False)
        except FileNotFoundError:
            raise not_found(root, id) from None
        directory = cls(root, id, root_fd, -1)
        try:
            while True:
                directory.fd = posix.open(id, DIRECTORY_FLAGS, dir_fd=root_fd)
                refuse_foreign(posix.fstat(directory.fd), directory.path, S_IFDIR)
                if not lock:
                    return directory
                directory.lock(timeout)
                if directory.is_current():
                    return directory
                # Deleted while we waited; there may be another of that name by now.
                directory.drop()
        except OSError as error:
            directory.close()
            if error.errno in (ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG):
                raise not_found(root, id) from None
            raise failure(error, f"open {directory.path}") from error
        except BaseException:
            directory.close()
            raise

    def lock(self, timeout: float) -> None:
        """Waits for the lock, at most timeout seconds; raises PyruncError, naming its holder, when that was it."""
        deadline = time.monotonic() + timeout
        sleep = LOCK_FIRST_SLEEP
        while True:
            try:
                syscalls.flock(self.fd, LOCK_EX | LOCK_NB)
                self.owner = posix.getpid()
                return
            except OSError as error:
                if error.errno not in (EAGAIN, EINTR):
                    raise
            left = deadline - time.monotonic()
            if left <= 0:
                raise PyruncError(
                    f"container {self.id} is locked by {lock_holder(self.fd)} (waited {timeout:g} s)",
                    operation=f"lock {self.path}",
                    hint="another command works on this container: wait for it, or end it",
                    errno=EAGAIN,
                )
            time.sleep(min(sleep, left))
            sleep = min(sleep * 2, LOCK_LONGEST_SLEEP)

    def is_current(self) -> bool:
        """Whether the container's name still leads to the directory that is open here."""
        try:
            named = posix.stat(self.id, dir_fd=self.root_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return pathnames.samestat(named, posix.fstat(self.fd))

    def write(self, name: str, data: bytes) -> None:
        """Replaces the file name by one with these contents, at once or not at all.  Needs the lock."""
        temporary = f".{name}.new"
        try:
            try:
                posix.unlink(temporary, dir_fd=self.fd)
            except FileNotFoundError:
                pass  # the usual case; there is one only if a writer was killed
            flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
            fd = posix.open(temporary, flags, FILE_MODE, dir_fd=self.fd)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[posix.write(fd, rest) :]
            except BaseException:
                posix.unlink(temporary, dir_fd=self.fd)
                raise
            finally:
                posix.close(fd)
            posix.rename(temporary, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except OSError as error:
            raise failure(error, f"write {self.path}/{name}") from error

    def read(self, name: str) -> bytes:
        """The contents of the file name.

        Raises PyruncError, with errno ENOENT when there is none; ContainerNotFound when the container is being removed;
        UnusableState when it is not the caller's own.
        """
        try:
            # O_NONBLOCK: whatever lies there, opening it does not wait.
            flags = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
            fd = posix.open(name, flags, dir_fd=self.fd)
            try:
                parts = []
                status = posix.fstat(fd)
                refuse_foreign(status, f"{self.path}/{name}", S_IFREG)
                while part := posix.read(fd, status.st_size + 1):
                    parts.append(part)
            finally:
                posix.close(fd)
        except OSError as error:
            if error.errno == ELOOP:
                raise unusable(f"{self.path}/{name}", "it is a symbolic link") from error
            if error.errno == ENOENT and name in LAST_FILES[1:] and not self.exists(STATE_FILE):
                raise not_found(pathnames.dirname(self.path), self.id) from None
            raise failure(error, f"read {self.path}/{name}") from error
        return b"".join(parts)

    def load(self) -> Record:
        """The container's record.  Raises ContainerNotFound when none was written (a `create` that was killed)."""
        path = f"{self.path}/{STATE_FILE}"
        try:
            record = load_record(self.read(STATE_FILE), path)
            self.add_process(record)
        except PyruncError as error:
            if error.errno != ENOENT:
                raise
            raise ContainerNotFound(
                "container does not exist", hint=f"{self.path} is what a crash left: pyrunc delete --force {self.id}"
            ) from None
        if self.on_load:
            self.on_load(record)
        return record

    def save(self, record: Record) -> None:
        """Writes the container's record.  Needs the lock."""
        self.write(STATE_FILE, record.dump())

    def write_config(self, config: bytes, hooks: "dict[str, Any]") -> None:
        """Keeps what later commands need of the configuration: its file, and the hooks that are still to run."""
        self.write(CONFIG_FILE, config)
        later = {kind: hooks[kind] for kind in ("poststart", "poststop") if kind in hooks}
        if later:
            self.write(HOOKS_FILE, fastjson.dumps(later).encode("utf-8", "surrogateescape"))

    def note_process(self, pid: int, start_time: int) -> None:
        """Says which process became the container's.  Needs the lock.

        In a file of its own: to replace one that is there is much dearer on most file systems than to make one.
        """
        self.append(f"{pid} {start_time}", posix.O_CREAT | posix.O_EXCL)

    def note_created(self) -> None:
        """Says that the process waits to be started.  Needs the lock."""
        self.append(" created", posix.O_APPEND)

    def append(self, text: str, flags: int) -> None:
        try:
            flags |= posix.O_WRONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC
            fd = posix.open(PROCESS_FILE, flags, FILE_MODE, dir_fd=self.fd)
            try:
                refuse_foreign(posix.fstat(fd), f"{self.path}/{PROCESS_FILE}", S_IFREG)
                posix.write(fd, text.encode("ascii"))
            finally:
                posix.close(fd)
        except OSError as error:
            raise failure(error, f"write {self.path}/{PROCESS_FILE}") from error

    def add_process(self, record: Record) -> None:
        """Puts what PROCESS_FILE says into the record; what is only half written is not there yet."""
        try:
            words = self.read(PROCESS_FILE).split()
        except PyruncError as error:
            if error.errno != ENOENT:
                raise
            return
        if len(words) >= 2 and words[0].isdigit() and words[1].isdigit():
            record.pid, record.start_time = int(words[0]), int(words[1])
            if len(words) == 3 and words[2] == b"created":
                record.phase = CREATED

    def connect(self, name: str) -> int:
        """A connection to the socket name.  Raises OSError; UnusableState when it is not the caller's own."""
        status = posix.stat(name, dir_fd=self.fd, follow_symlinks=False)
        refuse_foreign(status, f"{self.path}/{name}", S_IFSOCK)
        return syscalls.unix_connect(self.fd, name)

    def exists(self, name: str) -> bool:
        """Whether there is a file name."""
        try:
            return posix.access(name, posix.F_OK, dir_fd=self.fd, follow_symlinks=False)
        except OSError as error:
            raise failure(error, f"look for {self.path}/{name}") from error

    def unlink(self, name: str) -> None:
        """Removes the file name, if there is one."""
        try:
            posix.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            pass  # that is what was wanted
        except OSError as error:
            raise failure(error, f"remove {self.path}/{name}") from error

    def remove(self) -> None:
        """Removes the directory and all in it, and closes it.  Needs the lock.

        Whenever this is cut short, the container can be deleted again, by force when state.json is gone.  That goes
        before what says more about the container: who looks meanwhile finds all of it or none.
        """
        try:
            remove_contents(self.fd, LAST_FILES)
            if self.is_current():
                posix.rmdir(self.id, dir_fd=self.root_fd)
        except OSError as error:
            raise failure(error, f"remove {self.path}") from error
        self.close()

    def drop(self) -> None:
        """Closes the directory that was deleted while we waited for its lock, to try the name again."""
        if self.fd >= 0:
            posix.close(self.fd)
        self.fd = -1
        self.owner = 0

    def close(self) -> None:
        """Gives up the lock and closes the descriptors; in a fork of the process that locked it, only closes."""
        if self.owner and self.owner == posix.getpid():
            syscalls.flock(self.fd, LOCK_UN)  # closing is not enough while a fork (of another thread?) has a copy
        self.owner = 0
        fds = (self.fd, self.root_fd)
        self.fd = self.root_fd = -1  # before: who is interrupted here closes nothing twice
        for fd in fds:
            if fd >= 0:
                posix.close(fd)

    def __enter__(self) -> "StateDirectory":
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        self.close()


def remove_contents(fd: int, last: "tuple[str, ...]" = ()) -> None:
    """Removes all that is in the directory fd, following no link; the entries named in `last` go last, in its order."""
    for name in sorted(posix.listdir(fd), key=lambda name: last.index(name) if name in last else -1):
        try:
            posix.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            continue
        except IsADirectoryError:
            below = posix.open(name, DIRECTORY_FLAGS, dir_fd=fd)
            try:
                remove_contents(below)
            finally:
                posix.close(below)
            posix.rmdir(name, dir_fd=fd)


def lock_holder(fd: int) -> str:
    """Who holds the flock on fd, as /proc/locks tells: for an error message."""
    status = posix.fstat(fd)
    key = f"{posix.major(status.st_dev):02x}:{posix.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open("/proc/locks") as locks:
            for line in locks:
                fields = line.split()
                # "1: FLOCK  ADVISORY  WRITE 1234 00:1a:567 0 EOF"; the pid is 0 for one of another pid namespace
                if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == key and fields[4] != "0":
                    with open(f"/proc/{fields[4]}/cmdline", "rb") as cmdline:
                        command = cmdline.read(200).replace(b"\0", b" ").decode("utf-8", "replace").strip()
                    return f"process {fields[4]} ({command})"
    except OSError:
        pass  # it has just ended, or /proc is not mounted
    return "another process"


def not_found(root: str, id: str) -> ContainerNotFound:
    """runc's words, which engines match; the hint says which and where."""
    return ContainerNotFound("container does not exist", hint=f"there is no container {id} in {root}")
