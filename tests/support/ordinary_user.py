"""An ordinary user of this host: no privileges, $XDG_RUNTIME_DIR, a name and, if a test wants, subordinate ids.

The name and the ids are in files that are bound over the host's in a mount namespace of the test's own.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import processes
from tests.support.bundles import Bundle
from tests.support.rootfs import give_to
from tests.support.runtime import ENVIRONMENT, Pyrunc

UID = 54321
NAME = "pyrunc-test-user"
SUBORDINATE = (400000, 65536)


class OrdinaryUser(Pyrunc):
    """The command, called by an ordinary user, with the state root that it chooses by itself.

    Set before the first command: `subordinate`, lines of /etc/subuid and /etc/subgid (default: one range);
    `cgroups`, directories of cgroup hierarchies that commands start in; `groups`, options of setpriv(1); `outer`, a
    command that runs all of it, still as root.
    """

    def __init__(self, command: Path, folder: Path) -> None:
        self.runtime_dir = folder / "run"
        self.runtime_dir.mkdir(mode=0o700)
        os.chown(self.runtime_dir, UID, UID)
        super().__init__(command, self.runtime_dir / "pyrunc", folder / f"output-{folder.name}")
        self.environment: dict[str, str] = {**ENVIRONMENT, "XDG_RUNTIME_DIR": str(self.runtime_dir)}
        self.files = folder / "etc"
        self.files.mkdir()
        self.cgroups: list[str] = []
        self.groups = "--clear-groups"
        self.outer: list[str] = []
        self.holder: subprocess.Popen[bytes] | None = None
        self.write_files([f"{NAME}:{SUBORDINATE[0]}:{SUBORDINATE[1]}"])

    def write_files(self, subordinate: "Sequence[str]", name: str = NAME) -> None:
        """What /etc/passwd, /etc/subuid and /etc/subgid have for the user."""
        entry = f"{name}:x:{UID}:{UID}::/:/bin/sh\n" if name else ""
        (self.files / "passwd").write_text(Path("/etc/passwd").read_text() + entry)
        for kind in ("subuid", "subgid"):
            (self.files / kind).write_text("".join(f"{line}\n" for line in subordinate))

    def hold(self) -> int:
        """The process that holds the mount namespace with the files; started at the first call."""
        if self.holder is None:
            binds = "; ".join(
                f"[ -e /etc/{name} ] && mount --bind {self.files}/{name} /etc/{name}"
                for name in ("passwd", "subuid", "subgid")
            )
            script = f"{binds}; echo ready; exec sleep 1000"
            command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script]
            self.holder = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
            assert self.holder.stdout is not None
            with self.holder.stdout as output:
                assert output.readline() == b"ready\n"
        return self.holder.pid

    def close(self) -> None:
        """Ends that process."""
        if self.holder is not None:
            self.holder.kill()
            self.holder.wait()
            processes.wait_gone(self.holder.pid)

    def as_user(self, *command: str) -> list[str]:
        """A command line that runs a command as the user."""
        enter = "".join(f"echo $$ > {directory}/cgroup.procs && " for directory in self.cgroups) + 'exec "$@"'
        drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", *self.groups.split(), "--"]
        namespace = ["nsenter", f"--mount=/proc/{self.hold()}/ns/mnt", "--"]
        return [*self.outer, "sh", "-c", enter, "sh", *namespace, *drop, *command]

    def argv(self, *args: "str | os.PathLike[str]") -> list[str]:
        return self.as_user(str(self.command), *(str(argument) for argument in args))

    def popen(
        self, *args: "str | os.PathLike[str]", env: "Mapping[str, str] | None" = None, **options: Any
    ) -> "subprocess.Popen[bytes]":
        return super().popen(*args, env=self.environment if env is None else env, **options)


@contextmanager
def ordinary_user(runtime: Path, folder: Path) -> Iterator[OrdinaryUser]:
    """The command as an ordinary user has it; no container of his is left afterwards."""
    command = OrdinaryUser(runtime, folder)
    try:
        may = subprocess.run(command.as_user("test", "-x", str(runtime)))
        if may.returncode:
            pytest.skip("the checkout is not open to other users")
        yield command
        assert not command.delete_all()
        assert command.containers() == []
    finally:
        command.close()


def given(made: Bundle, *, ranges: bool = False) -> Bundle:
    """The bundle, given to the user, with him as the container's root; ranges: and with his subordinate ids from 1."""
    first, size = SUBORDINATE
    mapping = [{"containerID": 0, "hostID": UID, "size": 1}]
    if ranges:
        mapping.append({"containerID": 1, "hostID": first, "size": size})
    made.config["linux"]["uidMappings"] = made.config["linux"]["gidMappings"] = mapping
    give_to(made.path, UID, UID)
    return made.save()


def delegate(directory: str) -> None:
    """Makes a cgroup directory that belongs to the user, with what the kernel lets one hand over."""
    os.mkdir(directory)
    os.chown(directory, UID, UID)
    for name in ("cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control"):
        if os.path.exists(f"{directory}/{name}"):
            os.chown(f"{directory}/{name}", UID, UID)
