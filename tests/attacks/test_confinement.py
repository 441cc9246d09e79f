"""A command that has gone wrong: what it can still do to the host once it knows its container (Landlock)."""

import os
from collections.abc import Callable
from errno import EACCES, ENOSYS, EOPNOTSUPP, EPERM
from pathlib import Path

import pytest

from pyrunc import confinement, syscalls
from pyrunc.container import Container
from pyrunc.record import Record
from pyrunc.state import StateDirectory
from tests.support.bundles import BundleFactory
from tests.support.canary import Canary
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

UNCONFINED: Change = ("pyrunc/confinement.py", "    StateDirectory.on_load = confine\n", "    return\n")
COMMANDS = ("state", "start", "pause", "resume", "kill", "delete")


@pytest.fixture(autouse=True, scope="module")
def _landlock() -> None:
    """Skips where the kernel has none."""
    try:
        os.close(confinement.new_ruleset()[0])
    except OSError as error:
        if error.errno not in (ENOSYS, EOPNOTSUPP):
            raise
        pytest.skip("the kernel has no Landlock, or it was not turned on (lsm=landlock,...)")


def gone_wrong(canary: Canary) -> Change:
    """Code that writes to the canary when a command looks for the container's process."""
    before = "    if pid <= 0:\n"
    opened = f"posix.open({str(canary.path / 'file')!r}, posix.O_WRONLY | posix.O_TRUNC)"
    return "pyrunc/record.py", before, f"    posix.close({opened})\n{before}"


def reaching(wrong: Pyrunc, bundle: BundleFactory, canary: Canary, good: Pyrunc) -> list[str]:
    """The commands that have written to the canary."""
    container_id, _ = good.create(bundle("exit 0"))
    found = []
    for command in COMMANDS:
        result = Pyrunc(wrong.command, good.root, good.folder)(command, container_id, *["KILL"][: command == "kill"])
        if canary.intact:
            assert "permission denied" in result.stderr, result.stderr
        else:
            found.append(command)
            (canary.path / "file").write_text("host\n")
    return found


def test_commands(bundle: BundleFactory, canary: Canary, pyrunc: Pyrunc, weak: Callable[..., Pyrunc]) -> None:
    assert reaching(weak(gone_wrong(canary)), bundle, canary, pyrunc) == []


def test_commands_can_fail(bundle: BundleFactory, canary: Canary, pyrunc: Pyrunc, weak: Callable[..., Pyrunc]) -> None:
    found = reaching(weak(gone_wrong(canary), UNCONFINED), bundle, canary, pyrunc)
    assert {"state", "start", "pause", "kill"} <= set(found)


def tried(folder: Path, pid: int) -> dict[str, int]:
    """What a confined process may do: the errno of each attempt, 0 where it may."""
    root = folder / "root"
    attempts: dict[str, Callable[[], object]] = {
        "write": lambda: (folder / "file").write_text("x"),
        "make": (folder / "new").mkdir,
        "device": lambda: os.mknod(folder / "device", 0o020600, os.makedev(1, 3)),
        "remove": (folder / "file").unlink,
        "rename": lambda: (folder / "file").rename(folder / "other"),
        "rename out": lambda: (root / "c/file").rename(folder / "other"),
        "truncate": lambda: os.truncate(folder / "file", 0),
        "execute": lambda: os.execv("/bin/true", ["true"]),
        "mount": lambda: syscalls.mount("tmpfs", str(folder), "tmpfs", 0, None),
        "look into": lambda: os.readlink(f"/proc/{pid}/root"),
        "read": (folder / "file").read_text,
        "write state": lambda: (root / "c/file").write_text("x"),
        "remove state": (root / "c/file").unlink,
        "make state": (root / "d").mkdir,
        "signal": lambda: os.kill(pid, 0),
    }
    found = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            found[name] = 0
        except OSError as error:
            found[name] = error.errno or -1
    return found


def test_what_is_left(folder: Path) -> None:
    (folder / "file").write_text("host")
    read, write = os.pipe()
    with StateDirectory.create(str(folder / "root"), "c") as state:
        state.write("file", b"x")
        child = os.fork()
        if child == 0:
            try:
                confinement.confine(state, Record(id="c", cgroups={"": "/sys/fs/cgroup/unified/pyrunc-test-x"}))
                os.write(write, repr(tried(folder, os.getppid())).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    os.close(write)
    with open(read) as pipe:
        found = eval(pipe.read())
    allowed = {"read", "write state", "remove state", "make state", "signal"}
    assert {name for name, errno in found.items() if not errno} == allowed
    assert {errno for errno in found.values() if errno} <= {EACCES, EPERM, 18}


def test_a_program_is_never_confined(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Its own files are its own affair."""
    container_id, _ = pyrunc.create(bundle("sleep 1000"))
    container = Container(str(pyrunc.root), container_id)
    container.start()
    assert container.state()["status"] == "running"
    container.delete(force=True)
    assert StateDirectory.on_load is None
    (folder / "file").write_text("x")
    assert "\nNoNewPrivs:\t0\n" in Path("/proc/self/status").read_text()


def test_cgroups_that_are_elsewhere() -> None:
    """Their parents, for a directory is removed from there."""
    assert confinement.parents({"": "/sys/fs/cgroup/a/b", "cpu": "/sys/fs/cgroup/cpu/c"}) == {"/sys/fs/cgroup"}
    assert confinement.parents({"": "/sys/fs/cgroup/a", "cpu": "/cgroups/cpu/c"}) == {"/sys/fs/cgroup", "/cgroups/cpu"}
