"""The file system stage in a user namespace, whose root the builder has become."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc import syscalls
from pyrunc.operations.build import Build
from tests.support.filesystem import Failed, mountinfo, perform, plan

pytestmark = pytest.mark.root

FIRST = 100_000
IDS = [(0, FIRST, 65536)]
KINDS = ("mount", "user", "pid", "network", "ipc", "cgroup")
DEV = {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]}


@pytest.fixture
def rootfs(folder: Path) -> str:
    """The path of an empty root file system that belongs to the container's root."""
    for name in ("rootfs", "source"):
        (folder / name).mkdir()
        os.chown(folder / name, FIRST, FIRST)
    return str(folder / "rootfs")


@pytest.fixture
def locked(folder: Path) -> Iterator[str]:
    """A mount of the host that is read-only, nosuid, nodev, noexec and noatime."""
    point = folder / "locked"
    point.mkdir()
    syscalls.mount("pyrunc-test", str(point), "tmpfs", 0x40F)
    yield str(point)
    syscalls.umount2(str(point), 2)


def run(rootfs: str, *mounts: dict[str, Any], look: Any = None, kinds: tuple[str, ...] = KINDS, **more: Any) -> Any:
    config = {"mounts": list(mounts), "linux": more.pop("linux", {})}
    operations = plan(config, os.path.dirname(rootfs), kinds)
    return perform(operations, rootfs, look or (lambda _: mountinfo()), kinds=kinds, ids=IDS, **more)


def test_file_systems_and_devices(rootfs: str) -> None:
    def look(_: Build) -> Any:
        status = os.stat("/dev/null")
        with open("/dev/null", "w") as null:
            null.write("x")
        with open("/proc/1/uid_map") as file:
            ids = file.read().split()
        return mountinfo(), [os.major(status.st_rdev), os.minor(status.st_rdev)], ids

    table, null, ids = run(
        rootfs,
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "gid=5"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid", "noexec", "nodev"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]},
        look=look,
        linux={"maskedPaths": ["/proc/keys", "/sys/firmware"], "readonlyPaths": ["/proc/sys"]},
    )
    assert null == [1, 3]
    assert ids[:2] == ["0", "0"] or ids[:2] == ["0", str(FIRST)]
    assert table["/dev/null"]["type"] == "devtmpfs"
    assert "ro" in table["/proc/sys"]["options"]
    assert table["/proc/keys"]["root"] == "/null"
    assert table["/sys/firmware"]["type"] == "tmpfs"


@pytest.mark.parametrize("entered", [False, True])
def test_the_hosts_locks_hold(rootfs: str, locked: str, entered: bool) -> None:
    """What the host mounted read-only, nosuid, nodev, noexec stays so even for the container's root."""

    def look(_: Build) -> Any:
        fd = os.open("/data", os.O_PATH)
        errnos = []
        for attribute in (1, 2, 4, 8, 0x10):
            try:
                syscalls.mount_setattr(fd, 0x1000, clear=0x70 if attribute == 0x10 else attribute)
                errnos.append(0)
            except OSError as error:
                errnos.append(error.errno or 0)
        return errnos

    bind = {"destination": "/data", "source": locked, "options": ["rbind"]}
    assert run(rootfs, bind, DEV, look=look, entered=entered) == [1] * 5


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["rw"], "ro"),
        (["suid", "dev", "nosymfollow"], "nosuid, nodev"),
        (["exec"], "noexec"),
        (["relatime"], "noatime"),
        (["rexec", "rsuid"], "nosuid, noexec"),
    ],
)
def test_locked_attributes_are_named(rootfs: str, locked: str, words: list[str], named: str) -> None:
    with pytest.raises(Failed) as caught:
        run(rootfs, {"destination": "/data", "source": locked, "options": ["rbind", *words]}, DEV)
    assert str(caught.value) == (
        f"mounts[0] (/data): bind {locked} on /data: "
        f"cannot clear {named}: locked by the user namespace that the mount comes from"
    )
    assert caught.value.errno == 1


