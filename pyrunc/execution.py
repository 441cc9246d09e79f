"""exec: another process in a running container.

The helper starts outside, not to be looked into by anything in the container, enters the namespaces of the
container's process by its pidfd, and forks into the pid namespace.  Python never enters.
"""

import posix
from errno import EACCES, EPERM

from pyrunc import cgroups, helper, pathnames, syscalls
from pyrunc.cgroups.layout import UNIFIED
from pyrunc.cgroups.placement import check_exists, exec_paths
from pyrunc.errors import ConfigError, InvalidTransition, PyruncError, from_os_error
from pyrunc.facts import read_facts
from pyrunc.foreground import hold_signals, release_signals, wait_foreground
from pyrunc.launch import Helper
from pyrunc.liveness import not_entered, open_mounts, status_of
from pyrunc.namespaces import CLONE_NEWNS, TYPES, NamespacePlan
from pyrunc.process import plan_process
from pyrunc.process_start import (
    add_groups,
    add_security,
    check_console,
    check_preserved,
    check_seccomp_agent,
    close_all,
    own_moves,
    raise_limits,
    send_pidfd,
    set_oom_score,
    spawn_in,
    wait_ready,
    write_pid_file,
)
from pyrunc.record import open_process
from pyrunc.security.capabilities import ALL, ENTERING, SYS_ADMIN, SYS_CHROOT, kept, plan_capabilities
from pyrunc.setup import Setup
from pyrunc.state import StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrunc.container import Container
    from pyrunc.record import Record

POLLIN = 0x1
# How long the end of a container's first process may come after that of one that entered it: milliseconds.
ENDING_MS = 200


