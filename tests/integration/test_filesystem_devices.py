"""Devices, masks and read-only paths, performed for real."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyrunc.operations.build import Build
from tests.support.filesystem import Failed, mountinfo, perform, plan

pytestmark = pytest.mark.root

DEV = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}
PROC = {"destination": "/proc", "type": "proc", "source": "proc"}


@pytest.fixture
def rootfs(folder: Path) -> str:
    """The path of an empty root file system."""
    (folder / "rootfs").mkdir()
    return str(folder / "rootfs")


def run(rootfs: str, look: Callable[[Build], Any], *mounts: dict[str, Any], **linux: Any) -> Any:
    config = {"mounts": list(mounts), "linux": linux}
    return perform(plan(config, os.path.dirname(rootfs)), rootfs, look)


def nodes(*paths: str) -> Callable[[Build], Any]:
    """For `look`: (type and mode, major, minor, uid, gid) of device nodes."""

    def look(_: Build) -> Any:
        return [
            (oct(status.st_mode), os.major(status.st_rdev), os.minor(status.st_rdev), status.st_uid, status.st_gid)
            for status in map(os.lstat, paths)
        ]

    return look


def test_the_default_devices_and_links(rootfs: str) -> None:
    def look(build: Build) -> Any:
        links = {name: os.readlink(f"/dev/{name}") for name in os.listdir("/dev") if os.path.islink(f"/dev/{name}")}
        return nodes(*(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")))(build), links

    found, links = run(rootfs, look, DEV)
    assert found == [
        ["0o20666", 1, 3, 0, 0],
        ["0o20666", 1, 5, 0, 0],
        ["0o20666", 1, 7, 0, 0],
        ["0o20666", 1, 8, 0, 0],
        ["0o20666", 1, 9, 0, 0],
        ["0o20666", 5, 0, 0, 0],
    ]
    if not os.path.exists("/proc/kcore"):
        links["core"] = "/proc/kcore"
    assert links == {
        "fd": "/proc/self/fd",
        "stdin": "/proc/self/fd/0",
        "stdout": "/proc/self/fd/1",
        "stderr": "/proc/self/fd/2",
        "core": "/proc/kcore",
        "ptmx": "pts/ptmx",
    }


def test_listed_devices(rootfs: str) -> None:
    devices = [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 7, "gid": 8},
        {"path": "/deep/er/loop", "type": "b", "major": 7, "minor": 99, "fileMode": 0o20600},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o4600},
        {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 3},
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0},
    ]
    umask = os.umask(0o077)
    try:
        found = run(rootfs, nodes(*(device["path"] for device in devices)), DEV, devices=devices)  # type: ignore[arg-type]
    finally:
        os.umask(umask)
    assert found == [
        ["0o20640", 10, 229, 7, 8],
        ["0o60600", 7, 99, 0, 0],
        ["0o14600", 0, 0, 0, 0],
        ["0o20666", 1, 3, 0, 0],
        ["0o20000", 1, 3, 0, 0],
    ]


def test_without_a_mount_on_dev_the_images_own_is_used(rootfs: str) -> None:
    """Nodes that are there and are right stay, with the mode that is asked for; ptmx is always a link."""
    (Path(rootfs) / "dev").mkdir()
    os.mknod(f"{rootfs}/dev/null", 0o20600, os.makedev(1, 3))
    os.mknod(f"{rootfs}/dev/ptmx", 0o20600, os.makedev(5, 2))
    os.symlink("/elsewhere", f"{rootfs}/dev/fd")
    assert run(rootfs, nodes("/dev/null")) == [["0o20666", 1, 3, 0, 0]]
    assert os.readlink(f"{rootfs}/dev/ptmx") == "pts/ptmx"
    assert os.readlink(f"{rootfs}/dev/fd") == "/elsewhere"


def link(path: str) -> None:
    os.symlink("/etc", path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: os.mknod(path, 0o20666, os.makedev(1, 5)),
        lambda path: os.mknod(path, 0o60666, os.makedev(1, 3)),
        lambda path: os.mknod(path, 0o100666),
        os.mkdir,
        link,
    ],
    ids=["another device", "a block device", "file", "directory", "link"],
)
def test_something_else_is_there(rootfs: str, spoil: Callable[[str], None]) -> None:
    (Path(rootfs) / "dev").mkdir()
    spoil(f"{rootfs}/dev/null")
    with pytest.raises(Failed) as caught:
        run(rootfs, nodes())
    assert str(caught.value) == (
        "make device /dev/null c 1:3 mode 666: /dev/null is not the device c 1:3: there is already something else"
    )


def test_what_a_mount_has_put_there_stays_as_it_is(rootfs: str, folder: Path) -> None:
    """A device of the host is not ours to change, and another in its place is what somebody wanted."""
    os.mknod(folder / "tty", 0o20600, os.makedev(5, 0))
    os.chown(folder / "tty", 7, 8)
    bound = [
        {"destination": "/dev/random", "type": "bind", "source": "/dev/urandom", "options": ["bind"]},
        {"destination": "/dev/tty", "type": "bind", "source": str(folder / "tty"), "options": ["bind"]},
    ]
    random, tty = run(rootfs, nodes("/dev/random", "/dev/tty"), DEV, *bound)
    assert random[1:3] == [1, 9]
    assert tty == ["0o20600", 5, 0, 7, 8]


@pytest.mark.parametrize("target", ["../../canary", "/../../canary", "canary"])
def test_dev_is_a_link(rootfs: str, folder: Path, target: str) -> None:
    """CVE-2026-41579, CVE-2026-47766: the links and nodes of /dev must not be made outside the root."""
    (folder / "canary").mkdir()
    (folder / "canary/ptmx").write_text("host")
    (folder / "rootfs/canary").mkdir()
    os.symlink(target, f"{rootfs}/dev")
    run(rootfs, nodes("/canary/null"))
    assert os.listdir(folder / "canary") == ["ptmx"]
    assert (folder / "canary/ptmx").read_text() == "host"
    assert os.readlink(f"{rootfs}/canary/ptmx") == "pts/ptmx"


def test_masks(rootfs: str) -> None:
    for name in ("secret/deep", "other"):
        (Path(rootfs) / name).mkdir(parents=True)
        (Path(rootfs) / name / "key").write_text("key")
    (Path(rootfs) / "file").write_text("key")
    os.symlink("other", f"{rootfs}/link")

    def look(build: Build) -> Any:
        try:
            (Path("/secret") / "new").write_text("")
            errno = 0
        except OSError as error:
            errno = error.errno or 0
        return os.listdir("/secret"), os.listdir("/other"), nodes("/file", "/proc/keys")(build), errno, mountinfo()

    secret, other, found, errno, table = run(
        rootfs, look, DEV, PROC, maskedPaths=["/secret", "/missing", "/link", "/file", "/proc/keys", "/missing/too"]
    )
    assert (secret, other, errno) == ([], [], 30)
    assert [entry[:3] for entry in found] == [["0o20666", 1, 3]] * 2
    assert "/link" not in table
    assert {table["/secret"]["type"], table["/other"]["type"]} == {"tmpfs"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: None,
        lambda path: os.mknod(path, 0o100666),
        lambda path: os.mknod(path, 0o10666),
        lambda path: os.mknod(path, 0o20666, os.makedev(1, 5)),
        os.mkdir,
        lambda path: os.symlink("/proc/sys/kernel/core_pattern", path),
    ],
    ids=["missing", "file", "fifo", "device", "directory", "link"],
)
def test_masks_do_not_come_from_the_containers_dev(rootfs: str, spoil: Callable[[str], None]) -> None:
    """CVE-2025-31133: the container's /dev/null is whatever its image made it; /dev is bound, so nobody mends it."""
    (Path(rootfs) / "imagedev").mkdir()
    (Path(rootfs) / "file").write_text("key")
    spoil(f"{rootfs}/imagedev/null")
    dev = {"destination": "/dev", "source": f"{rootfs}/imagedev", "options": ["rbind"]}

    def look(build: Build) -> Any:
        try:
            os.chmod("/file", 0)
            errno = 0
        except OSError as error:
            errno = error.errno or 0
        with open("/file", "w") as file:
            file.write("into the void")
        return nodes("/file")(build)[0][:3], errno

    # It is the host's node, so the container must not be able to change it; writing to the device is possible.
    assert run(rootfs, look, dev, maskedPaths=["/file"]) == [["0o20666", 1, 3], 30]


