"""Creating a container: the plan performed in its stages, and undone as a whole when any of them fails."""

import _signal
import posix

from pyrunc import builder, cgroups, helper, log, syscalls
from pyrunc.build_thread import BuildThread
from pyrunc.cgroups.layout import UNIFIED
from pyrunc.creation_options import Options
from pyrunc.errors import PyruncError, from_os_error
from pyrunc.facts import read_facts
from pyrunc.fastjson import dumps
from pyrunc.launch import Helper, spawn_flags, user_namespace
from pyrunc.liveness import remove_group
from pyrunc.namespaces import CLONE_NEWNS, CLONE_NEWUSER, open_namespaces, without_own_user
from pyrunc.operations.base import perform_all
from pyrunc.operations.build import Build
from pyrunc.plan import Plan
from pyrunc.process_start import (
    add_groups,
    add_security,
    check_preserved,
    check_seccomp_agent,
    close_all,
    inner_pid,
    own_moves,
    preparations,
    raise_limits,
    send_pidfd,
    set_oom_score,
    spawn_in,
    wait_ready,
    write_pid_file,
)
from pyrunc.record import CREATED, Record, new_keyring, pid_start_time, spec_state, timestamp
from pyrunc.security.capabilities import MAKING, kept
from pyrunc.security.lsm import check_mount_label
from pyrunc.setup import Setup
from pyrunc.spec.check import check_config
from pyrunc.spec.load import load_bundle
from pyrunc.state import START_SOCKET, StateDirectory

ROOT_KINDS = {"pivot": helper.FD_PIVOT, "move": helper.FD_MOVE, "chroot": helper.FD_CHROOT}


