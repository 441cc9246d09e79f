"""File systems of their own, performed for real: what is mounted, and how."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from pyrunc.operations.build import Build
from pyrunc.operations.filesystem import make_mount, set_label
from tests.support.bundles import BundleFactory
from tests.support.filesystem import BOUND_DEV, Failed, mountinfo, perform, plan
from tests.support.filesystem import run_mounts as run
from tests.support.inside import probe, see
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root


@pytest.fixture
def rootfs(folder: Path) -> str:
    """The path of an empty root file system; what is bound lies beside it in folder/source."""
    (folder / "rootfs").mkdir()
    (folder / "source").mkdir()
    (folder / "source/file").write_text("content")
    return str(folder / "rootfs")


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
    # Some kernels show inode64 whether it was asked for or not.
    assert set(table["/dev"]["superblock"]) - {"inode64"} == {"rw", "size=64k", "mode=755"}
    assert {"gid=5", "ptmxmode=666"} <= set(table["/dev/pts"]["superblock"])
    assert (table["/dev/shm"]["source"], set(table["/dev/shm"]["options"])) == ("shm", {"rw", "noatime"})
    assert table["/dev/mqueue"]["type"] == "mqueue"
    assert set(table["/sys"]["options"]) == {"ro", "noexec", "relatime"}
    assert table["/sys"]["superblock"] == ["ro"]
    assert set(table["/r"]["options"]) == {"rw", "nodev", "nosymfollow", "relatime"}
    assert "sync" in table["/r"]["superblock"]
    assert table["/r"]["propagation"] == ["shared"]


def test_a_read_only_procfs(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Not the mount alone: the file system is, so that the container cannot make it writable."""
    made = probe(bundle)
    made.config["mounts"][0]["options"] = ["ro", "nosuid"]
    made.config["linux"]["readonlyPaths"] = []
    made.config["linux"]["maskedPaths"] = []
    (line,) = [line for line in see(pyrunc, made)["mountinfo"] if " - proc " in line]
    assert line.split()[5] == "ro,nosuid,relatime"
    assert line.split()[-1] == "ro"


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


@pytest.mark.cgroup2
@pytest.mark.parametrize("own", [True, False])
def test_the_hierarchy_of_v2(bundle: BundleFactory, pyrunc: Pyrunc, own: bool) -> None:
    """With a cgroup namespace the container's own cgroup is its top, without one there is a bind of the host's."""
    made = bundle("grep ' /sys/fs/cgroup ' /proc/self/mountinfo; cat /sys/fs/cgroup/cgroup.procs; ls /sys/fs/cgroup")
    linux = made.config["linux"]
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "cgroup"]
    linux["namespaces"] += [{"type": "cgroup"}] * own
    mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"]}
    others = [entry for entry in made.config["mounts"] if entry["destination"] != "/sys/fs/cgroup"]
    made.config["mounts"] = [*others, mount]
    lines = pyrunc.ok("run", "--bundle", made.save(), pyrunc.new_id()).stdout.splitlines()
    fields = lines[0].split()
    assert fields[fields.index("-") + 1] == "cgroup2"
    assert {"ro", "nosuid"} <= set(fields[5].split(","))
    assert fields[3] == "/"
    assert "rw" in fields[-1].split(","), "the host's own file system has become read-only"
    assert ("1" in lines[1:]) == own
    assert ("cgroup.events" in lines) == own, "the host's first cgroup has no such file"


def test_readonly_root_with_a_working_directory(rootfs: str) -> None:
    config = {"root": {"path": "rootfs", "readonly": True}, "process": {"cwd": "/home/me"}, "mounts": [BOUND_DEV]}

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


def test_label_of_a_root_directory() -> None:
    """mqueue takes no context=.  That the attribute is there can be seen on any kernel, on a tmpfs."""
    mount = make_mount("tmpfs", "t", [], 0)
    try:
        set_label(mount, "system_u:object_r:container_file_t:s0:c1,c2")
        root = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=mount)
        try:
            assert os.getxattr(root, "security.selinux") == b"system_u:object_r:container_file_t:s0:c1,c2\0"
        finally:
            os.close(root)
    finally:
        os.close(mount)