class Execution:
    """One process on its way into a container.  `master` is its terminal's other end afterwards, or -1."""

    __slots__ = (
        "capabilities",
        "cgroup_paths",
        "config",
        "console_socket",
        "container",
        "facts",
        "in_userns",
        "master",
        "patience",
        "pidfd_socket",
        "preserve_fds",
        "record",
        "settings",
        "status",
    )

    def __init__(
        self,
        container: "Container",
        record: "Record",
        process: "dict[str, Any]",
        console_socket: "str | None",
        pidfd_socket: "str | None",
        preserve_fds: int,
        cgroup: "list[str]",
        status: str = "running",
    ) -> None:
        check_preserved(preserve_fds)
        self.container = container
        self.record = record
        self.config = container.config()
        check_seccomp_agent(self.config, record.bundle)
        self.console_socket = console_socket
        self.pidfd_socket = pidfd_socket
        self.preserve_fds = preserve_fds
        self.facts = read_facts()
        if self.facts.calls_in_doubt:
            from pyrunc.kernel_calls import check_calls

            check_calls(mounting=False)
        process = {**process, **inherited(self.config.get("process") or {}, process)}
        self.settings = plan_process(process, self.config.get("linux"))
        self.in_userns = "user" in record.namespaces and has_own(record, "user")
        permitted, bounding = (ALL, ALL) if self.in_userns else (self.facts.permitted, self.facts.bounding)
        self.capabilities = plan_capabilities(process, self.facts.last_cap, permitted, bounding)
        self.cgroup_paths = exec_paths(record.cgroups, cgroup)
        if cgroup:
            check_exists(self.cgroup_paths, record.cgroups, cgroup)
        self.master = -1
        # What joins a cgroup that is frozen goes on when that is thawed, and not before.
        self.patience = -1.0 if status == "paused" else helper.PATIENCE
        self.status = status

    def perform(self, pid_file: "str | None", hold: bool) -> Helper:
        """Starts the process and returns when its program runs.  The helper is the caller's to close.

        hold: from right before the start, all signals are for the process: they are blocked
        """
        unified = self.cgroup_paths.get(UNIFIED)
        process, born = spawn_in(0, unified)
        process.channel.patience = self.patience
        try:
            if self.settings.initial_cpus:
                posix.sched_setaffinity(process.pid, self.settings.initial_cpus)
            self.enter(process)
            if (self.config.get("linux") or {}).get("intelRdt") is not None:
                self.join_group(process)
            if unified and not born:
                self.attach(unified, process.pid)
            self.join_cgroups(process)
            if self.settings.oom_score_adj is not None:
                set_oom_score(process.pid, self.settings.oom_score_adj, "oomScoreAdj")
            raise_limits(process.pid, self.settings)
            self.send_setup(process)
            self.master = wait_ready(process, self.console_socket)
            if self.pidfd_socket:
                send_pidfd(self.pidfd_socket, process, "setns")
            if pid_file:
                write_pid_file(pid_file, process.pid)
            if hold:
                hold_signals()
            process.channel.send(helper.START)
            process.channel.ended(
                lambda listener: self.container.hand_over(listener, self.record, self.status, process.pid)
            )
        except BaseException as error:
            if self.master >= 0:
                posix.close(self.master)
            process.kill()
            if isinstance(error, OSError):
                raise from_os_error(error) from error
            raise
        return process

    def attach(self, unified: str, pid: int) -> None:
        """Moves the process into the container's cgroup2 directory; systemd does it for a user who may not."""
        try:
            cgroups.attach({UNIFIED: unified}, pid, beside=self.record.pid)
        except PyruncError as error:
            if not self.record.systemd_cgroup or error.errno not in (EACCES, EPERM):
                raise
            from pyrunc.cgroups import systemd_unit

            systemd_unit.attach(self.record, unified, pid)

    def join_group(self, process: Helper) -> None:
        """Puts the process into the container's group in resctrl."""
        from pyrunc import resctrl

        with StateDirectory.open(self.container.root, self.container.id, lock=False) as state:
            resctrl.attach(state, process.pid)

    def join_cgroups(self, process: Helper) -> None:
        """Lets the process move itself into the directories of cgroup v1."""
        moves, files = own_moves(self.cgroup_paths)
        if not files:
            return
        try:
            process.channel.send(helper.PREPARE, moves, files)
        finally:
            close_all(files)
        process.channel.receive(helper.PREPARED)

    def enter(self, process: Helper) -> None:
        """Sends the helper into the namespaces of the container's process, by its pidfd; but into that mount namespace
        which was looked at, for it may be in another by now."""
        target = target_of(self.record)
        mounts = -1
        try:
            mounts = open_mounts(self.record)
            check_alive(target)
            flags = 0
            for kind in self.record.namespaces:
                if kind != "user" or self.in_userns:
                    flags |= TYPES[kind][0]
            entered = []
            if mounts >= 0:
                entered.append((CLONE_NEWNS, mounts))
                flags &= ~CLONE_NEWNS
            if flags:
                entered.append((flags, target))
            keep = kept(self.capabilities, self.own_steps())
            process.enter(NamespacePlan(0, [], [], [], []), entered, (keep,))
        finally:
            close_all([fd for fd in (target, mounts) if fd >= 0])

    def own_steps(self) -> int:
        """The capabilities that the helper needs once it is among the container's processes, which may be allowed to
        trace it: what it holds then could be theirs."""
        steps = ENTERING
        if self.record.namespaces.get("mount") != "":
            steps |= SYS_CHROOT
        filtered = (self.config.get("linux") or {}).get("seccomp") and not self.settings.no_new_privs
        if filtered or self.settings.apparmor_profile or self.settings.selinux_label:
            steps |= SYS_ADMIN  # to load the filter; to mount a procfs of its own
        return steps

    def send_setup(self, process: Helper) -> None:
        """Everything about the process, as for the container's first one, without what concerns the container."""
        setup = Setup()
        setup.add_process(self.settings)
        add_groups(setup, process.pid, self.settings, self.in_userns)
        setup.add_capabilities(self.capabilities)
        if self.settings.final_cpus:
            setup.add_affinity(self.settings.final_cpus)
        elif not self.settings.initial_cpus:
            setup.add_every_cpu()
        if self.record.keyring:
            setup.add_keyring(self.record.keyring, self.settings.selinux_label)
        add_security(setup, self.settings, self.config, self.container.root)
        if self.settings.terminal:
            setup.add_terminal(self.settings.console_size, bind=False)
        for number in range(self.preserve_fds):
            setup.add_fd(helper.FD_PRESERVE, 3 + number)
        root = -1
        # Where the container has no mount namespace of its own, its root is only that of its process.
        if self.record.namespaces.get("mount") != "":
            root = open_root(self.record)
            setup.add_fd(helper.FD_CHROOT, root)
        try:
            setup.send(process.channel)
        finally:
            if root >= 0:
                posix.close(root)


