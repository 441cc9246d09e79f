"""Starting pyrunc-init: spawned into its namespaces, or outside of them with orders to make its way in."""

import posix
import time
from _signal import pidfd_send_signal
from errno import EACCES, ECHILD, EINVAL, ENOSYS, EPERM

from pyrunc import _shim, helper, log, pathnames, syscalls
from pyrunc.errors import PyruncError, SystemCallError, from_os_error
from pyrunc.namespaces import (
    CLONE_NEWCGROUP,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    SPAWNABLE,
    NamespacePlan,
)

AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
OPEN_TREE_CLONE = 1
MOUNT_ATTR_RDONLY = 0x1
MFD_CLOEXEC = 0x1
MFD_ALLOW_SEALING = 0x2
MFD_EXEC = 0x10
F_ADD_SEALS = 1033
F_SEAL_ALL = 0x1 | 0x2 | 0x4 | 0x8  # SEAL, SHRINK, GROW, WRITE
SIGKILL = 9
# How long a killed helper may take to end: seconds.
KILL_PATIENCE = 10.0
POLLIN = 0x1

HELPER_PATH = pathnames.join(pathnames.dirname(pathnames.abspath(__file__)), "pyrunc-init")
EXTENSION_PATH = pathnames.abspath(_shim.__file__)


def open_helper() -> int:
    """pyrunc-init as a descriptor to execute that nobody can write through (CVE-2019-5736).

    A detached read-only clone of its mount: /proc/PID/exe of the container's process leads to that clone, where
    opening for writing is EROFS.  Who may not clone mounts gets a sealed copy in memory instead.
    """
    try:
        refuse_replaceable(posix.lstat(EXTENSION_PATH), EXTENSION_PATH)
        fd = syscalls.open_tree(syscalls.AT_FDCWD, HELPER_PATH, OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW)
    except OSError as error:
        if error.errno not in (EPERM, EACCES, ENOSYS, EINVAL):
            raise from_os_error(error, operation="open pyrunc-init") from error
        return sealed_copy()
    try:
        refuse_replaceable(posix.fstat(fd), HELPER_PATH)
        syscalls.mount_setattr(fd, AT_EMPTY_PATH, set=MOUNT_ATTR_RDONLY)
    except OSError as error:
        posix.close(fd)
        if error.errno not in (EPERM, ENOSYS):
            raise from_os_error(error, operation="open pyrunc-init") from error
        return sealed_copy()
    except BaseException:
        posix.close(fd)
        raise
    return fd


def refuse_replaceable(status: posix.stat_result, path: str) -> None:
    """Raises PyruncError when a program of this package is one that others could replace or write to.

    Others than root, the caller, and the owner of the package's directory, in whose hands all of pyrunc's code is: a
    user's checkout that root runs is that user's affair, and in a user namespace root's files are nobody's.
    """
    folder = pathnames.dirname(path)
    above = posix.stat(folder)
    reason = hint = ""
    if status.st_mode & pathnames.S_IFMT != pathnames.S_IFREG:
        reason, hint = f"{path} is not a plain file", "install pyrunc anew"
    elif status.st_uid not in (0, posix.geteuid(), above.st_uid):
        reason, hint = f"{path} belongs to user {status.st_uid}, who could replace it", f"chown {above.st_uid} {path}"
    for entry, name in ((status, path), (above, folder)):
        # A group of the owner's own number is the private one of a user.
        if not reason and (entry.st_mode & 0o002 or (entry.st_mode & 0o020 and entry.st_gid != entry.st_uid)):
            reason = f"{name} can be written by others (mode {entry.st_mode & 0o7777:04o})"
            hint = f"chmod go-w {name}"
    if reason:
        raise PyruncError(reason, operation="start pyrunc-init", hint=hint)


