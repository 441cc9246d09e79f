"""What one line of the table is, and the world in which it happens."""

import os
import shlex
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory, Config
from tests.support.runtime import ENVIRONMENT, Pyrunc, Result

Change = Callable[[Config], None]

CREATE = "create --bundle {bundle} {id}"
RUN = "run --bundle {bundle} {id}"
SLEEP = ["/bin/sleep", "1000"]


class World:
    """The container's id, its bundle and a folder for whatever a case needs.

    values: what stands for {name} in commands and messages
    """

    def __init__(self, pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
        self.pyrunc = pyrunc
        self.folder = folder
        self.bundle: Bundle = bundle(SLEEP)
        self.bundle.config.setdefault("linux", {})["cgroupsPath"] = f"/{pyrunc.new_id()}"
        self.bundle.save()
        self.id = pyrunc.new_id()
        self.environment = dict(ENVIRONMENT)
        self.options: dict[str, Any] = {}
        self.undo: list[Callable[[], object]] = []
        self.values: dict[str, object] = {
            "id": self.id,
            "bundle": self.bundle.path,
            "rootfs": self.bundle.rootfs,
            "tmp": folder,
            "root": pyrunc.root,
            "state": pyrunc.root / self.id,
            "cgroup": self.bundle.config["linux"]["cgroupsPath"],
            "long": "x" * 256,
            "longer": "x" * 1025,
        }

    def fill(self, text: str) -> str:
        """The text with every {name} replaced by its value."""
        for name, value in self.values.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def ok(self, command: str) -> Result:
        """Performs a command that must succeed."""
        return self.pyrunc.ok(*shlex.split(self.fill(command)), env=self.environment)

    def perform(self, command: str) -> Result:
        """Performs the command of the case."""
        return self.pyrunc(*shlex.split(self.fill(command)), env=self.environment, **self.options)

    def is_of_interest(self, path: Path) -> bool:
        """Whether a file would be a leftover.

        Not: targets of mounts in the root filesystem, the output of commands, the state root itself and the caches
        in it (all that begins with a dot).
        """
        root = self.pyrunc.root
        if path == root or (path.is_relative_to(root) and path.relative_to(root).parts[0].startswith(".")):
            return False
        return not any(path.is_relative_to(place) for place in (self.bundle.rootfs, self.pyrunc.folder))

    def init_pid(self) -> int:
        """The pid of the container's first process."""
        pid = self.pyrunc.state(self.id)["pid"]
        assert isinstance(pid, int)
        return pid


@dataclass(frozen=True)
class Case:
    """One line of the table.

    name:    what is wrong
    error:   all that the command writes to its standard error, without the last newline; {name} as in World.values
    config:  what is changed in the default configuration
    prepare: what is done on the host first (the container's state, files, limits)
    command: pyrunc's command line
    status:  its exit status
    stdout:  what it writes to its standard output
    """

    name: str
    error: str
    config: Sequence[Change] = ()
    prepare: Callable[[World], None] | None = None
    command: str = CREATE
    status: int = 1
    stdout: str = ""
    marks: Sequence[str] = field(default=())

    def __str__(self) -> str:
        return self.name


# Changes of a configuration.


def put(path: str, value: Any) -> Change:
    """Sets a member, by its path ("process.user.uid"); what is missing on the way is made."""

    def change(config: Config) -> None:
        *way, last = path.split(".")
        for name in way:
            config = config.setdefault(name, {})
        config[last] = value

    return change


def add(path: str, value: Any) -> Change:
    """Adds an element to a list, by its path ("mounts")."""

    def change(config: Config) -> None:
        *way, last = path.split(".")
        for name in way:
            config = config.setdefault(name, {})
        config.setdefault(last, []).append(value)

    return change


def drop(path: str) -> Change:
    """Removes a member."""

    def change(config: Config) -> None:
        *way, last = path.split(".")
        for name in way:
            config = config[name]
        del config[last]

    return change


def namespace(kind: str, path: str | None = None) -> Change:
    """Replaces the namespace of that kind, or adds it; joined where a path is given."""

    def change(config: Config) -> None:
        without_namespace(kind)(config)
        config["linux"]["namespaces"].append({"type": kind} if path is None else {"type": kind, "path": path})

    return change


def without_namespace(kind: str) -> Change:
    """Leaves the container in the runtime's namespace of that kind."""

    def change(config: Config) -> None:
        linux = config["linux"]
        linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != kind]

    return change


# Preparations.


def created(world: World) -> None:
    """The container is created."""
    world.ok(CREATE)


def running(world: World) -> None:
    """The container runs."""
    created(world)
    world.ok("start {id}")


def stopped(world: World) -> None:
    """The container's process has ended."""
    running(world)
    pid = world.init_pid()
    os.kill(pid, signal.SIGKILL)
    processes.wait_gone(pid)


def raw_config(data: bytes) -> Callable[[World], None]:
    """config.json is these octets."""

    def prepare(world: World) -> None:
        (world.bundle.path / "config.json").write_bytes(data)

    return prepare


def file(path: str, data: str = "", mode: int = 0o644) -> Callable[[World], None]:
    """A file is there; the path with {rootfs} and so on."""

    def prepare(world: World) -> None:
        target = Path(world.fill(path))
        target.write_text(data)
        target.chmod(mode)

    return prepare


def directory(path: str) -> Callable[[World], None]:
    """A directory is there."""

    def prepare(world: World) -> None:
        Path(world.fill(path)).mkdir(parents=True)

    return prepare


def both(*preparations: Callable[[World], None]) -> Callable[[World], None]:
    """Several preparations in turn."""

    def prepare(world: World) -> None:
        for preparation in preparations:
            preparation(world)

    return prepare
