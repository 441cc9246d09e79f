"""What a container's first process and those of exec have in common on their way to the user's program."""

import posix
from errno import EACCES, EBUSY, ENOENT, EOPNOTSUPP, EPERM

from pyrunc import helper, log, pathnames, syscalls
from pyrunc.cgroups.layout import UNIFIED
from pyrunc.errors import PyruncError, from_os_error, reason_of
from pyrunc.launch import Helper, spawn_with, write_proc
from pyrunc.namespaces import CLONE_NEWCGROUP, CLONE_NEWNET
from pyrunc.security.lsm import exec_labels
from pyrunc.security.seccomp import filter_for
from pyrunc.spec.rules_linux import uses_notify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyrunc.process import ProcessSettings
    from pyrunc.setup import Setup

CACHE = ".seccomp"  # in the state root
MAX_PRESERVED = helper.MAX_FDS - 2  # the root and the listener travel with them


def check_console(terminal: bool, detach: bool, console_socket: "str | None") -> None:
    """Raises PyruncError when the terminal and the console socket do not go together."""
    if terminal or console_socket:
        from pyrunc.terminal import check_console as check

        check(terminal, detach, console_socket)


def wait_ready(process: Helper, console_socket: "str | None") -> int:
    """Waits until the process has applied its settings.  Returns the master of its terminal, -1 when there is none
    or when the console socket took it."""
    master = -1
    try:
        while True:
            kind, records, fds = process.channel.receive(helper.CONSOLE, helper.READY)
            if kind == helper.READY:
                return master
            if not fds:
                raise PyruncError("pyrunc-init gave no terminal")
            master = fds[0]
            from pyrunc.terminal import adopt_size, send_console

            if console_socket:
                send_console(console_socket, master, helper.string_in(records, helper.TAG_CONSOLE_NAME))
                posix.close(master)
                master = -1
            else:
                adopt_size(master)
    except BaseException:
        if master >= 0:
            posix.close(master)
        raise


def own_moves(paths: "Mapping[str, str]") -> "tuple[list[bytes], list[int]]":
    """Records of MESSAGE_PREPARE by which the process moves itself into its cgroup v1 directories, and the files that
    travel with them (the caller's to close).  Raises PyruncError."""
    records: list[bytes] = []
    files: list[int] = []
    try:
        for directory in dict.fromkeys([path for name, path in paths.items() if name != UNIFIED]):
            file = f"{directory}/tasks"
            files.append(posix.open(file, posix.O_WRONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC))
            records.append(helper.record(helper.TAG_TASKS, helper.text(file)))
    except OSError as error:
        close_all(files)
        raise from_os_error(error, operation="join cgroup") from error
    return records, files


def close_all(fds: "list[int]") -> None:
    """Closes descriptors."""
    for fd in fds:
        posix.close(fd)


