"""Where a fault can strike a command of pyrunc, and striking there.

Nothing of the product knows of this: a process that called `Points.install` has functions of its pyrunc replaced by
such that count their calls, and fail or kill at the one that was asked for.  The kinds of points:

file system operation, cgroup operation    prepare() and perform() of the plan's operations
helper message                             what pyrunc/helper.py sends, and what it receives
hook                                       hooks that the runtime or the builder runs
network device                             the moves of devices into the container
state directory                            system calls of pyrunc/state.py and pyrunc/state_root.py
system call                                all others that Python code of pyrunc makes
"""

import _thread
import posix
import sys
from _signal import pidfd_send_signal
from collections.abc import Callable
from errno import EIO
from typing import Any

from pyrunc import build_thread, builder, creation, helper, hooks, launch, syscalls
from pyrunc.errors import SystemCallError
from pyrunc.operations.base import Operation, perform_all
from pyrunc.operations.build import Build

FILE_SYSTEM, CGROUP, MESSAGE, HOOK = "file system operation", "cgroup operation", "helper message", "hook"
NETWORK, STATE, CALL = "network device", "state directory", "system call"

ERROR, KILL_RUNTIME, KILL_BUILDER, KILL_HELPER = "error", "kill runtime", "kill builder", "kill helper"

RUNTIME, BUILDER = "runtime", "builder"

POLLIN = 0x1
SIGKILL = 9
REASON = posix.strerror(EIO)
MESSAGES = {helper.JOIN: "JOIN", helper.CONTINUE: "CONTINUE", helper.PREPARE: "PREPARE", helper.SETUP: "SETUP"}
MESSAGES[helper.START] = "START"

# Functions of posix that ask the kernel nothing that could fail, or that must not (a fork that did not happen is no
# fault of a system call made by the code that forks: it is injected there as any other).
NO_CALLS = {"_exit", "fspath", "getpid", "geteuid", "getegid", "umask", "waitstatus_to_exitcode", "major", "minor"}
NO_CALLS |= {"strerror", "get_inheritable", "WIFEXITED", "WEXITSTATUS", "WIFSIGNALED", "WTERMSIG", "makedev"}
# These convert and check, or give back what the kernel says of a call that is not meant to do anything.
NO_SYSTEM_CALLS = {"check", "encode", "probe"}
NEVER_FAIL = {"close", "kill", "waitpid", "flock in pyrunc.state, close", "read in pyrunc.foreground, read"}
"""Calls that are only killed at: on descriptors and pids that are ours they do not fail."""
UNTOUCHED = {"pyrunc.log", "pyrunc.cli", "pyrunc.errors", "pyrunc.syscalls"}
STATE_MODULES = {"pyrunc.state", "pyrunc.state_root"}

Real = Callable[..., Any]


def replace(owner: Any, name: str, function: Real) -> None:
    """Another function in the place of a module's or a class's own."""
    setattr(owner, name, function)


class Fault:
    """Which point is struck, when and how: the `index`th of that kind and name in that role."""

    def __init__(self, role: str, kind: str, name: str, index: int, moment: str, action: str) -> None:
        self.point = (role, kind, name, index)
        self.moment = moment
        self.action = action


class Around(Operation):
    """An operation with a point before and after what it does."""

    __slots__ = ("kind", "of", "points")

    def __init__(self, points: "Points", kind: str, of: Operation) -> None:
        super().__init__(of.place)
        self.points = points
        self.kind = kind
        self.of = of

    def describe(self) -> str:
        return self.of.describe()

    def prepare(self, build: Build) -> None:
        if type(self.of).prepare is not Operation.prepare:
            self.points.around(self.kind, self.describe(), self.place, lambda: self.of.prepare(build))

    def perform(self, build: Build) -> None:
        self.points.around(self.kind, self.describe(), self.place, lambda: self.of.perform(build))


