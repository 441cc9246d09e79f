"""The root mount and binds, performed for real: what is mounted, how, and what the host sees of it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc import syscalls
from pyrunc.cgroups.layout import Layout
from pyrunc.operations.build import Build
from tests.support import leaks
from tests.support.filesystem import BOUND_DEV, Failed, mountinfo, perform, plan
from tests.support.filesystem import run_mounts as run

pytestmark = pytest.mark.root


@pytest.fixture
def rootfs(folder: Path) -> str:
    """The path of an empty root file system; what is bound lies beside it in folder/source."""
    (folder / "rootfs").mkdir()
    (folder / "source").mkdir()
    (folder / "source/file").write_text("content")
    return str(folder / "rootfs")


@pytest.fixture
def mounted(folder: Path) -> Iterator[Any]:
    """mounted(name, flags, propagation) mounts a tmpfs on a new folder of the host for this test."""
    points = []

    def mount(name: str, flags: int = 0, propagation: int = 1 << 18) -> Path:
        point = folder / name
        point.mkdir(parents=True, exist_ok=True)
        syscalls.mount("pyrunc-test", str(point), "tmpfs", flags)
        points.append(point)
        syscalls.mount("", str(point), None, propagation)
        return point

    yield mount
    for point in reversed(points):
        syscalls.umount2(str(point), 2)


def test_the_root_is_a_mount_of_its_own(rootfs: str) -> None:
    table = run(rootfs)
    assert table["/"]["root"] == rootfs
    assert table["/"]["propagation"] == []


def test_a_missing_root(rootfs: str) -> None:
    with pytest.raises(Failed) as caught:
        run(rootfs + "/missing")
    assert (
        str(caught.value)
        == f"root.path: bind the root file system: rootfs ({rootfs}/missing): no such file or directory"
    )
    (Path(rootfs) / "file").write_text("")
    with pytest.raises(Failed) as caught:
        run(rootfs + "/file")
    assert str(caught.value) == f"root.path: bind the root file system: rootfs ({rootfs}/file) is not a directory"


def test_bind_of_a_directory_and_of_a_file(rootfs: str) -> None:
    def look(_: Build) -> Any:
        return Path("/a/b/c/file").read_text(), Path("/e/f").read_text(), mountinfo()

    text, text2, table = run(
        rootfs,
        {"destination": "/a/b/c", "source": "source", "options": ["bind"]},
        {"destination": "e/f", "source": "source/file", "options": ["rbind", "ro", "noexec", "rprivate"]},
        look=look,
    )
    assert (text, text2) == ("content", "content")
    assert set(table["/a/b/c"]["options"]) == {"rw", "relatime"}
    assert set(table["/e/f"]["options"]) == {"ro", "noexec", "relatime"}
    assert stat.S_IMODE(os.stat(f"{rootfs}/a/b").st_mode) == 0o755


def test_bind_of_the_wrong_kind(rootfs: str) -> None:
    (Path(rootfs) / "d").mkdir()
    (Path(rootfs) / "f").write_text("")
    with pytest.raises(Failed, match=r"^mounts\[0\] \(/d\): .*: mount a file on /d: not a directory$"):
        run(rootfs, {"destination": "/d", "source": "source/file", "options": ["bind"]})
    with pytest.raises(Failed, match=r"^mounts\[0\] \(/f\): .*: not a directory$"):
        run(rootfs, {"destination": "/f", "source": "source", "options": ["bind"]})


def test_a_missing_source(rootfs: str, folder: Path) -> None:
    with pytest.raises(Failed) as caught:
        run(rootfs, {"destination": "/d", "source": "/missing", "options": ["bind"]})
    assert str(caught.value) == "mounts[0] (/d): bind /missing on /d: open_tree /missing: no such file or directory"
    assert caught.value.errno == 2
    assert os.listdir(rootfs) == []


def test_the_attributes_of_the_source_stay(rootfs: str, mounted: Any) -> None:
    mounted("source/m", 2 | 8 | 1024)  # nosuid, noexec, noatime
    table = run(
        rootfs,
        {"destination": "/a", "source": "source/m", "options": ["bind"]},
        {"destination": "/b", "source": "source/m", "options": ["bind", "exec", "nodev", "strictatime"]},
        {"destination": "/c", "source": "source", "options": ["rbind", "rexec", "ro"]},
    )
    assert set(table["/a"]["options"]) == {"rw", "nosuid", "noexec", "noatime"}
    assert set(table["/b"]["options"]) == {"rw", "nosuid", "nodev"}
    assert set(table["/c"]["options"]) == {"ro", "relatime"}
    assert set(table["/c/m"]["options"]) == {"rw", "nosuid", "noatime"}


@pytest.mark.parametrize(
    ("words", "top", "below"),
    [
        (["rro"], "ro,relatime", "ro,relatime"),
        (["rnosuid", "rnodev", "rnoexec"], "rw,nosuid,nodev,noexec,relatime", "rw,nosuid,nodev,noexec,relatime"),
        (["rnoatime", "rnodiratime"], "rw,noatime,nodiratime", "rw,noatime,nodiratime"),
        (["rnosymfollow"], "rw,relatime,nosymfollow", "rw,relatime,nosymfollow"),
        (["rstrictatime", "relatime"], "rw,relatime", "rw"),
        (["rro", "rw"], "rw,relatime", "ro,relatime"),
    ],
)
def test_recursive_attributes(rootfs: str, mounted: Any, words: list[str], top: str, below: str) -> None:
    mounted("source/m")
    table = run(rootfs, {"destination": "/a", "source": "source", "options": ["rbind", *words]})
    assert set(table["/a"]["options"]) == set(top.split(","))
    assert set(table["/a/m"]["options"]) == set(below.split(","))


@pytest.mark.parametrize(
    ("root_propagation", "words", "expected"),
    [
        ("", [], ["master"]),
        ("", ["rprivate"], []),
        ("", ["rslave"], ["master"]),
        ("", ["rshared"], ["shared", "master"]),
        ("", ["runbindable"], ["unbindable"]),
        ("rprivate", [], []),
        ("rprivate", ["rslave"], []),
        ("unbindable", [], []),
        ("shared", [], ["shared"]),
        ("rshared", ["rshared"], ["shared"]),
        ("rshared", ["slave"], ["master"]),
        ("slave", [], ["master"]),
    ],
)
def test_propagation_of_binds(
    rootfs: str, mounted: Any, root_propagation: str, words: list[str], expected: list[str]
) -> None:
    mounted("source/m", propagation=1 << 20)
    table = run(
        rootfs,
        {"destination": "/a", "source": "source/m", "options": ["rbind", *words]},
        linux={"rootfsPropagation": root_propagation},
    )
    assert table["/a"]["propagation"] == expected
    # The root can only become shared after pivot_root.
    assert "shared" not in table["/"]["propagation"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["master"]),
        (["rprivate"], []),
        (["rslave"], ["master"]),
        (["rshared"], ["shared", "master"]),
        (["private", "shared"], ["shared"]),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_propagation_of_bound_cgroups(
    rootfs: str, mounted: Any, words: list[str], expected: list[str], version: int
) -> None:
    """Of every hierarchy, not only of what holds them."""
    name = "pids" if version == 1 else "unified"
    hierarchy = str(mounted(f"source/{name}", propagation=1 << 20))
    config = {"mounts": [{"destination": "/c", "type": "cgroup", "source": "c", "options": words}, BOUND_DEV]}
    operations = plan(config, os.path.dirname(rootfs), layout=Layout(version, {name: hierarchy}, {name: "/"}))
    table = perform(operations, rootfs, lambda _: mountinfo())
    assert table["/c/pids" if version == 1 else "/c"]["propagation"] == expected


@pytest.mark.parametrize("root_propagation", ["", "shared", "rshared", "slave", "private"])
def test_nothing_that_is_mounted_travels_to_the_host(
    rootfs: str, mounted: Any, folder: Path, root_propagation: str
) -> None:
    """The root file system lies on a mount that is shared with the host."""
    point = mounted("shared", propagation=1 << 20)
    inner = point / "rootfs"
    inner.mkdir()
    (point / "source").mkdir()
    before = leaks.own_mounts()

    def look(_: Build) -> Any:
        Path("/tmpfs/probe").mkdir()
        syscalls.mount("tmpfs", "/tmpfs/probe", "tmpfs", 0)
        return open("/proc/self/mountinfo").read().count("\n")

    run(
        str(inner),
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/tmpfs", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/a", "source": "source", "options": ["rbind", "rprivate"]},
        linux={"rootfsPropagation": root_propagation},
        look=look,
    )
    assert leaks.own_mounts() == before


def test_a_shared_volume_shows_the_containers_mounts(rootfs: str, mounted: Any) -> None:
    """What rshared is for: a mount made in the container appears on the host (and is taken away by this test)."""
    point = mounted("source/m", propagation=1 << 20)
    (point / "inner").mkdir()

    def look(_: Build) -> Any:
        syscalls.mount("tmpfs", "/a/inner", "tmpfs", 0)

    run(
        rootfs,
        {"destination": "/a", "source": "source/m", "options": ["rbind", "rshared"]},
        linux={"rootfsPropagation": "rshared"},
        look=look,
    )
    assert os.path.ismount(point / "inner")
    syscalls.umount2(str(point / "inner"), 0)


def test_idmapped_bind(rootfs: str, folder: Path) -> None:
    os.chown(folder / "source/file", 1000, 1001)
    maps = {
        "uidMappings": [{"containerID": 1000, "hostID": 5000, "size": 10}],
        "gidMappings": [{"containerID": 1001, "hostID": 6000, "size": 10}],
    }

    def look(_: Build) -> Any:
        status = os.stat("/a/file")
        return status.st_uid, status.st_gid

    # The file's owner 1000 is what the mapping's container id 1000 stands for on the host: 5000.
    assert run(rootfs, {"destination": "/a", "source": "source", "options": ["bind"], **maps}, look=look) == [
        5000,
        6000,
    ]
