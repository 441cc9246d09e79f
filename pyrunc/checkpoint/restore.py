"""restore: a container made from the files of a checkpoint, instead of by starting a program."""

import fcntl
import json
import os
import threading

from pyrunc import cgroups, log, syscalls
from pyrunc.cgroups.layout import SYSTEMD, UNIFIED
from pyrunc.checkpoint import criu, externals, messages
from pyrunc.checkpoint.dump import DESCRIPTORS_FILE, LOG_LEVEL, check_namespaces, make_directory
from pyrunc.checkpoint.mount_points import perform as perform_points
from pyrunc.checkpoint.mount_points import points
from pyrunc.checkpoint.options import CONFIG_FILES, RestoreOptions, config_file
from pyrunc.creation import NO_BUILD, Creation
from pyrunc.creation_options import Options
from pyrunc.errors import PyruncError, from_os_error
from pyrunc.foreground import hold_signals, release_signals, wait_foreground
from pyrunc.helper import Channel
from pyrunc.hooks import run_runtime_hooks
from pyrunc.launch import Helper
from pyrunc.namespaces import TYPES, open_namespaces
from pyrunc.operations.base import perform_all
from pyrunc.operations.constants import MS_REC, MS_SLAVE
from pyrunc.process_start import write_pid_file
from pyrunc.record import CREATED, pid_start_time, spec_state
from pyrunc.state import StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyrunc.container import Container

LOG_FILE = "restore.log"
INVENTORY = "inventory.img"
ROOT_MOUNT = "criu-root"  # in the state directory; a mount of the root file system in CRIU's mount namespace
CLONE_FS = 0x200
MS_BIND = 0x1000
CLONE_NEWNS = 0x20000


# Options of Container.create that a restore has as well; the others are CRIU's.
SHARED = ("console_socket", "no_pivot", "pid_file", "rootless", "systemd_cgroup")


def restore(
    container: "Container",
    bundle: str,
    *,
    detach: bool = False,
    keep: bool = False,
    reap_orphans: bool = False,
    **options: "Any",
) -> int:
    """Performs Container.restore: as Container.run, with a checkpoint in the place of a start.

    options: those of SHARED as Container.create has them, and those of RestoreOptions
    """
    shared = {name: options.pop(name) for name in SHARED if name in options}
    restoration = Restoration(container.root, container.id, bundle, Options(**shared), RestoreOptions(**options))
    terminal = restoration.plan.process.terminal
    if terminal or restoration.options.console_socket:
        from pyrunc.process_start import check_console

        check_console(terminal, detach, restoration.options.console_socket)
    mask = None if detach else hold_signals()
    try:
        state, process = restoration.perform()
        state.close()
        if detach:
            process.close()
            return 0
        try:
            return wait_foreground(process, restoration.master, reap_orphans)
        finally:
            process.close()
            if not keep:
                container.delete_ended(restoration.record)
    finally:
        if mask is not None:
            release_signals(mask)