class Creation:
    """One container on its way from nothing to "created".

    After perform() the caller owns `state` (open and locked) and `process`; `master` is the terminal's other end
    when nobody else took it, else -1.  SIGHUP, SIGINT and SIGTERM are blocked then, until release_signals().
    """

    __slots__ = (
        "builder",
        "config_bytes",
        "facts",
        "hooks_ran",
        "mask",
        "master",
        "options",
        "plan",
        "process",
        "record",
        "root",
        "state",
    )

    def __init__(self, root: str, id: str, bundle: str, options: Options) -> None:
        """Loads, checks and plans.  Raises PyruncError; nothing has been touched then."""
        self.root = root
        self.options = options
        check_preserved(options.preserve_fds, options.listen_fds)
        config, self.config_bytes = load_bundle(bundle, options.config)
        check_config(config)
        config = without_own_user(config)
        if options.listen_fds or options.notify_socket:
            from pyrunc.service import amend

            config = amend(config, options.listen_fds, f"{root}/{id}" if options.notify_socket else "")
        if options.systemd_cgroup:  # what must not reach systemd is refused before that is asked anything
            from pyrunc.cgroups.systemd_annotations import annotated

            annotated(config.get("annotations") or {})
        self.facts = read_facts(options.rootless, options.systemd_cgroup, options.no_cgroups)
        if self.facts.calls_in_doubt:
            from pyrunc.kernel_calls import check_calls

            check_calls(mounting=True)
        self.plan = Plan(config, id, bundle, self.facts, options.no_pivot)
        check_seccomp_agent(config, bundle)
        check_mount_label(config)
        self.record = Record(
            id=id,
            ociVersion=config["ociVersion"],
            bundle=bundle,
            rootfs=self.plan.rootfs,
            created=timestamp(),
            owner=posix.geteuid(),
            annotations=config.get("annotations") or {},
            cgroups=self.plan.cgroup.paths,
            namespaces={
                entry["type"]: entry.get("path") or "" for entry in (config.get("linux") or {}).get("namespaces") or ()
            },
            keyring="" if options.no_new_keyring else new_keyring(id),
            process="process" in config,
            own_pidns=self.plan.own_pidns,
            rootless=not self.facts.privileged,
            systemd_cgroup=self.plan.cgroup.scope.kind if self.plan.cgroup.scope else "",
        )
        self.state: "StateDirectory | None" = None
        self.process: "Helper | None" = None
        self.builder: builder.Builder | BuildThread | None = None
        self.master = -1
        self.mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        self.hooks_ran = False

    def perform(self, wait_for_start: bool) -> "tuple[StateDirectory, Helper]":
        """Everything up to "created".  Raises PyruncError; nothing is left then.

        wait_for_start: the process waits for another command's `start` on a socket; otherwise the caller keeps
        the channel and starts it (`run`).
        """
        opened = open_namespaces(self.plan.namespaces)
        try:
            try:
                with syscalls.Uninterrupted():
                    self.state = StateDirectory.create(self.root, self.plan.id, self.record.dump())
                self.make_process(opened)
                made = self.finish(wait_for_start)
            except BaseException as error:
                if self.state is None:
                    raise
                cause = None
                with syscalls.Uninterrupted():
                    if isinstance(error, PyruncError):
                        from pyrunc.cgroups.out_of_memory import explanation

                        cause = explanation(self.plan.cgroup.made)
                    self.undo()
                if cause:
                    raise cause from error
                raise
            # Not before: beside an error they would only be in its way.
            for warning in self.plan.warnings:
                log.warn(warning)
            return made
        except OSError as error:
            raise from_os_error(error) from error
        finally:
            for _, fd in opened:
                posix.close(fd)

    def make_process(self, opened: "list[tuple[int, int]]") -> None:
        """The cgroup, and pyrunc-init in it and in its namespaces; then its file system, while limits are set."""
        plan = self.plan
        assert self.state is not None
        self.state.write_config(self.config_bytes, plan.hooks)
        if self.options.notify_socket:
            from pyrunc.service import make_directory

            make_directory(self.state)
        if not plan.cgroup.scope:
            self.make_cgroups()
        if plan.group:
            plan.group.make(self.state)
        process, born = spawn_in(spawn_flags(plan.namespaces), plan.cgroup.cgroup_fd_path)
        self.process = process
        if plan.cgroup.scope:
            # Before the process enters anything, and before the record names it: then a unit that is there is ours.
            from pyrunc.cgroups import systemd_unit

            systemd_unit.start(plan.cgroup.scope, plan.cgroup.paths, self.facts.cgroup, process.pid)
            self.make_cgroups()
            born = self.facts.cgroup.version == 2
        keep = kept(plan.capabilities, MAKING)
        if plan.namespaces.staged:
            orders = (keep,) if self.facts.privileged else (keep, helper.record(helper.TAG_DUMPABLE))
            try:
                process.enter(plan.namespaces, opened, orders)
            except PyruncError as error:
                if plan.namespaces.new & CLONE_NEWUSER:
                    from pyrunc.rootless import explain

                    explain(error)
                raise
        self.record.pid = process.pid
        self.record.start_time = pid_start_time(process.pid) or 0
        if not self.record.cgroups and not self.record.own_pidns:
            from pyrunc.namespace_members import note_own

            note_own(self.state, self.record)
        self.state.note_process(self.record.pid, self.record.start_time)
        if plan.group:
            plan.group.attach(process.pid)
        unified = plan.cgroup.paths.get(UNIFIED)
        if unified and not born:
            cgroups.attach({UNIFIED: unified}, process.pid)
        if plan.process.oom_score_adj is not None:
            set_oom_score(process.pid, plan.process.oom_score_adj, "process.oomScoreAdj")
        moves, files = own_moves(plan.cgroup.paths)
        try:
            process.channel.send(helper.PREPARE, [keep, *moves, *preparations(plan.namespaces.new)], files)
        finally:
            close_all(files)
        if plan.filesystem:
            self.start_builder(process)
        else:
            process.channel.receive(helper.PREPARED)
        perform_all(plan.cgroup.limits, NO_BUILD)
        raise_limits(process.pid, plan.process)

    def make_cgroups(self) -> None:
        """The directories, or with systemd's driver what it leaves to us."""
        assert self.state is not None
        perform_all(self.plan.cgroup.create, NO_BUILD)
        if self.record.cgroups != self.plan.cgroup.paths:
            # A user without the right to some of them does without.
            self.record.cgroups = dict(self.plan.cgroup.paths)
            self.state.save(self.record)
            if not self.record.cgroups and not self.plan.own_pidns:
                self.plan.warnings.append(
                    "a container with neither a cgroup nor a pid namespace of its own: what its process leaves behind"
                    " when it ends cannot be found and killed"
                )

    def start_builder(self, process: Helper) -> None:
        """Starts the builder, which makes the file system: a thread where that can do it all, else a fork."""
        plan = self.plan
        build = Build(
            plan.rootfs,
            plan.bundle,
            in_userns=plan.in_userns,
            make_proc=lambda options: builder.make_proc(process, options),
            make_userns=user_namespace,
        )
        # The "/" of a mount namespace that is joined may be whose processes live there: no thread of ours goes in.
        alone = plan.namespaces.new & CLONE_NEWNS and not plan.inside & CLONE_NEWUSER
        if alone and "createContainer" not in plan.hooks:
            waits = plan.hooks_before_pivot
            self.builder = BuildThread(plan.filesystem, build, process, plan.inside, waits)
            return
        if plan.inside & CLONE_NEWUSER:
            build.userns_fd = posix.open(f"/proc/{process.pid}/ns/user", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            before_pivot = self.plan_builder_hooks() if plan.hooks_before_pivot else None
            self.builder = builder.start(plan.filesystem, build, process, plan.inside, before_pivot)
        finally:
            if build.userns_fd >= 0:
                posix.close(build.userns_fd)

    def plan_builder_hooks(self) -> builder.Hooks:
        """The createContainer hooks and what they read."""
        entries = self.plan.hooks.get("createContainer", [])
        return builder.Hooks(entries, self.inner_state("creating") if entries else {}, self.plan.rootfs)

    def finish(self, wait_for_start: bool) -> "tuple[StateDirectory, Helper]":
        """From the finished file system to the process that waits for its start."""
        plan, process, state = self.plan, self.process, self.state
        assert process is not None
        assert state is not None
        setup = self.plan_setup()
        root = self.builder.wait_mounted() if self.builder else posix.open(plan.rootfs, posix.O_PATH | posix.O_CLOEXEC)
        listener = -1
        try:
            if plan.net_devices:
                from pyrunc.network import move_all

                move_all(plan.net_devices, process.pid)
            if plan.hooks_before_pivot:
                self.run_hooks(process)
            if self.builder:
                self.builder.finish()
            setup.add_fd(ROOT_KINDS[plan.root_kind], root)
            if wait_for_start:
                listener = syscalls.unix_listen(state.fd, START_SOCKET)
                setup.add_fd(helper.FD_LISTENER, listener)
            setup.send(process.channel)
        finally:
            posix.close(root)
            if listener >= 0:
                posix.close(listener)
        self.master = wait_ready(process, self.options.console_socket)
        if self.options.pidfd_socket:
            send_pidfd(self.options.pidfd_socket, process, "standard")
        # From here on the container is there: a signal that is to end us comes too late to undo it.
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, syscalls.INTERRUPTING)
        try:
            self.record.phase = CREATED
            state.note_created()
            if self.options.pid_file:
                write_pid_file(self.options.pid_file, process.pid)
        except BaseException:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
            raise
        return state, process

    def release_signals(self) -> None:
        """Sets the signal mask that there was before this creation."""
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self.mask)

    def run_hooks(self, process: Helper) -> None:
        """The hooks that run while the file system stands and is not the root yet, in the order of runtime.md."""
        from pyrunc.hooks import run_runtime_hooks

        self.hooks_ran = True
        for kind in ("prestart", "createRuntime"):
            if kind in self.plan.hooks:
                run_runtime_hooks(self.plan.hooks[kind], spec_state(self.record, "creating", process.pid), kind)
        if self.builder:
            self.builder.go_on()

    def plan_setup(self) -> Setup:
        """MESSAGE_SETUP but for the descriptors that are not known yet."""
        plan, config = self.plan, self.plan.config
        assert self.process is not None
        setup = Setup()
        setup.add_process(plan.process)
        add_groups(setup, self.process.pid, plan.process, plan.in_userns)
        setup.add_capabilities(plan.capabilities)
        setup.add_every_cpu()
        for tag, name in ((helper.TAG_HOSTNAME, "hostname"), (helper.TAG_DOMAINNAME, "domainname")):
            if config.get(name):
                setup.add_string(tag, config[name])
        if plan.propagation is not None:
            setup.add_number(helper.TAG_ROOT_PROPAGATION, plan.propagation)
        for name, value in plan.sysctls:
            setup.add_sysctl(name, value)
        if self.record.keyring:
            setup.add_keyring(self.record.keyring, plan.process.selinux_label)
        add_security(setup, plan.process, config, self.root)
        if plan.process.terminal:
            setup.add_terminal(plan.process.console_size, bind=True)
        if "startContainer" in plan.hooks:
            inner = dumps(self.inner_state("created"))
            setup.add_hooks(plan.hooks["startContainer"], inner, plan.process.env)
        for number in range(self.options.listen_fds + self.options.preserve_fds):
            setup.add_fd(helper.FD_PRESERVE, 3 + number)
        return setup

    def inner_state(self, status: str) -> "dict[str, object]":
        """The state for hooks inside the container's namespaces, with the pid as it is seen there."""
        assert self.process is not None
        return spec_state(self.record, status, inner_pid(self.process.pid))

    def undo(self) -> None:
        """Ends and removes all that was made.  What cannot be removed is left to `delete --force`, and logged."""
        state = self.state
        assert state is not None
        steps = [
            self.builder.kill if self.builder else None,
            self.process.kill if self.process else None,
            self.close_master,
            # Only what was made here: a cgroup that was found with processes in it is somebody else's.
            lambda: cgroups.remove(self.plan.cgroup.made, timeout=10.0),
            self.remove_scope,
            lambda: remove_group(state),
        ]
        clean = True
        for step in steps:
            try:
                if step:
                    step()
            except (OSError, PyruncError) as error:
                clean = False
                log.warn(f"{self.plan.id}: not all could be cleaned up: {error}")
        try:
            if self.hooks_ran and "poststop" in self.plan.hooks:
                # What earlier hooks have set up is for these to take down (runtime.md, "Lifecycle", steps 12 and 13).
                from pyrunc.hooks import run_runtime_hooks

                stopped = spec_state(self.record, "stopped", 0)
                for failure in run_runtime_hooks(self.plan.hooks["poststop"], stopped, "poststop", keep_going=True):
                    log.warn(str(failure))
        finally:  # also when a signal has ended a hook that would not end
            try:
                if clean:
                    state.remove()
            except PyruncError as error:
                log.warn(f"{self.plan.id}: not all could be cleaned up: {error}")
            finally:
                state.close()  # what is left, and the record of it, is for `delete --force`

    def remove_scope(self) -> None:
        """Has systemd forget the unit, if it made one."""
        scope = self.plan.cgroup.scope
        if scope and scope.started:
            from pyrunc.cgroups import systemd_unit

            systemd_unit.remove(scope.name, scope.kind)

    def close_master(self) -> None:
        """Closes the terminal's other end if nobody took it."""
        if self.master >= 0:
            posix.close(self.master)
            self.master = -1


# The cgroup's operations share nothing while they are performed.
NO_BUILD = Build("", "", make_proc=lambda _: -1, make_userns=lambda _uids, _gids: -1)
