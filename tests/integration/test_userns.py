"""User namespaces: new ones with maps of several ranges, joined ones, and what a container's root may do there."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import leaks
from tests.support.bundles import Bundle, BundleFactory
from tests.support.inside import probe, refused, see
from tests.support.namespaces import NamespaceHolder
from tests.support.rootfs import give_to
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

BASE = 300000


def mapped(made: Bundle, *ranges: "tuple[int, int, int]", owner: int = BASE) -> Bundle:
    """Changes the bundle to one with a user namespace of its own with those maps (container id, host id, size)."""
    linux = made.config["linux"]
    linux["namespaces"].append({"type": "user"})
    maps = [{"containerID": inside, "hostID": outside, "size": size} for inside, outside, size in ranges]
    linux["uidMappings"] = linux["gidMappings"] = maps or [{"containerID": 0, "hostID": BASE, "size": 65536}]
    give_to(made.rootfs, owner, owner)
    return made.save()


def words(lines: "list[str]") -> list[list[int]]:
    return [[int(number) for number in line.split()] for line in lines]


def test_maps(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    ranges = [(0, BASE, 10), (10, 400000, 65000), (100000, BASE + 10, 5)]
    made = mapped(probe(bundle, user={"uid": 12, "gid": 100003, "additionalGids": [3, 64000]}), *ranges)
    made.config["linux"]["gidMappings"] = [{"containerID": c, "hostID": h + 1, "size": s} for c, h, s in ranges]
    seen = see(pyrunc, made)
    assert words(seen["uid_map"]) == [list(entry) for entry in ranges]
    assert words(seen["gid_map"]) == [[c, h + 1, s] for c, h, s in ranges]
    assert seen["setgroups"] == "allow"
    assert (seen["uid"], seen["gid"], sorted(seen["groups"])) == ([12] * 3, [100003] * 3, [3, 64000])


def test_the_host_sees_mapped_ids(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = mapped(bundle(("/bin/sleep", "1000")))
    made.config["process"]["user"] = {"uid": 1000, "gid": 1001}
    made.save()
    container_id, _ = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    pyrunc.ok("start", container_id)
    status = os.stat(f"/proc/{pid}")
    assert (status.st_uid, status.st_gid) == (BASE + 1000, BASE + 1001)


def test_root_of_the_container_is_none_outside(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    script = "id -u; hostname other && hostname; mount -t tmpfs x /tmp && echo mounted; chown 5 /file && echo chowned; "
    script += "echo 1 > /proc/sys/kernel/printk || echo refused; mknod /dev/shm/x c 1 3 || echo no device"
    made = mapped(bundle(script))
    made.config["process"]["capabilities"] = {
        name: ["CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_MKNOD"] for name in ("bounding", "permitted", "effective")
    }
    made.config["root"]["readonly"] = False
    (made.rootfs / "file").touch()
    os.chown(made.rootfs / "file", BASE, BASE)
    made.save()
    result = pyrunc.run(made)
    assert result.stdout == "0\nother\nmounted\nchowned\nrefused\nno device\n", result
    assert (made.rootfs / "file").stat().st_uid == BASE + 5


def test_devices_are_the_hosts(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = mapped(probe(bundle, "stat:/dev/null", "stat:/dev/tty", "stat:/dev/ptmx", "stat:/dev/fd"))
    seen = see(pyrunc, made)["stat"]
    assert (seen["/dev/null"]["major"], seen["/dev/null"]["minor"]) == (1, 3)
    assert (seen["/dev/tty"]["major"], seen["/dev/tty"]["minor"]) == (5, 0)
    assert seen["/dev/null"]["mode"] == 0o666
    assert seen["/dev/fd"]["type"] == 0o12


def test_every_default_mount_is_there(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    seen = see(pyrunc, mapped(probe(bundle)))
    places = {line.split()[4] for line in seen["mountinfo"]}
    assert places >= {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"}


def test_exec(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = mapped(bundle(("/bin/sleep", "1000")))
    container_id, _ = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    pyrunc.ok("start", container_id)
    seen = pyrunc.ok("exec", "--user", "5:6", "--additional-gids", "7", container_id, "/bin/probe").json()
    assert (seen["uid"], seen["gid"], seen["groups"]) == ([5] * 3, [6] * 3, [7])
    assert seen["namespaces"] == {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in seen["namespaces"]}
    assert pyrunc.ok("exec", "--cap", "CAP_SYS_ADMIN", container_id, "id", "-u").stdout == "0\n"


def test_keyring_limits_and_scores(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """What the runtime must do before the process loses the host's privileges."""
    made = probe(bundle, oomScoreAdj=55, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}])
    seen = see(pyrunc, mapped(made))
    assert seen["oom_score_adj"] == "55"
    assert seen["rlimits"]["NOFILE"] == [77, 88]
    assert "_ses." in seen["keyring"]["description"]