class Restoration(Creation):
    """One container on its way from the files of a checkpoint to "running"; `undo` is that of a creation.

    After perform() the caller owns `state` and `process`, whose channel leads nowhere.
    """

    __slots__ = ("images", "named_spaces", "program", "restoring", "work")

    def __init__(self, root: str, id: str, bundle: str, options: Options, restoring: RestoreOptions) -> None:
        """Loads, checks and plans.  Raises PyruncError; nothing has been touched then."""
        super().__init__(root, id, bundle, options)
        self.restoring = restoring
        check_namespaces(self.record.namespaces)
        self.images = os.path.abspath(restoring.image_path)
        self.work = os.path.abspath(restoring.work_path) if restoring.work_path else self.images
        if not os.path.exists(os.path.join(self.images, INVENTORY)):
            raise PyruncError(f"{self.images}: there is no checkpoint", operation="image-path")
        needed = {**restoring.fields(), **{f"external_{kind}": path for kind, path in self.record.namespaces.items()}}
        self.program = criu.usable(restoring.criu, needed, {"lazy_pages": restoring.switches["lazy_pages"]})

    def perform(self, wait_for_start: bool = False) -> "tuple[StateDirectory, Helper]":
        """Everything up to "running".  Raises PyruncError; nothing is left then but CRIU's log."""
        opened = open_namespaces(self.plan.namespaces)
        try:
            try:
                with syscalls.Uninterrupted():
                    self.state = StateDirectory.create(self.root, self.plan.id, self.record.dump())
                self.make_surroundings()
                self.restore(opened)
                return self.settle()
            except BaseException:
                if self.state is not None:
                    with syscalls.Uninterrupted():
                        self.undo()
                raise
        except OSError as error:
            raise from_os_error(error) from error
        finally:
            for _, fd in opened:
                os.close(fd)

    def make_surroundings(self) -> None:
        """What CRIU finds when it begins: the state directory's files, the cgroup with its limits, mount points."""
        plan = self.plan
        assert self.state is not None
        self.state.write_config(self.config_bytes, plan.hooks)
        if not plan.cgroup.scope:
            self.make_cgroups()
            perform_all(plan.cgroup.limits, NO_BUILD)
        if plan.group:
            plan.group.make(self.state)
        perform_points(points(plan.filesystem), plan.rootfs)

    def restore(self, opened: "list[tuple[int, int]]") -> None:
        """Has CRIU restore the processes."""
        assert self.state is not None
        make_directory(self.work)
        os.mkdir(ROOT_MOUNT, 0o700, dir_fd=self.state.fd)
        root = os.path.join(os.path.realpath(self.state.path), ROOT_MOUNT)
        kinds = {TYPES[kind][0]: kind for kind in externals.NAMED_NAMESPACES}
        standard = externals.inherited(read_descriptors(self.images))
        inherit = {externals.NAMED_NAMESPACES[kinds[flag]][1]: fd for flag, fd in opened if flag in kinds}
        shell_job = self.restoring.switches["shell_job"]
        directories: "list[int]" = []
        copies: "list[int]" = []

        def start() -> criu.Session:
            # Here, in the mount namespace that CRIU will be in: it mounts on what is below its working directory.
            for path in (self.images, self.work):
                directories.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            return criu.Session(
                self.program,
                stdio=not self.plan.process.terminal,
                pass_fds=(*directories, *(fd for fd in inherit.values() if fd > 2)),
                own_group=not shell_job,
            )

        try:
            for name, number in standard.items():
                if shell_job:
                    # CRIU closes what it was given, but wants a terminal as its standard input in the end.
                    number = os.dup(number)
                    copies.append(number)
                inherit[name] = number
            with start_apart(start, self.plan.rootfs, root) as session:
                self.put_into_cgroup(session.process.pid)
                if self.plan.group:
                    self.plan.group.attach(session.process.pid)  # what it makes is in the group, too
                fields = self.fields(root, inherit)
                fields.update(images_dir_fd=directories[0], work_dir_fd=directories[1])
                response = session.request({"type": messages.RESTORE, "opts": fields}, self.notified)
            if not response.success:
                raise criu.failure(response, os.path.join(self.work, LOG_FILE))
            self.adopt(response.restore.pid)
        finally:
            for fd in directories + copies:
                os.close(fd)
        os.rmdir(ROOT_MOUNT, dir_fd=self.state.fd)

    def put_into_cgroup(self, pid: int) -> None:
        """Puts CRIU where the container is to be: with mode "ignore" the processes stay where it is."""
        scope = self.plan.cgroup.scope
        if scope is None:
            cgroups.attach(self.record.cgroups, pid)
            return
        from pyrunc.cgroups import systemd_unit

        systemd_unit.start(scope, self.plan.cgroup.paths, self.facts.cgroup, pid)
        self.make_cgroups()
        perform_all(self.plan.cgroup.limits, NO_BUILD)

    def fields(self, root: str, inherit: "dict[str, int]") -> "dict[str, Any]":
        """What CRIU is told.

        root:    where the root file system is mounted for it
        inherit: name of what is not the container's own -> the descriptor that it gets in its place
        """
        binds = externals.with_real_sources(externals.binds_of(self.plan.filesystem))
        named = externals.named_sources(binds, externals.read_mountinfo("self"))
        fields: "dict[str, Any]" = {
            "log_level": LOG_LEVEL,
            "log_file": LOG_FILE,
            "root": root,
            "rst_sibling": True,
            "notify_scripts": True,
            "manage_cgroups": True,
            "evasive_devices": True,
            "orphan_pts_master": True,
            "ext_mnt": [{"key": name, "val": source} for name, source in named.items()],
            "inherit_fd": [{"key": name, "fd": fd} for name, fd in inherit.items()],
            "cg_root": cgroup_roots(self.record.cgroups, self.facts.cgroup.hierarchies),
            "join_ns": [
                {"ns": word, "ns_file": self.record.namespaces[kind]}
                for kind, word in externals.ENTERED_NAMESPACES.items()
                if self.record.namespaces.get(kind)
            ],
            **self.restoring.fields(),
        }
        file = config_file(self.record.annotations, [path for path in CONFIG_FILES if os.path.exists(path)])
        if file:
            fields["config_file"] = file
        return fields

    def notified(self, script: str, pid: int, fds: "list[int]") -> None:
        """Answers a notification of CRIU: the hooks of the runtime, the terminal."""
        log.debug(f"criu: {script}")
        if script == "orphan-pts-master" and fds:
            self.master = fds.pop(0)
            self.hand_over_terminal()
        for fd in fds:
            os.close(fd)
        if script == "setup-namespaces":
            self.adopt(pid)
            for kind in ("prestart", "createRuntime"):
                if kind in self.plan.hooks:
                    self.hooks_ran = True
                    run_runtime_hooks(self.plan.hooks[kind], spec_state(self.record, "creating", pid), kind)

    def hand_over_terminal(self) -> None:
        """The terminal's other end goes to the console socket, or stays with us."""
        from pyrunc.terminal import adopt_size, send_console

        if self.options.console_socket:
            send_console(self.options.console_socket, self.master, slave_name(self.master))
            self.close_master()
        else:
            adopt_size(self.master)

    def adopt(self, pid: int) -> None:
        """Takes note of the restored process, which is our child, once."""
        assert self.state is not None
        if self.process is None:
            self.process = Helper(pid, os.pidfd_open(pid), Channel(-1))
            self.record.pid = pid
            self.record.start_time = pid_start_time(pid) or 0
            self.state.note_process(pid, self.record.start_time)

    def settle(self) -> "tuple[StateDirectory, Helper]":
        """The record says that the container is there, and so does the pid file."""
        assert self.state is not None
        assert self.process is not None
        self.record.phase = CREATED
        self.state.note_created()
        if self.options.pid_file:
            write_pid_file(self.options.pid_file, self.process.pid)
        return self.state, self.process