def test_masks_come_from_the_node_that_was_made(rootfs: str) -> None:
    for name in ("a", "b"):
        (Path(rootfs) / name).write_text("key")
    table = run(rootfs, lambda _: mountinfo(), DEV, maskedPaths=["/a", "/b"])
    assert {table["/a"]["type"], table["/b"]["type"]} == {"tmpfs"}
    assert {table["/a"]["root"], table["/b"]["root"]} == {"/null"}


def test_readonly_paths(rootfs: str) -> None:
    (Path(rootfs) / "d").mkdir()
    (Path(rootfs) / "f").write_text("")
    below = {"destination": "/d/below", "type": "tmpfs", "source": "tmpfs"}
    table = run(rootfs, lambda _: mountinfo(), DEV, below, PROC, readonlyPaths=["/d", "/f", "/missing", "/proc/sys"])
    assert {path for path in table if "ro" in table[path]["options"]} == {"/d", "/d/below", "/f", "/proc/sys"}
    assert set(table["/proc/sys"]["options"]) == {"ro", "relatime"}


def test_dev_may_be_read_only(rootfs: str) -> None:
    dev = {**DEV, "options": ["ro", "nosuid"]}
    table = run(rootfs, lambda _: mountinfo(), dev)
    assert set(table["/dev"]["options"]) == {"ro", "nosuid", "relatime"}


def test_the_modes_of_what_is_made(rootfs: str) -> None:
    def look(_: Build) -> Any:
        return stat.S_IMODE(os.stat("/x/y").st_mode)

    assert run(rootfs, look, DEV, {"destination": "/x/y/z", "type": "tmpfs", "source": "t"}) == 0o755