def run_exec(
    container: "Container",
    process: "dict[str, Any]",
    options: "tuple[str | None, str | None, int, list[str]]",
    detach: bool,
    pid_file: "str | None",
    ignore_paused: bool,
    reap_orphans: bool,
) -> int:
    """Container.exec; options: the sockets for console and pidfd, how many descriptors to preserve, and --cgroup."""
    with StateDirectory.open(container.root, container.id, lock=False) as state:
        record = state.load()
        status = status_of(state, record)
    if status in ("stopped", "creating"):
        raise InvalidTransition(f"cannot exec in a {status} container")
    if status == "paused" and not ignore_paused:
        raise InvalidTransition("cannot exec in a paused container (use --ignore-paused to override)")
    mask: "set[int] | None" = None
    try:
        try:
            execution = Execution(container, record, process, *options, status)
            check_console(execution.settings.terminal, detach, execution.console_socket)
            mask = None if detach else hold_signals(interruptible=True)
            running = execution.perform(pid_file, hold=not detach)
        except PyruncError as error:
            if has_ended(record, error):
                raise stopped() from error
            raise
        try:
            return 0 if detach else wait_foreground(running, execution.master, reap_orphans)
        finally:
            running.close()
    finally:
        if mask is not None:
            release_signals(mask)


def inherited(first: "dict[str, Any]", process: "dict[str, Any]") -> "dict[str, Any]":
    """What a process that says nothing of it has from the container's first: as much privilege and confinement."""
    found = {} if "capabilities" in process else {"capabilities": first.get("capabilities")}
    for name in ("apparmorProfile", "selinuxLabel"):
        if first.get(name) and not process.get(name):
            found[name] = first[name]
    return found


def target_of(record: "Record") -> int:
    """A pidfd of the container's process.  Raises InvalidTransition when that has ended."""
    target = open_process(record.pid, record.start_time)
    if target is None:
        raise stopped()
    return target


def check_alive(target: int) -> None:
    """Raises InvalidTransition when the container's process has ended.

    When it has not, what was found by its pid since `target_of` is its own: till then no other had the number.
    """
    if syscalls.poll(target, POLLIN, 0):
        raise stopped()


def has_ended(record: "Record", error: PyruncError) -> bool:
    """Whether the container has ended, and with it what was on its way into it, so that this is why it failed.

    The end of its first process comes some time after that of the others.
    """
    target = open_process(record.pid, record.start_time)
    if target is None:
        return True
    try:
        told = isinstance(error, (helper.HelperError, ConfigError))
        return syscalls.poll(target, POLLIN, 0 if told else ENDING_MS) != 0
    finally:
        posix.close(target)


def stopped() -> InvalidTransition:
    """The error for a container whose process ends while we look."""
    return InvalidTransition("cannot exec in a stopped container")


def has_own(record: "Record", name: str) -> bool:
    """Whether the container's process has another namespace of that name than the caller."""
    target = target_of(record)
    try:
        theirs, ours = posix.stat(f"/proc/{record.pid}/ns/{name}"), posix.stat(f"/proc/self/ns/{name}")
        check_alive(target)
        return not pathnames.samestat(theirs, ours)
    except FileNotFoundError:
        raise stopped() from None
    except OSError as error:
        raise not_entered(error) from error
    finally:
        posix.close(target)


def open_root(record: "Record") -> int:
    """The root directory of the container's process."""
    target = target_of(record)
    try:
        root = posix.open(f"/proc/{record.pid}/root", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        try:
            check_alive(target)
        except BaseException:
            posix.close(root)
            raise
        return root
    except FileNotFoundError:
        raise stopped() from None
    finally:
        posix.close(target)
