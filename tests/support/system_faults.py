"""Faults of the system around the runtime: a command that meets one, what it must say, and what it may leave.

The rule for each: the command ends within a bound; where it fails, its status is not zero and its error names the
command, the container and the reason, without a traceback; and after `delete --force` nothing is left, and the same
id works again.
"""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import leaks, processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.runtime import Pyrunc, Result

FULL = os.environ.get("PYRUNC_FAULTS") == "full"
"""Whether all is tried (`make faults`), and not only what is quick."""

BOUND = 20.0
"""How long a command may take, however it ends: seconds.  The machine may be busy; without a fault it is 0.1 s."""

SLEEP = ("/bin/sleep", "1000")

Before = Callable[[], object]


def bundle_of(kind: str, verb: str, bundle: BundleFactory) -> Bundle:
    """A bundle for the command: the default one, or one whose creation takes as many steps as there are."""
    made = bundle(SLEEP if verb != "run" else ("/bin/true",))
    if kind == "rich":
        kinds = ("createRuntime", "createContainer", "startContainer", "poststart", "poststop")
        made.config["hooks"] = {kind: [{"path": "/bin/true"}] for kind in kinds}
        linux = made.config["linux"]
        linux["namespaces"] += [{"type": "user"}, {"type": "cgroup"}, {"type": "time"}]
        linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        rule = {"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    return made.save()


def soft_limit(kind: int, value: int) -> Before:
    """For preexec_fn: lowers a limit for the command and what it starts, which may raise it again."""

    def lower() -> None:
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))

    return lower


def address_space(size: int) -> Before:
    """For preexec_fn: RLIMIT_AS, and RLIMIT_CPU of a few seconds.

    Python itself may loop for ever when it has no memory for an integer while it unwinds an exception (ceval.c,
    exception_unwind: seen with 3.11 about once in 500 commands).
    """

    def lower() -> None:
        soft_limit(resource.RLIMIT_AS, size)()
        resource.setrlimit(resource.RLIMIT_CPU, (2, 3))

    return lower


