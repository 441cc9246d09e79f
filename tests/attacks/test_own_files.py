"""Files that decide what pyrunc does as root: what others own or can write to is refused, or done without."""

import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunc.record import pid_start_time
from pyrunc.security.compile import compile_profile
from pyrunc.security.seccomp import pack_entry, unpack_entry
from tests.support.bundles import BundleFactory
from tests.support.foreign import NOBODY, SPOIL, give_away, open_to_all, open_to_group, put_fifo, put_link
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change, weakened

pytestmark = pytest.mark.root

BELIEVES_STATE: tuple[Change, ...] = (
    ("pyrunc/record.py", "    if status.st_uid != posix.geteuid():", "    if not status:"),
    ("pyrunc/record.py", "    if status.st_mode & 0o022:", "    if not status:"),
)
BELIEVES_CACHE: Change = (
    "pyrunc/security/seccomp.py",
    "    return status.st_mode & 0o170022 == kind and status.st_uid == posix.geteuid()",
    "    return bool(status)",
)
BELIEVES_PROGRAMS: Change = ("pyrunc/launch.py", "    if reason:\n", "    if not status:\n")

Way = tuple[str, Callable[[Path], None]]

ALLOWS = {"defaultAction": "SCMP_ACT_ALLOW"}
DENIES = {**ALLOWS, "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}


def kills_another(pyrunc: Pyrunc, bundle: BundleFactory, what: str) -> bool:
    """Whether `kill` ends a process of the host that another user has written into the state; what: the file is his,
    or the directory is."""
    container_id, _ = pyrunc.create(bundle("exit 0"))
    folder = pyrunc.root / container_id
    file = folder / "process"
    before = file.read_bytes()
    with subprocess.Popen(["sleep", "1000"]) as victim:
        file.unlink()
        file.write_text(f"{victim.pid} {pid_start_time(victim.pid)} created")
        give_away(folder if what == "directory" else file)
        result = pyrunc("kill", container_id, "KILL")
        killed = result.returncode == 0 and victim.wait(10) == -9
        assert killed or f"it belongs to user {NOBODY}, not to 0" in result.stderr, result.stderr
        victim.kill()
    file.write_bytes(before)
    os.chown(file, 0, 0)
    os.chown(folder, 0, 0)
    return killed


@pytest.mark.parametrize("what", ["file", "directory"])
def test_state(what: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert not kills_another(pyrunc, bundle, what)


@pytest.mark.parametrize("what", ["file", "directory"])
def test_state_can_fail(what: str, bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert kills_another(weak(*BELIEVES_STATE), bundle, what)


@pytest.mark.parametrize("spoil", [give_away, open_to_all, put_link])
def test_start_socket(spoil: Callable[[Path], None], bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Whoever listens there would be told that the container starts, and could say that it has."""
    container_id, _ = pyrunc.create(bundle("exit 0"))
    socket = pyrunc.root / container_id / "start.sock"
    spoil(socket)
    result = pyrunc("start", container_id)
    assert result.returncode != 0
    assert f"{socket}: it {SPOIL[spoil].replace('a symbolic link', 'not a socket')}" in result.stderr
    assert pyrunc.state(container_id)["status"] == "created"


def mkdir_is_allowed(pyrunc: Pyrunc, bundle: BundleFactory, spoil: Callable[[Path], None]) -> bool:
    """Whether a filter of another's is loaded in the place of the one that is cached."""
    made = bundle("mkdir /dev/shm/x && echo made")
    made.config["linux"]["seccomp"] = DENIES
    made.save()
    assert "made" not in pyrunc.run(made).stdout
    (entry,) = (pyrunc.root / ".seccomp").iterdir()
    parts = unpack_entry(entry.read_bytes())
    assert parts
    key, stamp, _, notes = parts
    entry.write_bytes(pack_entry((key, stamp, compile_profile(ALLOWS).program, notes)))
    spoil(entry)
    return "made" in pyrunc.run(made).stdout


@pytest.mark.parametrize("spoil", [spoil for spoil in SPOIL if spoil is not put_fifo])
def test_cached_filter(spoil: Callable[[Path], None], bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert not mkdir_is_allowed(pyrunc, bundle, spoil)


def test_cached_filter_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert mkdir_is_allowed(weak(BELIEVES_CACHE), bundle, give_away)


SHIM = f"_shim{sysconfig.get_config_var('EXT_SUFFIX')}"
PROGRAMS: list[Way] = [("pyrunc-init", spoil) for spoil in (give_away, open_to_group, open_to_all, put_link)]
PROGRAMS += [(SHIM, give_away), (".", open_to_group), (".", open_to_all)]


def with_foreign(command: Pyrunc, package: Path, bundle: BundleFactory, ways: list[Way]) -> list[str]:
    """What pyrunc says in each of the ways to spoil one of its own programs, "" if it runs."""
    made = bundle()
    said = []
    for name, spoil in ways:
        path = package / name
        before = path.stat()
        spoil(path)
        result = command.run(made)
        said.append("" if result.returncode == 0 else result.stderr)
        if path.is_symlink():
            path.with_name("elsewhere").replace(path)
        os.chown(path, before.st_uid, before.st_gid)
        path.chmod(before.st_mode & 0o7777)
    assert command.run(made).returncode == 0
    return said


def copy_of(folder: Path, *changes: Change) -> tuple[Pyrunc, Path]:
    """A copy of pyrunc to be spoilt, and where its package is."""
    copy = folder / "copy"
    return Pyrunc(weakened(copy, *changes), folder / "root", folder / "output"), copy / "pyrunc"


def test_own_programs(folder: Path, bundle: BundleFactory) -> None:
    for (_, spoil), text in zip(PROGRAMS, with_foreign(*copy_of(folder), bundle, PROGRAMS), strict=True):
        wanted = "is not a plain file" if spoil is put_link else SPOIL[spoil]
        assert wanted in text
        assert "hint: ch" in text or "hint: install" in text


def test_own_programs_can_fail(folder: Path, bundle: BundleFactory) -> None:
    ways = [("pyrunc-init", give_away), (SHIM, give_away), (".", open_to_all)]
    assert with_foreign(*copy_of(folder, BELIEVES_PROGRAMS), bundle, ways) == ["", "", ""]


def test_a_users_checkout(folder: Path, bundle: BundleFactory) -> None:
    """Root runs it as its user has made it: the group is his own, and so is all of the code."""
    command, package = copy_of(folder)
    for path in (package, *package.rglob("*")):
        os.chown(path, 1000, 1000)
        path.chmod(path.stat().st_mode | 0o020)
    assert command.run(bundle()).returncode == 0