def start_apart(start: "Callable[[], criu.Session]", rootfs: str, target: str) -> "criu.Session":
    """Calls start in a mount namespace of its own, where rootfs is mounted on target, and gives back what it returned.

    CRIU wants the root file system to be a mount.  In the host's own namespace that would stay behind when we are
    killed, and whoever then removes `target` with what is in it would remove the root file system.
    """
    results: "list[criu.Session]" = []
    errors: "list[BaseException]" = []

    def work() -> None:
        try:
            syscalls.unshare(CLONE_FS | CLONE_NEWNS)
            syscalls.mount("", "/", None, MS_SLAVE | MS_REC)
            syscalls.mount(rootfs, target, None, MS_BIND | MS_REC)
            results.append(start())
        except BaseException as error:  # noqa: BLE001 it is raised where the thread is waited for
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def read_descriptors(images: str) -> "list[str]":
    """What the standard descriptors were at the checkpoint; nothing is known of images without such a file."""
    try:
        with open(os.path.join(images, DESCRIPTORS_FILE), encoding="utf-8", errors="surrogateescape") as file:
            names = json.load(file)
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise PyruncError(f"{images}/{DESCRIPTORS_FILE}: {error}", operation="read the checkpoint") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PyruncError(f"{images}/{DESCRIPTORS_FILE} is no list of names", operation="read the checkpoint")
    return names[:3]


def cgroup_roots(paths: "dict[str, str]", hierarchies: "dict[str, str]") -> "list[dict[str, str]]":
    """Where the container's cgroups are now, as CRIU's cg_root: they may have had another name at the checkpoint."""
    roots = []
    for name, path in paths.items():
        relative = path.removeprefix(hierarchies[name]) or "/"
        if len(hierarchies) == 1:
            roots.append({"path": relative})
        elif name != UNIFIED:
            roots.append({"ctrl": "name=systemd" if name == SYSTEMD else name, "path": relative})
    return roots


def slave_name(master: int) -> str:
    """The path of a terminal's other end in its devpts (TIOCGPTN of ioctl_tty(2))."""
    tiocgptn = 0x80045430
    return f"/dev/pts/{int.from_bytes(fcntl.ioctl(master, tiocgptn, bytes(4)), 'little')}"