def sealed_copy() -> int:
    """pyrunc-init in a memfd that can never be changed again."""
    try:
        memory = executable_memory()
        try:
            source = posix.open(HELPER_PATH, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
            try:
                refuse_replaceable(posix.fstat(source), HELPER_PATH)
                while posix.sendfile(memory, source, None, 1 << 22):
                    continue
            finally:
                posix.close(source)
            syscalls.fcntl(memory, F_ADD_SEALS, F_SEAL_ALL)
        except BaseException:
            posix.close(memory)
            raise
    except OSError as error:
        raise from_os_error(error, operation="make a sealed copy of pyrunc-init") from error
    return memory


def executable_memory() -> int:
    """A memfd that may be executed also where vm.memfd_noexec says that others may not (Linux 6.3)."""
    try:
        return posix.memfd_create("pyrunc-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC)
    except OSError as error:
        if error.errno != EINVAL:
            raise SystemCallError(error.errno or 0, "memfd_create") from error
        return posix.memfd_create("pyrunc-init", MFD_CLOEXEC | MFD_ALLOW_SEALING)


class Helper:
    """A running pyrunc-init.  Owns the pidfd and the channel: close() or kill() it."""

    __slots__ = ("channel", "pid", "pidfd")

    def __init__(self, pid: int, pidfd: int, channel: helper.Channel) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.channel = channel

    def close(self) -> None:
        """Gives up the descriptors; a helper that still waits for orders ends."""
        self.channel.close()
        if self.pidfd >= 0:
            pidfd, self.pidfd = self.pidfd, -1
            posix.close(pidfd)

    def signal(self, number: int) -> None:
        """Sends a signal; that the process has ended is no error."""
        try:
            pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return

    def kill(self) -> None:
        """Ends the process and everything that its pid namespace holds, and waits for it.

        Not for ever: in a frozen cgroup v1 it ends when that is thawed.
        """
        try:
            pidfd_send_signal(self.pidfd, SIGKILL)
            if syscalls.poll(self.pidfd, POLLIN, int(KILL_PATIENCE * 1000)):
                posix.waitpid(self.pid, 0)
            else:
                log.warn(f"process {self.pid} is killed, but does not end: is its cgroup frozen?")
        except (ProcessLookupError, ChildProcessError):
            return  # it ended, and somebody has seen it
        finally:
            self.close()

    def enter(self, plan: NamespacePlan, opened: "list[tuple[int, int]]", orders: "tuple[bytes, ...]" = ()) -> None:
        """Takes a helper that was spawned outside into namespaces (MESSAGE_JOIN).

        plan:   what to make there, and with which mappings and offsets
        opened: what to join, (CLONE_NEW* flags, descriptor of a namespace or pidfd), from `open_namespaces`
        orders: further records (TAG_DUMPABLE, TAG_OOM_SCORE_ADJ, TAG_KEEP)

        With a pid or time namespace among them a child of the helper goes on: `pid` and `pidfd` are then its.
        """
        entered = plan.new
        records = [*orders]
        for flags, _ in opened:
            entered |= flags
            records.append(helper.record(helper.TAG_JOIN, helper.u32(flags)))
        # The cgroup namespace is made later, when the process is in its cgroup (MESSAGE_PREPARE).
        records.append(helper.record(helper.TAG_NEW, helper.u32(plan.new & ~CLONE_NEWCGROUP)))
        if entered & (CLONE_NEWPID | CLONE_NEWTIME):
            records.append(helper.record(helper.TAG_FORK))
        if plan.offsets:
            records.append(helper.record(helper.TAG_WAIT_TIME))
        self.channel.send(helper.JOIN, records, [fd for _, fd in opened])
        while True:
            self.wait_answer(helper.JOINED)
            kind, answer, _ = self.channel.receive(helper.WAIT, helper.JOINED)
            if kind == helper.JOINED:
                break
            if helper.number_in(answer, helper.TAG_WAIT_FOR) == helper.WAIT_ID_MAPS:
                write_id_maps(self.pid, plan)
            else:
                write_time_offsets(self.pid, plan)
            self.channel.send(helper.CONTINUE)
        child = helper.number_in(answer, helper.TAG_PID)
        if child:
            self.become(child)

    def wait_answer(self, expected: int) -> None:
        """Waits until there is something to receive (a message of the expected type), as long as the channel does.

        The end of the stream is not enough: a child of the helper holds the socket, too, and when the helper is
        killed before it could tell of its child, nothing ever comes.
        """
        answered = ended = 0
        patience = self.channel.patience
        deadline = time.monotonic() + patience
        while not answered:
            if ended:
                raise helper.killed()
            ended = syscalls.poll(self.pidfd, POLLIN, 0)
            left = -1 if patience < 0 else int((deadline - time.monotonic()) * 1000)
            if left < 0 <= patience:
                raise helper.late(patience, expected)
            answered = syscalls.poll_all([(self.channel.fd, POLLIN), (self.pidfd, POLLIN)], 0 if ended else left)[0]

    def become(self, child: int) -> None:
        """Follows the helper into its child, which CLONE_PARENT made ours.

        It has the socket, too, and those that it has come among may trace it: if another process is named here, which
        would get all that is meant for the container's, that is not believed.  Raises OSError, PyruncError.
        """
        first, first_fd = self.pid, self.pidfd
        pidfd = posix.pidfd_open(child)
        try:
            posix.waitid(posix.P_PIDFD, pidfd, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)
        except ChildProcessError as error:
            posix.close(pidfd)
            raise PyruncError(f"pyrunc-init goes on as process {child}, which is not ours", errno=ECHILD) from error
        self.pid, self.pidfd = child, pidfd
        posix.close(first_fd)
        try:
            posix.waitpid(first, 0)
        except ChildProcessError:
            return  # it ended, and somebody has seen it


def spawn_flags(plan: NamespacePlan) -> int:
    """What clone3 makes: all namespaces, or none when the helper has to make its way in (see `Helper.enter`)."""
    return 0 if plan.staged else plan.new & SPAWNABLE


def spawn_with(flags: int, cgroup_fd: int = -1) -> Helper:
    """Starts a helper in new namespaces (CLONE_NEW* flags) and, on cgroup v2, straight in its cgroup."""
    try:
        ours, theirs = syscalls.socketpair()
    except OSError as error:
        raise from_os_error(error, operation="start pyrunc-init") from error
    try:
        exe = open_helper()
        try:
            pid, pidfd = syscalls.spawn(flags, cgroup_fd, exe, theirs)
        finally:
            posix.close(exe)
    except OSError as error:
        posix.close(ours)
        hint = ""
        if error.errno == EPERM and flags:
            hint = "Making namespaces needs CAP_SYS_ADMIN, or a new user namespace among them."
        raise PyruncError(f"start pyrunc-init: {error}", hint=hint, errno=error.errno or 0) from error
    except BaseException:
        posix.close(ours)
        raise
    finally:
        posix.close(theirs)
    return Helper(pid, pidfd, helper.Channel(ours))


def write_id_maps(pid: int, plan: NamespacePlan) -> None:
    """Writes /proc/PID/{uid_map,gid_map} (user_namespaces(7)), or has it done for a user.  Raises PyruncError."""
    if posix.geteuid() != 0:
        from pyrunc.subids import write_maps

        write_maps(pid, plan.uid_maps, plan.gid_maps)
        return
    write_proc(pid, "uid_map", map_text(plan.uid_maps), "linux.uidMappings")
    write_proc(pid, "gid_map", map_text(plan.gid_maps), "linux.gidMappings")


def map_text(maps: "list[tuple[int, int, int]]") -> str:
    """The mappings as uid_map wants them."""
    return "".join([f"{inside} {outside} {size}\n" for inside, outside, size in maps])


def write_time_offsets(pid: int, plan: NamespacePlan) -> None:
    """Writes /proc/PID/timens_offsets (time_namespaces(7))."""
    lines = [f"{clock} {seconds} {nanoseconds}\n" for clock, seconds, nanoseconds in plan.offsets]
    write_proc(pid, "timens_offsets", "".join(lines), "linux.timeOffsets")


def write_proc(pid: int, name: str, value: str, place: str) -> None:
    """One write(2) to a file of /proc/PID, as these files want it."""
    try:
        fd = posix.open(f"/proc/{pid}/{name}", posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(fd, value.encode("ascii"))
        finally:
            posix.close(fd)
    except OSError as error:
        raise from_os_error(error, operation=f"write {name}", place=place) from error


def user_namespace(uid_maps: "list[tuple[int, int, int]]", gid_maps: "list[tuple[int, int, int]]") -> int:
    """A descriptor of a new user namespace with these mappings, for idmapped mounts; nothing lives in it."""
    holder = spawn_with(CLONE_NEWUSER)
    try:
        write_id_maps(holder.pid, NamespacePlan(CLONE_NEWUSER, [], uid_maps, gid_maps, []))
        return posix.open(f"/proc/{holder.pid}/ns/user", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError as error:
        raise from_os_error(error, operation="make a user namespace for an idmapped mount") from error
    finally:
        holder.kill()