def in_cgroup(directory: "str | Path") -> Before:
    """For preexec_fn: starts the command in a cgroup."""

    def enter() -> None:
        with open(f"{directory}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))

    return enter


def faults_in_words(result: Result, verb: str, container_id: str) -> list[str]:
    """What is wrong with how the command failed, or with what it says though it succeeded."""
    first = result.stderr.split("\n", 1)[0]
    wrong = [f"says {word!r}" for word in ("Traceback", "internal error", "a bug in pyrunc") if word in result.stderr]
    if result.returncode and not first.startswith(f"pyrunc {verb} failed: {container_id}: "):
        wrong.append("does not say what failed")
    return [f"{result.returncode}: {what}: {result.stderr}" for what in wrong]


def traces(container_id: str, bystanders: "Container[int]" = ()) -> list[str]:
    """What there is of a container beside its state: cgroups, mounts, and processes that are ours by now."""
    leaks.settle()
    processes.reap_adopted(set())
    return sorted(
        [path for path in leaks.cgroups() if container_id in path]
        + [mount for mount in leaks.mounts() if container_id in mount]
        + [
            processes.name_of(pid)
            for pid in processes.descendants(os.getpid())
            if processes.alive(pid) and pid not in bystanders
        ]
    )


def end_of(process: "subprocess.Popen[bytes]", bound: float = BOUND) -> int:
    """Waits for a command, as long as it may take; its status.  Zombies that it waits for are reaped meanwhile."""

    def ended() -> bool:
        processes.reap_inner()
        return process.poll() is not None

    try:
        processes.wait_until(ended, f"the end of {processes.name_of(process.pid)}", bound)
    finally:
        if process.poll() is None:
            processes.end([*processes.descendants(process.pid), process.pid])
            process.wait()
    return process.returncode


class Trial:
    """One container that meets one fault after another, always under the same id.

    wrong: what was not as it should be, in words;  count: commands that met a fault;  failed: those that said so
    """

    def __init__(self, pyrunc: Pyrunc, made: Bundle) -> None:
        self.pyrunc = pyrunc
        self.made = made
        self.id = pyrunc.new_id()
        self.bystanders = {pid for pid in processes.descendants(os.getpid()) if processes.alive(pid)}
        self.wrong: list[str] = []
        self.count = 0
        self.failed = 0

    def prepare(self, verb: str) -> list[str]:
        """Brings the container to where the command can be called; the command's line."""
        if verb in ("create", "run"):
            return [verb, "--bundle", str(self.made), self.id]
        self.pyrunc.ok("create", "--bundle", self.made, self.id)
        if verb not in ("start", "state", "delete"):
            self.pyrunc.ok("start", self.id)
        more = {"exec": ["/bin/true"], "kill": ["KILL"], "update": ["--pids-limit", "70"]}
        options = {"delete": ["--force"]}
        return [verb, *options.get(verb, []), self.id, *more.get(verb, [])]

    def meet(
        self,
        fault: str,
        *args: "str | Path",
        bound: float = BOUND,
        killed_is_fine: bool = False,
        unnamed_is_fine: bool = False,
        **options: Any,
    ) -> Result:
        """Calls the command as it meets the fault, and looks at what it says; who was killed can say nothing."""
        begin = time.monotonic()
        result = self.pyrunc(*args, timeout=bound, **options)
        self.count += 1
        self.failed += result.returncode != 0
        verb = next(word for word in map(str, args) if not word.startswith("-"))
        if killed_is_fine and result.returncode in (-signal.SIGKILL, -signal.SIGXCPU):
            return result
        wrong = faults_in_words(result, verb, self.id)
        if unnamed_is_fine:
            wrong = [what for what in wrong if "does not say" not in what]
        self.wrong += [f"{fault}: {what}" for what in wrong]
        if time.monotonic() - begin > bound:
            self.wrong.append(f"{fault}: took {time.monotonic() - begin:.1f} s")
        return result

    def clean(self, fault: str) -> None:
        """`delete --force`, after which there must be nothing."""
        result = self.pyrunc("delete", "--force", self.id, timeout=BOUND)
        if result.returncode or "Traceback" in result.stderr:
            self.wrong.append(f"{fault}: delete: {result}")
        left = traces(self.id, self.bystanders)
        left += [name for name in leaks.listing(str(self.pyrunc.root)) if not name.startswith(".")]
        self.wrong += [f"{fault}: left {what}" for what in left]

    def end_when_it_works(self, results: "Iterable[Result]") -> None:
        """Lets the command meet one fault after another, each less than the one before, until two in a row succeed;
        some must have failed before that.  Then as end()."""
        works = 0
        for result in results:
            works = 0 if result.returncode else works + 1
            if works == 2:
                break
        assert works == 2
        assert self.failed
        self.end()

    def end(self) -> None:
        """The id works again; and there was nothing wrong."""
        self.pyrunc.ok("create", "--bundle", self.made, self.id)
        self.clean("no fault")
        assert not self.wrong, f"{len(self.wrong)} of {self.count} commands:\n" + "\n".join(self.wrong)


@contextmanager
def runtime_cgroup(controller: str, name: str) -> Iterator[Path]:
    """A cgroup for commands, of cgroup v1 or v2; skips the test where there is no such controller."""
    v2 = Path("/sys/fs/cgroup")
    parent = v2 if (v2 / "cgroup.controllers").exists() else v2 / controller
    directory = parent / f"{leaks.prefix()}{name}"
    if not parent.is_dir():
        pytest.skip(f"no {controller} hierarchy")
    directory.mkdir()
    try:
        if not any(file.name.startswith(f"{controller}.") for file in directory.iterdir()):
            pytest.skip(f"the {controller} controller is not there")
        yield directory
    finally:
        directory.rmdir()


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    """A small tmpfs on a folder that it makes."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=711,{options}", "pyrunc-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def remount(folder: Path, options: str) -> None:
    """Other options for a tmpfs."""
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def bound_over(command: str, *paths: "str | Path") -> list[str]:
    """A command line to be put before another, which then runs in a mount namespace where `command` was done."""
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        f'{command}; exec "$@"',
        "sh",
        *map(str, paths),
    ]