def test_unmapped_user(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = mapped(probe(bundle, user={"uid": 70000, "gid": 0}))
    refused(pyrunc, made, "/process/user/uid: 70000 is not mapped by linux.uidMappings")


def test_no_root_in_the_map(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The file system is made by the namespace's root: without one the message says what is missing."""
    made = mapped(probe(bundle, user={"uid": 5, "gid": 5}), (1, BASE + 1, 1000))
    refused(pyrunc, made, "become gid 0 of the user namespace", "invalid argument")


@pytest.mark.parametrize(
    "ranges",
    [
        [(0, BASE, 10), (5, BASE + 100, 10)],
        [(0, BASE, 10), (20, BASE + 5, 10)],
    ],
)
def test_overlapping_ranges(ranges: Any, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    result = pyrunc.run(mapped(bundle(), *ranges).save())
    assert result.returncode == 1
    assert "/linux/uidMappings/1: overlaps entry 0" in result.stderr.splitlines()


def test_joined(bundle: BundleFactory, pyrunc: Pyrunc, holder: Callable[..., NamespaceHolder]) -> None:
    """A namespace of another container, as pods share it, with what depends on it; setgroups is denied there."""
    held = holder("user", "network", "ipc", "uts")
    made = probe(bundle)
    made.config.pop("hostname")
    made.config["linux"]["namespaces"] = [{"type": kind} for kind in ("pid", "mount")] + [
        {"type": kind, "path": held.path(kind)} for kind in ("user", "network", "ipc", "uts")
    ]
    # The holder's map has id 0 only.
    pts = next(mount for mount in made.config["mounts"] if mount["type"] == "devpts")
    pts["options"] = [option for option in pts["options"] if not option.startswith("gid=")]
    seen = see(pyrunc, made)
    assert seen["namespaces"]["user"] == f"user:[{held.inode('user')}]"
    assert seen["setgroups"] == "deny"
    assert words(seen["uid_map"]) == [[0, 0, 1]]
    made.config["process"]["user"]["additionalGids"] = [0]
    refused(pyrunc, made, "setgroups")


def test_joined_from_a_container(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    before = leaks.mounts()
    first = mapped(bundle(("/bin/sleep", "1000")))
    container_id, _ = pyrunc.create(first)
    pid = pyrunc.state(container_id)["pid"]
    second = probe(bundle, user={"uid": 3, "gid": 4, "additionalGids": [5]})
    give_to(second.rootfs, BASE, BASE)
    names = {"user": "user", "network": "net", "ipc": "ipc", "uts": "uts"}
    second.config.pop("hostname")
    second.config["linux"]["namespaces"] = [{"type": "pid"}, {"type": "mount"}] + [
        {"type": kind, "path": f"/proc/{pid}/ns/{name}"} for kind, name in names.items()
    ]
    seen = see(pyrunc, second)
    for name in names.values():
        assert seen["namespaces"][name] == os.readlink(f"/proc/{pid}/ns/{name}")
    assert (seen["uid"], seen["gid"], seen["groups"]) == ([3] * 3, [4] * 3, [5])
    assert not [mount for mount in leaks.mounts() - before if leaks.prefix() in mount]