def spawn_in(flags: int, directory: "str | None") -> "tuple[Helper, bool]":
    """Starts a helper, on cgroup2 straight in a cgroup; whether it is there.

    It is not where the kernel refuses that: in a threaded cgroup, or at the top of one that the container manages.
    """
    if directory is None:
        return spawn_with(flags), False
    try:
        fd = posix.open(directory, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError as error:
        raise from_os_error(error, operation="open the cgroup") from error
    try:
        return spawn_with(flags, fd), True
    except PyruncError as error:
        if error.errno not in (EBUSY, EOPNOTSUPP, EACCES, ENOENT, EPERM):
            raise
        return spawn_with(flags), False
    finally:
        posix.close(fd)


def add_groups(setup: "Setup", pid: int, process: "ProcessSettings", in_userns: bool) -> None:
    """The supplementary groups.  A user namespace that was made by a user without privileges may allow none to be
    set (user_namespaces(7)): then none may be asked for, and the process keeps what it has."""
    if in_userns:
        with open(f"/proc/{pid}/setgroups") as file:
            denied = file.read().startswith("deny")
        if denied and process.additional_gids:
            from pyrunc.rootless import GROUPS_DENIED, GROUPS_HINT

            raise PyruncError(
                f"{GROUPS_DENIED}: its user namespace denies setgroups",
                place="process.user.additionalGids",
                hint=GROUPS_HINT,
            )
        if denied:
            return
    setup.add_groups(process.additional_gids)


def add_security(setup: "Setup", process: "ProcessSettings", config: "dict[str, Any]", root: str) -> None:
    """The seccomp filter and the LSM labels."""
    seccomp = (config.get("linux") or {}).get("seccomp")
    if seccomp:
        compiled = filter_for(seccomp, pathnames.join(root, CACHE))
        for warning in compiled.warnings:
            log.debug(warning)
        setup.add_seccomp(compiled)
    for file, label in exec_labels(process):
        setup.add_label(file, label)


def check_seccomp_agent(config: "dict[str, Any]", bundle: str) -> None:
    """Raises PyruncError when the profile asks an agent and there is none where it says."""
    seccomp = (config.get("linux") or {}).get("seccomp")
    if seccomp and uses_notify(seccomp):
        from pyrunc.security.agent import check_agent

        check_agent(seccomp, bundle)


def raise_limits(pid: int, process: "ProcessSettings") -> None:
    """Raises the hard limits that the helper could not raise itself; it sets all limits, right before exec."""
    for index, (resource, soft, hard) in enumerate(process.rlimits):
        try:
            current, highest = syscalls.get_limits(pid, resource)
            if hard > highest:
                syscalls.prlimit(pid, resource, min(current, hard), hard)
        except OSError as error:
            raise PyruncError(
                str(error),
                operation=f"set the limits to {soft}:{hard}",
                place=f"process.rlimits[{index}]",
                hint="Raising a hard limit needs CAP_SYS_RESOURCE." if error.errno == EPERM else "",
                errno=error.errno or 0,
            ) from error


def set_oom_score(pid: int, score: int, place: str) -> None:
    """Writes /proc/PID/oom_score_adj.  Raises PyruncError."""
    try:
        write_proc(pid, "oom_score_adj", str(score), place)
    except PyruncError as error:
        if error.errno == EACCES:
            error.hint = "Lowering it needs CAP_SYS_RESOURCE."
        raise


def check_preserved(count: int, listening: int = 0) -> None:
    """Raises PyruncError when one of the descriptors from 3 on, which the process is to get, is not open.

    First the `listening` ones of socket activation, then the `count` ones of --preserve-fds.
    """
    if listening + count > MAX_PRESERVED:
        what = f"LISTEN_FDS {listening}, preserve-fds {count}" if listening else f"preserve-fds {count}"
        raise PyruncError(f"{what}: at most {MAX_PRESERVED} descriptors can be passed on")
    for number in range(1, 1 + listening + count):
        fd = 2 + number
        try:
            posix.fstat(fd)
        except OSError as error:
            wanted = number > listening
            raise PyruncError(
                f"please check that preserved-fd {number - listening} (of {count}) is present"
                if wanted
                else f"descriptor {number} of {listening} is not there",
                operation="preserve-fds" if wanted else "LISTEN_FDS",
                hint=f"descriptor {fd} is not open in the caller",
                errno=error.errno or 0,
            ) from error


def send_pidfd(socket_path: str, process: Helper, kind: str) -> None:
    """Sends a pidfd of the process to whoever listens at socket_path, as runc does: one message with the descriptor,
    whose text is "standard" for a container's first process and "setns" for that of an exec.  Raises PyruncError."""
    from pyrunc import rendezvous

    rendezvous.send(socket_path, "pidfd socket", kind.encode("ascii"), (process.pidfd,))


def write_pid_file(path: str, pid: int) -> None:
    """The pid in decimal, no newline, appearing at once: engines poll for the file."""
    directory, name = pathnames.split(path)
    temporary = pathnames.join(directory, f".{name}.pyrunc")
    try:
        try:
            posix.unlink(temporary)
        except FileNotFoundError:
            pass  # the usual case; there is one if a writer was killed, or if somebody who may write here put it there
        fd = posix.open(
            temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC, 0o644
        )
        try:
            try:
                posix.write(fd, str(pid).encode("ascii"))
            finally:
                posix.close(fd)
            posix.rename(temporary, path)
        except OSError:
            posix.unlink(temporary)
            raise
    except OSError as error:
        reason = f"{path}: {reason_of(error.errno or 0)}"
        raise PyruncError(reason, operation="write the pid file", errno=error.errno or 0) from error


def inner_pid(pid: int) -> int:
    """The process's pid in its innermost pid namespace (NSpid of /proc/PID/status)."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return pid


def preparations(new: int) -> "list[bytes]":
    """What the process prepares in its new namespaces before the file system is made (MESSAGE_PREPARE)."""
    records = []
    if new & CLONE_NEWCGROUP:
        records.append(helper.record(helper.TAG_CGROUP_NAMESPACE))
    if new & CLONE_NEWNET:
        records.append(helper.record(helper.TAG_LOOPBACK))
    return records