def test_more_attributes_on_a_locked_mount(rootfs: str, locked: str) -> None:
    table = run(rootfs, {"destination": "/d", "source": locked, "options": ["rbind", "ro", "nosymfollow"]}, DEV)
    assert set(table["/d"]["options"]) == {"ro", "nosuid", "nodev", "noexec", "noatime", "nosymfollow"}


def test_a_plain_bind_cannot_uncover_what_is_below(rootfs: str, folder: Path) -> None:
    (folder / "source/m").mkdir()
    syscalls.mount("pyrunc-test", str(folder / "source/m"), "tmpfs", 0)
    try:
        with pytest.raises(Failed, match=r"invalid argument \(in a user namespace .*: use rbind\)"):
            run(rootfs, {"destination": "/d", "source": "source", "options": ["bind"]}, DEV)
        assert "/d/m" in run(rootfs, {"destination": "/d", "source": "source", "options": ["rbind"]}, DEV)
    finally:
        syscalls.umount2(str(folder / "source/m"), 2)


def test_sources_that_only_the_runtime_can_reach(rootfs: str, folder: Path) -> None:
    """When prepare() is called in the mount namespace with the runtime's rights."""
    (folder / "private").mkdir(mode=0o700)
    (folder / "private/data").mkdir()
    (folder / "private/rootfs").mkdir()
    os.chown(folder / "private/rootfs", FIRST, FIRST)
    bind = {"destination": "/d", "source": "data", "options": ["bind"]}
    assert "/d" in run(str(folder / "private/rootfs"), bind, DEV, entered=True)
    with pytest.raises(Failed, match="permission denied"):
        run(str(folder / "private/rootfs"), bind, DEV, entered=False)


@pytest.mark.parametrize("entered", [False, True])
@pytest.mark.parametrize("maps", [False, True], ids=["own ids", "other ids"])
def test_idmapped_bind(rootfs: str, folder: Path, entered: bool, maps: bool) -> None:
    """Ids on disk from 0 (or 7) appear as the container's own."""
    (folder / "source/file").write_text("")
    os.chown(folder / "source", 7 if maps else 0, 7 if maps else 0)
    os.chown(folder / "source/file", 12 if maps else 5, 12 if maps else 5)
    bind: dict[str, Any] = {"destination": "/d", "source": "source", "options": ["bind", "idmap"]}
    if maps:
        for name in ("uidMappings", "gidMappings"):
            bind[name] = [{"containerID": 7, "hostID": FIRST, "size": 100}]

    def look(_: Build) -> Any:
        return [os.stat("/d").st_uid, os.stat("/d/file").st_uid, os.stat("/d/file").st_gid]

    assert run(rootfs, bind, DEV, look=look, entered=entered) == [0, 5, 5]


def test_sysfs_of_another_network_namespace(rootfs: str) -> None:
    with pytest.raises(Failed) as caught:
        run(rootfs, {"destination": "/sys", "type": "sysfs", "source": "sysfs"}, DEV, kinds=("mount", "user"))
    assert str(caught.value).endswith("operation not permitted")
    assert caught.value.hint.startswith("mounting sysfs in a user namespace needs a network namespace")


def test_cgroups_of_the_host_are_read_only(rootfs: str) -> None:
    """CVE-2023-25809: without a cgroup namespace, by a cgroup mount and by a bind of /sys."""
    cgroup = {"destination": "/c", "type": "cgroup", "source": "cgroup", "options": ["rw"]}
    sys = {"destination": "/sys", "source": "/sys", "options": ["rbind", "ro"]}
    table = run(rootfs, cgroup, sys, DEV, kinds=("mount", "user"))
    cgroups = [path for path in table if path.startswith(("/c", "/sys")) and table[path]["type"].startswith("cgroup")]
    assert len(cgroups) > 1
    assert all("ro" in table[path]["options"] for path in cgroups)
