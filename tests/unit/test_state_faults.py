"""The state directory when something goes wrong: killed at every step, disks that are full or read-only."""

import os
import posix
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunc import syscalls
from pyrunc.errors import ContainerNotFound, PyruncError
from pyrunc.state import STATE_FILE, StateDirectory
from tests.support.forks import finish, start

CLONE_NEWNS = 0x20000
MS_PRIVATE_REC = 0x40000 | 0x4000
MS_RDONLY_REMOUNT = 0x1 | 0x20


@pytest.fixture
def root(tmp_path: Path) -> str:
    return f"{tmp_path}/root"


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> object:
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before


# Crashes

STEPS = ("mkdir", "open", "fchmod", "unlink", "write", "close", "rename", "listdir", "rmdir", "stat")


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Runs action in a fork that kills itself before its step-th file operation; whether it got that far."""

    def run() -> None:
        done = 0

        def counting(function: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **named: object) -> object:
                nonlocal done
                done += 1
                if done == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **named)

            return call

        for name in STEPS:
            setattr(posix, name, counting(getattr(posix, name)))
        action()

    code = finish(start(run))
    assert code in (0, -signal.SIGKILL)
    return code != 0


def every_crash(root: str, before: Callable[[], object], action: Callable[[], object], contents: set[bytes]) -> int:
    """Kills action at each of its steps; afterwards state.json has one of contents, and all can be removed."""
    step = 1
    while True:
        before()
        killed = killed_at(step, action)
        found = b""
        try:
            with StateDirectory.open(root, "c", timeout=1) as directory:
                found = directory.read(STATE_FILE) if directory.exists(STATE_FILE) else b"none"
                directory.write(STATE_FILE, b"after")
                assert directory.read(STATE_FILE) == b"after"
                directory.remove()
        except ContainerNotFound:
            found = b"gone"
        assert found in contents
        assert os.listdir(root) == []
        if not killed:
            return step
        step += 1


def test_a_kill_at_any_step_of_a_write_leaves_the_old_or_the_new(root: str) -> None:
    def write() -> None:
        with StateDirectory.open(root, "c") as directory:
            directory.write(STATE_FILE, b"new")

    def before() -> None:
        StateDirectory.create(root, "c", b"old").close()

    assert every_crash(root, before, write, {b"old", b"new"}) > 6


def test_a_kill_at_any_step_of_create_leaves_what_can_be_removed(root: str) -> None:
    os.mkdir(root)
    steps = every_crash(
        root, lambda: None, lambda: StateDirectory.create(root, "c", b"new"), {b"gone", b"none", b"new"}
    )
    assert steps > 6


def test_a_kill_at_any_step_of_remove_leaves_what_can_be_removed(root: str) -> None:
    def before() -> None:
        with StateDirectory.create(root, "c", b"old") as directory:
            directory.write("config.json", b"{}")

    def remove() -> None:
        with StateDirectory.open(root, "c") as directory:
            directory.remove()

    assert every_crash(root, before, remove, {b"old", b"none", b"gone"}) > 6


# Disks


def on_tmpfs(root: str, action: Callable[[], object]) -> int:
    """Runs action in a fork with a mount namespace of its own, where root is a file system of one page."""

    def run() -> None:
        syscalls.unshare(CLONE_NEWNS)
        syscalls.mount("none", "/", None, MS_PRIVATE_REC)
        syscalls.mount("pyrunc-test-tmpfs", root, "tmpfs", 0, "size=4k,mode=711")
        action()

    os.mkdir(root)
    return finish(start(run))


@pytest.mark.root
def test_a_full_disk_when_a_container_is_made(root: str) -> None:
    def action() -> None:
        Path(f"{root}/filler").write_bytes(b"x" * 4096)
        with pytest.raises(PyruncError) as caught:
            StateDirectory.create(root, "c", b"x")
        assert str(caught.value) == f"write {root}/c/state.json: no space left on device"
        assert "--root" in caught.value.hint
        assert os.listdir(root) == ["filler"]

    assert on_tmpfs(root, action) == 0


@pytest.mark.root
def test_a_full_disk_leaves_the_old_state(root: str) -> None:
    def action() -> None:
        with StateDirectory.create(root, "c") as directory:
            directory.write("small", b"")
            # More than a page: the first part fits, the rest does not.
            with pytest.raises(PyruncError, match=f"^write {root}/c/small: no space left on device$"):
                directory.write("small", b"x" * 10_000)
            assert directory.read("small") == b""
            assert os.listdir(f"{root}/c") == ["small"]
            directory.write("small", b"it fits")

    assert on_tmpfs(root, action) == 0


@pytest.mark.root
def test_a_read_only_disk(root: str) -> None:
    def action() -> None:
        StateDirectory.create(root, "old", b"x").close()
        syscalls.mount("", root, None, MS_RDONLY_REMOUNT)
        with pytest.raises(PyruncError) as caught:
            StateDirectory.create(root, "c", b"x")
        assert str(caught.value) == f"create {root}/c: read-only file system"
        assert "--root" in caught.value.hint
        with StateDirectory.open(root, "old") as directory:
            assert directory.read(STATE_FILE) == b"x"
            with pytest.raises(PyruncError, match=f"^write {root}/old/state.json: read-only file system$"):
                directory.write(STATE_FILE, b"y")
            with pytest.raises(PyruncError, match=f"^remove {root}/old: "):
                directory.remove()
        assert os.listdir(root) == ["old"]

    assert on_tmpfs(root, action) == 0
