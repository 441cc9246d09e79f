"""Operations of the file system stage performed for real: what is mounted, and how."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc import syscalls
from pyrunc.operations.build import Build
from tests.support.filesystem import Failed, mountinfo, perform, plan

pytestmark = pytest.mark.root

NULL = {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["bind"]}
"""A bound /dev: so these tests need make no devices."""


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


def run(
    rootfs: str, *mounts: dict[str, Any], look: Any = None, linux: Any = None, root: Any = None, **more: Any
) -> Any:
    """Performs the plan for these mounts; the mount table, or what `look` finds."""
    config = {"mounts": [*mounts], "linux": linux or {}, "root": {"path": "rootfs", **(root or {})}}
    if not any(mount["destination"] == "/dev" for mount in mounts):
        config["mounts"].append(NULL)
    kinds = more.get("kinds", ("mount",))
    return perform(plan(config, os.path.dirname(rootfs), kinds), rootfs, look or (lambda _: mountinfo()), **more)


def test_the_root_is_a_mount_of_its_own(rootfs: str) -> None:
    table = run(rootfs)
    assert table["/"]["root"] == rootfs
    assert table["/"]["propagation"] == []


def test_a_missing_root(rootfs: str) -> None:
    with pytest.raises(Failed) as caught:
        run(rootfs + "/missing")
    assert str(caught.value) == f"root.path: bind the root file system: rootfs ({rootfs}/missing) does not exist"
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


@pytest.mark.parametrize("root_propagation", ["", "shared", "rshared", "slave", "private"])
def test_nothing_that_is_mounted_travels_to_the_host(
    rootfs: str, mounted: Any, folder: Path, root_propagation: str
) -> None:
    """The root file system lies on a mount that is shared with the host."""
    point = mounted("shared", propagation=1 << 20)
    inner = point / "rootfs"
    inner.mkdir()
    (point / "source").mkdir()
    before = Path("/proc/self/mountinfo").read_text()

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
    assert Path("/proc/self/mountinfo").read_text() == before


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


def test_file_systems(rootfs: str) -> None:
    dev = ["nosuid", "strictatime", "mode=755", "size=64k"]
    pts = ["newinstance", "ptmxmode=0666", "gid=5"]
    table = run(
        rootfs,
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": dev},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": pts},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["mode=1777", "size=1m", "noatime"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "noexec"]},
        {"destination": "/r", "type": "ramfs", "source": "", "options": ["sync", "rnodev", "nosymfollow", "rshared"]},
        kinds=("mount", "network", "ipc"),
    )
    assert table["/proc"]["type"] == "proc"
    assert set(table["/proc"]["options"]) == {"rw", "nosuid", "nodev", "noexec", "relatime"}
    assert set(table["/dev"]["options"]) == {"rw", "nosuid"}
    assert set(table["/dev"]["superblock"]) == {"rw", "size=64k", "mode=755"}
    assert {"gid=5", "ptmxmode=666"} <= set(table["/dev/pts"]["superblock"])
    assert (table["/dev/shm"]["source"], set(table["/dev/shm"]["options"])) == ("shm", {"rw", "noatime"})
    assert table["/dev/mqueue"]["type"] == "mqueue"
    assert set(table["/sys"]["options"]) == {"ro", "noexec", "relatime"}
    assert table["/sys"]["superblock"] == ["ro"]
    assert set(table["/r"]["options"]) == {"rw", "nodev", "nosymfollow", "relatime"}
    assert "sync" in table["/r"]["superblock"]
    assert table["/r"]["propagation"] == ["shared"]


def test_a_tmpfs_has_the_mode_of_what_it_hides(rootfs: str) -> None:
    (Path(rootfs) / "open").mkdir()
    (Path(rootfs) / "open").chmod(0o1770)

    def look(_: Build) -> list[int]:
        return [stat.S_IMODE(os.stat(path).st_mode) for path in ("/open", "/asked", "/new")]

    modes = run(
        rootfs,
        {"destination": "/open", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/asked", "type": "tmpfs", "source": "tmpfs", "options": ["mode=700"]},
        {"destination": "/new", "type": "tmpfs", "source": "tmpfs"},
        look=look,
    )
    assert modes == [0o1770, 0o700, 0o1777]


def test_read_only_tmpfs_with_mounts_below(rootfs: str) -> None:
    table = run(
        rootfs,
        {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["ro", "nosuid"]},
        {"destination": "/t/a/b", "source": "source", "options": ["bind"]},
    )
    assert set(table["/t"]["options"]) == {"ro", "nosuid", "relatime"}
    assert set(table["/t/a/b"]["options"]) == {"rw", "relatime"}


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ({"type": "nosuchfs"}, "fsopen nosuchfs: no such device"),
        (
            {"type": "tmpfs", "options": ["size=many"]},
            "fsconfig size=many: invalid argument (tmpfs: Bad value for 'size')",
        ),
        (
            {"type": "tmpfs", "options": ["colour"]},
            "fsconfig colour: invalid argument (tmpfs: Unknown parameter 'colour')",
        ),
        ({"type": "ext4", "source": "/dev/null"}, "fsconfig: block device required (/dev/null: Can't lookup blockdev)"),
        ({"type": "tmpfs", "options": ["iversion", "colour"]}, "mount /proc/self/fd/"),
    ],
)
def test_the_kernels_own_words(rootfs: str, mount: dict[str, Any], reason: str) -> None:
    with pytest.raises(Failed) as caught:
        run(rootfs, {"destination": "/x", **mount})
    assert str(caught.value).startswith(f"mounts[0] (/x): mount {mount['type']} on /x: {reason}")


def test_what_only_mount_can_say(rootfs: str, folder: Path) -> None:
    lower = folder / ("l" * 200) / ("m" * 100)
    lower.mkdir(parents=True)
    (lower / "file").write_text("low")

    def look(_: Build) -> Any:
        return Path("/o/file").read_text(), mountinfo()

    text, table = run(
        rootfs,
        {"destination": "/t", "type": "tmpfs", "options": ["silent", "nosuid", "noatime", "size=1m", "rshared"]},
        {
            "destination": "/o",
            "type": "overlay",
            "source": "over",
            "options": [f"lowerdir={lower}:{folder}/source", "ro"],
        },
        look=look,
    )
    assert text == "low"
    assert set(table["/t"]["options"]) == {"rw", "nosuid", "noatime"}
    assert {"size=1024k"} <= set(table["/t"]["superblock"])
    assert table["/t"]["propagation"] == ["shared"]
    assert table["/o"]["source"] == "over"


def test_a_mount_on_the_root(rootfs: str) -> None:
    def look(_: Build) -> Any:
        return sorted(os.listdir("/"))

    listed = run(
        rootfs,
        {"destination": "/", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/x", "source": "source", "options": ["bind"]},
        look=look,
    )
    assert listed == ["dev", "x"]


def test_remount(rootfs: str) -> None:
    table = run(
        rootfs,
        {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]},
        {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["remount", "ro", "size=2m", "noexec"]},
        {"destination": "/b", "source": "source", "options": ["bind"]},
        {"destination": "/b", "options": ["remount", "bind", "ro", "noatime"]},
    )
    assert set(table["/t"]["options"]) == {"ro", "nosuid", "noexec", "relatime"}
    assert {"ro", "size=2048k"} <= set(table["/t"]["superblock"])
    assert set(table["/b"]["options"]) == {"ro", "noatime"}


def test_remount_of_no_mount(rootfs: str) -> None:
    (Path(rootfs) / "d").mkdir()
    for options in (["remount", "ro"], ["remount", "bind", "ro"]):
        with pytest.raises(Failed, match=r"^mounts\[0\] \(/d\): remount /d: /d is not a mount point$"):
            run(rootfs, {"destination": "/d", "options": options})


def test_copy_up(rootfs: str) -> None:
    top = Path(rootfs) / "t"
    (top / "d/e").mkdir(parents=True)
    (top / "d/e/f").write_bytes(b"x" * 3_000_000)
    (top / "d/e/f").chmod(0o4751)
    os.chown(top / "d", 7, 8)
    (top / "d").chmod(0o2750)
    os.utime(top / "d/e/f", ns=(1_000_000_001, 2_000_000_002))
    os.symlink("/etc/passwd", top / "link")
    os.lchown(top / "link", 9, 9)
    os.mkfifo(top / "fifo")
    os.setxattr(top / "d/e/f", "user.colour", b"red")
    top.chmod(0o711)

    def look(_: Build) -> Any:
        f, d, link = os.stat("/t/d/e/f"), os.stat("/t/d"), os.lstat("/t/link")
        return {
            "names": sorted(os.listdir("/t")),
            "f": [f.st_size, stat.S_IMODE(f.st_mode), f.st_mtime_ns],
            "d": [d.st_uid, d.st_gid, stat.S_IMODE(d.st_mode)],
            "link": [os.readlink("/t/link"), link.st_uid],
            "top": stat.S_IMODE(os.stat("/t").st_mode),
            "colour": os.getxattr("/t/d/e/f", "user.colour").decode()
            if "user.colour" in os.listxattr("/t/d/e/f")
            else "",
        }

    found = run(
        rootfs, {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "ro"]}, look=look
    )
    assert found.pop("colour") in ("red", "")  # tmpfs keeps user.* since Linux 6.6
    assert found == {
        "names": ["d", "link"],
        "f": [3_000_000, 0o4751, 2_000_000_002],
        "d": [7, 8, 0o2750],
        "link": ["/etc/passwd", 9],
        "top": 0o711,
    }


def test_copy_up_into_too_small_a_tmpfs(rootfs: str) -> None:
    (Path(rootfs) / "t").mkdir()
    (Path(rootfs) / "t/f").write_bytes(b"x" * 100_000)
    with pytest.raises(Failed, match=r"mount tmpfs on /t: no space left on device$"):
        run(rootfs, {"destination": "/t", "type": "tmpfs", "source": "t", "options": ["tmpcopyup", "size=16k"]})


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


def test_the_tree_of_v1_cgroups(rootfs: str) -> None:
    def look(_: Build) -> Any:
        return mountinfo(), sorted(os.listdir("/c"))

    from pyrunc.cgroups.layout import detect

    layout = detect()
    if layout.version != 1:
        pytest.skip("needs cgroup v1 hierarchies")
    for kinds in (("mount",), ("mount", "cgroup")):
        table, listed = run(
            rootfs,
            {"destination": "/c", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]},
            look=look,
            kinds=kinds,
        )
        assert set(layout.hierarchies) <= set(listed)
        assert set(table["/c"]["options"]) == {"ro", "nosuid", "nodev", "noexec", "relatime"}
        for point in {path.rpartition("/")[2] for path in layout.hierarchies.values()}:
            mount = table[f"/c/{point}"]
            assert set(mount["options"]) == {"ro", "nosuid", "nodev", "noexec", "relatime"}
            assert mount["type"] == ("cgroup2" if point == "unified" else "cgroup")
            assert "rw" in mount["superblock"], "the host's own file system has become read-only"


def test_readonly_root_with_a_working_directory(rootfs: str) -> None:
    config = {"root": {"path": "rootfs", "readonly": True}, "process": {"cwd": "/home/me"}, "mounts": [NULL]}

    def look(_: Build) -> Any:
        try:
            os.mkdir("/x")
        except OSError as error:
            return error.errno, os.path.isdir("/home/me"), mountinfo()
        return None

    errno, made, table = perform(plan(config, os.path.dirname(rootfs)), rootfs, look)
    assert (errno, made) == (30, True)
    assert "ro" in table["/"]["options"]
    assert "rw" in table["/dev"]["options"]
