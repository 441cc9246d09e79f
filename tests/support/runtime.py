"""The `pyrunc` command as the tests call it: own state root, clean environment, a limit for every wait."""

import itertools
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support import leaks, processes

# What every runtime of 1.x takes as ociVersion.
OLD_VERSION = "1.0.2"
# What the runtimes keep in the directory of a container.
STATE_FILES = ("state.json", "status", "config.json")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Hung(AssertionError):
    """A command was not done in time."""


class Result:
    """How a command ended.  Its output is read from files at each look: a container writes there after the command."""

    def __init__(self, command: Sequence[str], returncode: int, out: Path, err: Path) -> None:
        self.command = command
        self.returncode = returncode
        self.out = out
        self.err = err

    @property
    def stdout(self) -> str:
        """What the command, and a container that it made, have written so far."""
        return self.out.read_text(errors="surrogateescape")

    @property
    def stderr(self) -> str:
        """The same for errors."""
        return self.err.read_text(errors="surrogateescape")

    def json(self) -> Any:
        """The output as JSON (of `state`, `list`, the probe)."""
        return json.loads(self.stdout)

    def __repr__(self) -> str:
        return f"<{' '.join(self.command)}: status {self.returncode}, stdout {self.stdout!r}, stderr {self.stderr!r}>"


class Pyrunc:
    """`pyrunc(...)` in a test: runs the command with a state root of its own and waits for it.

    root: the state root;  folder: where output goes
    """

    def __init__(self, command: Path, root: Path, folder: Path) -> None:
        self.command = command
        self.root = root
        self.folder = folder
        self.numbers = itertools.count(1)
        folder.mkdir(parents=True, exist_ok=True)

    def argv(self, *args: "str | os.PathLike[str]") -> list[str]:
        """The whole command line."""
        return [str(self.command), "--root", str(self.root), *(str(argument) for argument in args)]

    def new_id(self) -> str:
        """A container id that no other test has."""
        return f"{leaks.prefix()}{self.root.name.rsplit('-', 1)[-1]}-{next(self.numbers)}"

    def popen(
        self,
        *args: "str | os.PathLike[str]",
        env: "Mapping[str, str] | None" = None,
        **options: Any,
    ) -> "subprocess.Popen[bytes]":
        """Starts the command and comes back at once; `options` are those of subprocess.Popen."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.argv(*args), env=ENVIRONMENT if env is None else env, **options)

    def __call__(
        self,
        *args: "str | os.PathLike[str]",
        input: "str | None" = None,
        timeout: float = 45.0,
        env: "Mapping[str, str] | None" = None,
        **options: Any,
    ) -> Result:
        """Runs the command to its end, whatever its status; fails the test after `timeout` seconds.

        A container keeps its maker's output open, so output goes to files, which nobody waits for.
        """
        number = next(self.numbers)
        out, err, feed = (self.folder / f"{number}.{end}" for end in ("out", "err", "in"))
        feed.write_text(input or "")
        with open(out, "ab") as stdout, open(err, "ab") as stderr, open(feed, "rb") as stdin:
            process = self.popen(*args, env=env, stdin=stdin, stdout=stdout, stderr=stderr, **options)
            try:
                self._wait(process, timeout)
            except subprocess.TimeoutExpired:
                below = [process.pid, *processes.descendants(process.pid)]
                names = ", ".join(map(processes.name_of, below))
                processes.end(below)
                process.wait()
                raise Hung(
                    f"{' '.join(self.argv(*args))}: not done after {timeout:g} s: {names}: {err.read_text()}"
                ) from None
        return Result(self.argv(*args), process.returncode, out, err)

    @staticmethod
    def _wait(process: "subprocess.Popen[bytes]", timeout: float) -> None:
        """Waits for the command.  What was an exec's process in a pid namespace, and is ours since that exec ended,
        is reaped meanwhile: the namespace's first process cannot go before (the host's process 1 does it, too)."""
        until = time.monotonic() + timeout
        pause = 0.01
        while True:
            try:
                process.wait(min(pause, until - time.monotonic()))
                return
            except subprocess.TimeoutExpired:
                if time.monotonic() >= until:
                    raise
            pause = min(pause * 2, 0.1)
            processes.reap_inner()

    def ok(self, *args: "str | os.PathLike[str]", **options: Any) -> Result:
        """The same for a command that must succeed."""
        result = self(*args, **options)
        assert result.returncode == 0, result
        return result

    def state(self, container_id: str) -> dict[str, Any]:
        """What `pyrunc state` says."""
        state = self.ok("state", container_id).json()
        assert isinstance(state, dict)
        return state

    def create(self, bundle: "os.PathLike[str]", *options: str, **keywords: Any) -> tuple[str, Result]:
        """Creates a container with a new id; the id and the result, whose stdout is the container's."""
        container_id = self.new_id()
        return container_id, self.ok("create", "--bundle", bundle, *options, container_id, **keywords)

    def run(self, bundle: "os.PathLike[str]", *options: str, **keywords: Any) -> Result:
        """Runs a container with a new id in the foreground, whatever its status."""
        return self("run", "--bundle", bundle, *options, self.new_id(), **keywords)

    def wait_status(self, container_id: str, status: str, timeout: float = processes.PATIENCE) -> None:
        """Waits until `state` reports the status."""
        processes.wait_until(
            lambda: self.state(container_id)["status"] == status, f"status {status} of {container_id}", timeout
        )

    def containers(self) -> list[str]:
        """The ids below the state root."""
        return sorted(name for name in leaks.listing(str(self.root)) if (self.root / name / "config.json").exists())

    def delete_all(self) -> list[str]:
        """Deletes by force what a test left; the failures, in words."""
        failures = []
        for name in self.containers():
            result = self("delete", "--force", name)
            if result.returncode:
                failures.append(repr(result))
        return failures


class AnyRuntime(Pyrunc):
    """The same for any runtime with runc's command line.

    command: the runtime and its own global options ("crun", "--cgroup-manager=disabled")
    before:  the beginning of a command line that runs it
    """

    before: "tuple[str, ...]" = ()

    def __init__(self, command: Sequence[str], root: Path, folder: Path) -> None:
        super().__init__(Path(command[0]), root, folder)
        self.arguments = list(command[1:])

    def argv(self, *args: "str | os.PathLike[str]") -> list[str]:
        """The whole command line."""
        program, *rest = super().argv(*args)
        return [*self.before, program, *self.arguments, *rest]

    def containers(self) -> list[str]:
        """The ids below the state root."""
        return sorted(
            name
            for name in leaks.listing(str(self.root))
            if any((self.root / name / file).exists() for file in STATE_FILES)
        )
