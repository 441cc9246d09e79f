"""A container and what can be done with it: one method a verb (runtime.md, "Operations").

Everything here is usable from a program: no state but what the arguments name, nothing printed, no exit.  All
methods raise PyruncError, and then have changed nothing or undone it.

What only some verbs need is imported by them: most commands are one verb, and over in a few milliseconds.
"""

import posix
from _signal import pidfd_send_signal
from errno import ECONNREFUSED

from pyrunc import cgroups, log, pathnames
from pyrunc.errors import ContainerNotFound, InvalidTransition, PyruncError, UnusableState, from_os_error
from pyrunc.liveness import KILL_PATIENCE, cannot_start, kill_all, kill_process, no_process, remove_group, status_of
from pyrunc.record import CREATING, Record, open_process, spec_state, state_dict
from pyrunc.state import CONFIG_FILE, HOOKS_FILE, START_SOCKET, StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyrunc.helper import Channel
    from pyrunc.notify import NotifyProxy

SIGKILL = 9


class Container:
    """A container of a state root.  Makes no promise that it exists: each verb looks again."""

    __slots__ = ("id", "root")

    def __init__(self, root: str, id: str) -> None:
        self.root = root
        self.id = id

    @classmethod
    def create(cls, root: str, id: str, bundle: str, *, hold: bool = False, **options: "Any") -> "Container":
        """Creates a container from the bundle, up to its process, which waits for `start`.

        hold: signals that are to end us stay blocked, for a caller who ends anyway
        options: those of `pyrunc.creation_options.Options`.
        """
        from pyrunc.creation import Creation
        from pyrunc.creation_options import Options
        from pyrunc.process_start import check_console

        creation = Creation(root, id, pathnames.abspath(bundle), Options(**options))
        check_console(creation.plan.process.terminal, True, creation.options.console_socket)
        state, process = creation.perform(wait_for_start=True)
        process.close()
        state.close()
        if not hold:
            creation.release_signals()
        return cls(root, id)

    @classmethod
    def run(
        cls,
        root: str,
        id: str,
        bundle: str,
        *,
        detach: bool = False,
        keep: bool = False,
        reap_orphans: bool = False,
        **options: "Any",
    ) -> int:
        """Creates and starts a container and, unless detach, waits for its process and deletes the container.

        Returns the exit status (128+n for signal n), 0 with detach.  keep leaves the stopped container to
        `delete`; reap_orphans is for a caller that is a subreaper and has no other children.
        """
        from pyrunc.creation import Creation
        from pyrunc.creation_options import Options
        from pyrunc.foreground import hold_signals, wait_foreground
        from pyrunc.process_start import check_console

        creation = Creation(root, id, pathnames.abspath(bundle), Options(**options))
        if not creation.record.process:
            raise no_process()
        check_console(creation.plan.process.terminal, detach, creation.options.console_socket)
        if not detach:
            hold_signals(interruptible=True)
        try:
            state, process = creation.perform(wait_for_start=False)
            container = cls(root, id)
            proxy: NotifyProxy | None = None
            try:
                if creation.options.notify_socket:
                    from pyrunc.notify import proxy_for

                    proxy = proxy_for(state, creation.record, creation.options.notify_socket)
                if not detach:
                    hold_signals()
                container.start_process(state, creation.record, process.channel)
            except BaseException:
                if proxy:
                    proxy.close()
                close_fd(creation.master)
                process.close()
                container.destroy(state, creation.record)
                raise
            state.close()
            if detach:
                process.close()
                creation.release_signals()
                if proxy:
                    proxy.forward(creation.record.pid)
                return 0
            try:
                if proxy:
                    proxy.forward_meanwhile()
                status = wait_foreground(process, creation.master, reap_orphans)
            finally:
                process.close()
                if not keep:
                    container.delete_ended(creation.record)
            return status
        finally:
            creation.release_signals()

    @classmethod
    def load(cls, root: str, id: str) -> "Container":
        """The container of that id.  Raises ContainerNotFound."""
        StateDirectory.open(root, id, lock=False).close()
        return cls(root, id)

    def start(self, notify_socket: "str | None" = None) -> None:
        """Lets the created container's process run its program; returns when it does.

        notify_socket: the service manager's socket (a path, or "@NAME"). When the container was created with one,
        this returns only when its program has said that it is ready, or has ended; the manager is told (sd_notify(3)).

        A startContainer hook or the program itself that cannot be run, and a poststart hook that fails, end the
        container and are raised.
        """
        from pyrunc.helper import Channel

        with StateDirectory.open(self.root, self.id) as state:
            record = state.load()
            status = status_of(state, record)
            if status != "created":
                raise cannot_start(status)
            if not record.process:
                raise no_process()
            try:
                channel = Channel(state.connect(START_SOCKET))
            except OSError as error:
                if error.errno == ECONNREFUSED:
                    # A start that was killed has started it: the program runs and listens no more; or it has ended.
                    state.unlink(START_SOCKET)
                    raise cannot_start(status_of(state, record)) from None
                raise from_os_error(error, operation="reach the container's process") from error
            proxy: NotifyProxy | None = None
            try:
                if notify_socket:
                    from pyrunc.notify import proxy_for

                    proxy = proxy_for(state, record, notify_socket)
                self.start_process(state, record, channel)
            except BaseException:
                if proxy:
                    proxy.close()
                kill_process(record)
                raise
            finally:
                channel.close()
        if proxy:  # not while the container is locked
            proxy.forward(record.pid)

    def start_process(self, state: StateDirectory, record: Record, channel: "Channel") -> None:
        """Sends the start, waits for the program's exec, runs the poststart hooks."""
        from pyrunc.helper import START

        channel.send(START)
        state.unlink(START_SOCKET)
        channel.ended(lambda listener: self.hand_over(listener, record, "created", record.pid))
        self.run_later_hooks(state, record, "poststart", "running")

    def hand_over(self, listener: int, record: Record, status: str, pid: int) -> None:
        """Gives the seccomp agent the notify descriptor of a process's filter (SCMP_ACT_NOTIFY), and closes it."""
        from pyrunc.security.agent import hand_over

        hand_over(listener, self.config()["linux"]["seccomp"], record, status, pid)

    def run_later_hooks(
        self, state: StateDirectory, record: Record, kind: str, status: str, keep_going: bool = False
    ) -> "list[PyruncError]":
        """Runs the poststart or poststop hooks that the container was created with, if there are any."""
        if not state.exists(HOOKS_FILE):
            return []
        from pyrunc.fastjson import loads
        from pyrunc.hooks import run_runtime_hooks

        hooks: Any = loads(state.read(HOOKS_FILE).decode("utf-8", "surrogateescape"))
        told = spec_state(record, status, record.pid if status == "running" else 0)
        return run_runtime_hooks(hooks.get(kind, []), told, kind, keep_going=keep_going)

    def kill(self, signal: int, all: bool = False) -> None:
        """Sends a signal to the container's process, with all to every process of the container.

        A container that shares its pid namespace is killed (9) as a whole; one that is paused is thawed for it.
        """
        with StateDirectory.open(self.root, self.id, lock=False) as state:
            record = state.load()
            pidfd = open_process(record.pid, record.start_time)
            try:
                if all or (signal == SIGKILL and not record.own_pidns):
                    kill_all(record, signal)
                    if pidfd is None and not all:
                        raise InvalidTransition("container not running")
                elif pidfd is None:
                    raise InvalidTransition("container not running")
                else:
                    try:
                        pidfd_send_signal(pidfd, signal)
                    except ProcessLookupError:
                        raise InvalidTransition("container not running") from None
                    except OSError as error:
                        raise from_os_error(error, operation=f"send signal {signal}") from error
                if signal == SIGKILL:
                    cgroups.thaw_killed(record.cgroups)
            finally:
                close_fd(-1 if pidfd is None else pidfd)

    def delete(self, force: bool = False) -> None:
        """Removes a container that has stopped or was never started; with force any, and what a crash left."""
        with StateDirectory.open(self.root, self.id) as state:
            try:
                record = state.load()
            except (ContainerNotFound, UnusableState) as error:
                if not force:
                    raise
                state.remove()
                if isinstance(error, UnusableState):
                    log.warn(f"{self.id}: {error}: its process and cgroups, if there are any, are not known and remain")
                return
            status = status_of(state, record)
            if not force and status not in ("stopped", "created"):
                raise InvalidTransition(f"cannot delete container {self.id} that is not stopped: {status}")
            self.destroy(state, record)

    def delete_ended(self, own: Record) -> None:
        """Removes the ended container of that record, unless a checkpoint has: the id may be another's by now."""
        try:
            with StateDirectory.open(self.root, self.id) as state:
                record = state.load()
                if (record.pid, record.start_time) == (own.pid, own.start_time):
                    self.destroy(state, record)
        except ContainerNotFound:
            return

    def destroy(self, state: StateDirectory, record: Record) -> None:
        """Ends what lives, removes the cgroup, runs the poststop hooks, forgets the container."""
        if not record.cgroups and not record.own_pidns:
            kill_all(record, SIGKILL)
        kill_process(record)
        if record.phase == CREATING and not record.pid:
            # Cut short before there was a process: what lives in these cgroups, if they exist, is not ours.
            cgroups.remove_empty(record.cgroups)
        elif record.cgroups:
            cgroups.remove(record.cgroups, timeout=KILL_PATIENCE)
            if record.systemd_cgroup:
                from pyrunc.cgroups import systemd_unit

                systemd_unit.remove_of(record)
        remove_group(state)
        for failure in self.run_later_hooks(state, record, "poststop", "stopped", keep_going=True):
            log.warn(str(failure))
        state.remove()

    def state(self) -> "dict[str, object]":
        """The container's state: runtime.md's fields and runc's own (owner, created, rootfs)."""
        with StateDirectory.open(self.root, self.id, lock=False) as state:
            record = state.load()
            status = status_of(state, record)
            return state_dict(record, status, 0 if status == "stopped" else record.pid)

    def status(self) -> str:
        """ "creating", "created", "running", "paused" or "stopped"."""
        with StateDirectory.open(self.root, self.id, lock=False) as state:
            return status_of(state, state.load())

    def config(self) -> "dict[str, Any]":
        """The configuration that the container was created with."""
        from pyrunc.spec.load import parse

        with StateDirectory.open(self.root, self.id, lock=False) as state:
            return parse(state.read(CONFIG_FILE), CONFIG_FILE)

    def wait(self) -> int:
        """Waits for the container's process, which must be a child of the caller, and returns its exit status."""
        from pyrunc.foreground import exit_status

        with StateDirectory.open(self.root, self.id, lock=False) as state:
            record = state.load()
        return exit_status(record.pid)

    def exec(
        self,
        process: "dict[str, Any]",
        *,
        detach: bool = False,
        pid_file: "str | None" = None,
        console_socket: "str | None" = None,
        pidfd_socket: "str | None" = None,
        preserve_fds: int = 0,
        ignore_paused: bool = False,
        cgroup: "list[str] | tuple[str, ...]" = (),
        reap_orphans: bool = False,
    ) -> int:
        """Runs another process in the container (a checked `process` object of config.json).

        Returns its exit status, 0 with detach.  cgroup: where to put it, as runc's --cgroup.
        """
        from pyrunc.execution import run_exec

        options = (console_socket, pidfd_socket, preserve_fds, list(cgroup))
        return run_exec(self, process, options, detach, pid_file, ignore_paused, reap_orphans)

    def checkpoint(self, **options: "Any") -> None:
        """Writes the processes to files (CRIU) and deletes the container: checkpoint.options.CheckpointOptions."""
        from pyrunc.checkpoint.dump import checkpoint

        checkpoint(self, options)

    @classmethod
    def restore(cls, root: str, id: str, bundle: str, **options: "Any") -> int:
        """Makes a container from the files of a checkpoint: see pyrunc.checkpoint.restore.restore."""
        from pyrunc.checkpoint.restore import restore

        return restore(cls(root, id), pathnames.abspath(bundle), **options)

    def pause(self) -> None:
        """Stops all processes of a running or created container; returns when they stand."""
        from pyrunc.processes import pause

        pause(self)

    def resume(self) -> None:
        """Lets the processes of a paused container go on."""
        from pyrunc.processes import resume

        resume(self)

    def update(self, resources: "dict[str, Any]", intel_rdt: "dict[str, Any] | None" = None) -> None:
        """Changes the limits that a `resources` object (config-linux.md) names; 0 mostly means "as it is".

        Devices in it are ignored.  intel_rdt: other values for l3CacheSchema and memBwSchema of linux.intelRdt.  Of
        several limits all are changed or none.
        """
        from pyrunc.resources import update

        update(self, resources, intel_rdt or {})

    def add_mounts(self, mounts: "list[dict[str, Any]]") -> None:
        """Adds mounts (entries as of config.json's `mounts`) to a container that has not stopped: all or none."""
        from pyrunc.live_mounts import add

        add(self, mounts)

    def remove_mounts(self, mounts: "list[dict[str, Any]]") -> None:
        """Removes the mounts on these destinations, the last first, with what is mounted in them: all or none."""
        from pyrunc.live_mounts import remove

        remove(self, mounts)

    def stats(self) -> "dict[str, Any]":
        """What the container uses now, in the shape of runc's `events --stats`."""
        from pyrunc.events import stats

        return stats(self)

    def events(self, interval: float = 5.0) -> "Iterator[dict[str, Any]]":
        """Yields {"type": "stats", ...} every interval seconds and {"type": "oom", ...} until the container ends."""
        from pyrunc.events import events

        return events(self, interval)

    def processes(self) -> "list[int]":
        """The pids of the container's processes, as the caller's pid namespace numbers them."""
        from pyrunc.processes import pids

        return pids(self)


def list_containers(root: str) -> "list[dict[str, object]]":
    """The states of all containers of a root, by id.  Those that vanish or cannot be read meanwhile are left out."""
    from pyrunc.listing import list_containers as listed

    return listed(root)


def close_fd(fd: int) -> None:
    """Closes a descriptor that there may be."""
    if fd >= 0:
        posix.close(fd)