class Points:
    """The points of one command.

    report: descriptor of a file; each point is a line there when no fault is given, and so is a fault that struck
    target: pidfd of the container's process where there is one already (it is the "helper" then), -1 where not
    """

    def __init__(self, report: int, fault: "Fault | None", target: int) -> None:
        self.report = report
        self.fault = fault
        self.helpers = [target] if target >= 0 else []
        self.builder = -1
        self.runtime = posix.getpid()
        self.main = _thread.get_ident()
        self.counts: dict[tuple[str, str, str], int] = {}
        self.real = {name: getattr(posix, name) for name in ("write", "kill", "getpid", "pidfd_open", "close")}
        self.real_poll, self.real_fcntl = syscalls.poll, syscalls.fcntl

    def install(self, network: bool) -> None:
        """Replaces the functions, for the rest of this process's life; those for network devices only if asked."""
        self.wrap_operations()
        self.wrap_hooks()
        if network:
            self.wrap_network()
        self.follow_processes()
        for name in dir(posix):
            function = getattr(posix, name)
            if type(function) is type(posix.open) and name not in NO_CALLS:
                setattr(posix, name, self.counting(function, name, lambda _, *subject: OSError(EIO, REASON, *subject)))
        for name in dir(syscalls):
            function = getattr(syscalls, name)
            own = getattr(function, "__module__", "") == "pyrunc.syscalls" and type(function) is type(syscalls.poll)
            if own and name not in NO_SYSTEM_CALLS:
                setattr(syscalls, name, self.counting(function, name, lambda call, *_: SystemCallError(EIO, call)))

    def wrap_operations(self) -> None:
        """Operations are performed one at a time, each in an `Around`."""
        for module, kind in ((creation, CGROUP), (builder, FILE_SYSTEM), (build_thread, FILE_SYSTEM)):

            def performing(operations: Any, build: Build, step: str = "perform", kind: str = kind) -> None:
                for operation in operations:
                    perform_all([Around(self, kind, operation)], build, step)

            replace(module, "perform_all", performing)

    def wrap_hooks(self) -> None:
        """A hook that fails is one that could not be started."""
        real = hooks.run_hook

        def run_hook(hook: Any, *rest: Any) -> Any:
            try:
                return self.around(HOOK, f"hook {hook['path']}", "hooks.", lambda: real(hook, *rest))
            except OSError as error:
                return hooks.start_failure(hook["path"], error)

        replace(hooks, "run_hook", run_hook)

    def wrap_network(self) -> None:
        """Network devices are moved one at a time."""
        from pyrunc import network  # here: it brings modules that other commands do without

        real = network.NetDevice.move

        def move(device: Any, *rest: Any) -> None:
            self.around(NETWORK, device.describe(), device.place, lambda: real(device, *rest))

        replace(network.NetDevice, "move", move)

    def follow_processes(self) -> None:
        """Keeps a pidfd of the helper and of the builder's fork, which nothing but this uses."""
        points = self
        real_helper, real_become, real_builder = launch.Helper.__init__, launch.Helper.become, builder.Builder.__init__

        def made(process: launch.Helper, pid: int, pidfd: int, channel: helper.Channel) -> None:
            real_helper(process, pid, pidfd, channel)
            points.helpers.append(points.real_fcntl(pidfd, syscalls.F_DUPFD_CLOEXEC))

        def became(process: launch.Helper, child: int) -> None:
            real_become(process, child)
            points.helpers.append(points.real_fcntl(process.pidfd, syscalls.F_DUPFD_CLOEXEC))

        def forked(process: builder.Builder, pid: int, fd: int) -> None:
            real_builder(process, pid, fd)
            points.builder = points.real["pidfd_open"](pid)

        replace(launch.Helper, "__init__", made)
        replace(launch.Helper, "become", became)
        replace(builder.Builder, "__init__", forked)

    def own_descriptors(self) -> set[int]:
        """Those of this object: no leak of the product's."""
        return {self.report, self.builder, *self.helpers}

    def counting(self, real: Real, name: str, error: "Callable[..., OSError]") -> Real:
        """The function with a point around each call from pyrunc's modules."""

        def call(*args: Any, **keywords: Any) -> Any:
            caller = sys._getframe(1)
            module = caller.f_globals.get("__name__", "")
            if not module.startswith("pyrunc.") or module in UNTOUCHED:
                return real(*args, **keywords)
            kind, what = CALL, f"{name} in {module}, {caller.f_code.co_name}"
            if module in STATE_MODULES:
                kind = STATE
            elif module == "pyrunc.helper" and name in ("send", "recv"):
                kind = MESSAGE
                what = f"send {MESSAGES.get(args[1][6], 'the rest')}" if name == "send" else "receive"
            place = "never fails" if name in NEVER_FAIL or what in NEVER_FAIL else ""
            subject = args[:1] if args and isinstance(args[0], str) else ()
            return self.around(kind, what, place, lambda: real(*args, **keywords), lambda: error(name, *subject))

        return call

    def around(
        self, kind: str, name: str, place: str, call: "Callable[[], Any]", error: "Callable[[], OSError] | None" = None
    ) -> Any:
        """One point: strikes before or after the call if it is the fault's."""
        forked = self.real["getpid"]() != self.runtime
        role = BUILDER if forked or _thread.get_ident() != self.main else RUNTIME
        index = self.counts.get((role, kind, name), 0) + 1
        self.counts[role, kind, name] = index
        fault = self.fault
        if fault is None:
            self.tell(role, kind, name, str(index), place, *self.targets(forked))
        elif fault.point == (role, kind, name, index):
            if fault.moment == "before":
                self.strike(fault.action, error)
            result = call()
            if fault.moment == "after":
                self.strike(fault.action, error)
            return result
        return call()

    def targets(self, forked: bool) -> list[str]:
        """Whom one can kill at this moment beside the runtime."""
        found = [KILL_BUILDER] if forked or self.lives(self.builder) else []
        return found + ([KILL_HELPER] if self.newest() >= 0 else [])

    def newest(self) -> int:
        """The pidfd of the helper that was started last, of those that live; -1 when none does."""
        return next((pidfd for pidfd in reversed(self.helpers) if self.lives(pidfd)), -1)

    def lives(self, pidfd: int) -> bool:
        return pidfd >= 0 and not self.real_poll(pidfd, POLLIN, 0)

    def strike(self, action: str, error: "Callable[[], OSError] | None") -> None:
        """The fault itself."""
        self.tell("struck")
        if action == ERROR:
            raise error() if error else OSError(EIO, REASON)
        if action == KILL_RUNTIME:
            self.real["kill"](self.runtime, SIGKILL)
        elif action == KILL_BUILDER and self.real["getpid"]() != self.runtime:
            self.real["kill"](self.real["getpid"](), SIGKILL)
        else:
            pidfd = self.builder if action == KILL_BUILDER else self.newest()
            if pidfd < 0:
                return  # the same command, and yet it has ended before
            pidfd_send_signal(pidfd, SIGKILL)
            self.real_poll(pidfd, POLLIN, 5000)

    def tell(self, *fields: str) -> None:
        self.real["write"](self.report, ("\t".join(fields).replace("\n", " ") + "\n").encode("utf-8", "replace"))
