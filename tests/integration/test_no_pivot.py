"""--no-pivot: the root is moved over "/", and the host's procfs and sysfs do not stay below it."""

from pathlib import Path

import pytest

from pyrunc.operations.host_mounts import interfaces
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc

MOUNTINFO = """\
21 1 254:0 / / rw - ext4 /dev/vda rw
22 21 0:5 / /proc rw - proc proc rw
23 22 0:6 / /proc/sys/fs/binfmt_misc rw - binfmt_misc none rw
24 21 0:7 / /sys rw shared:3 - sysfs sysfs rw
25 21 0:8 / /srv/a\\040b rw - proc proc rw
26 21 0:9 / /bundle/rootfs rw - ext4 /dev/vda rw
27 26 0:10 / /bundle/rootfs/proc rw - proc proc rw
28 26 0:11 / /bundle/rootfs2 rw - sysfs sysfs rw
"""


def test_what_is_hidden() -> None:
    assert interfaces(MOUNTINFO, "/bundle/rootfs") == ["/proc", "/sys", "/srv/a b", "/bundle/rootfs2"]


def test_runs_with_its_own_root(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle("ls /; cat /proc/self/mountinfo")
    (made.rootfs / "marker").touch()
    result = pyrunc("run", "--no-pivot", "--bundle", str(made), "c1")
    assert result.returncode == 0, result
    listing = result.stdout.split("\n")
    assert "marker" in listing
    points = [line.split(" ")[4] for line in listing if " - " in line]
    assert points.count("/proc") == 1
    assert not any(point.startswith(str(made.path)) for point in points)


def test_exec_finds_the_moved_root(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(["/bin/sleep", "60"])
    (made.rootfs / "marker").touch()
    pyrunc("run", "--detach", "--no-pivot", "--bundle", str(made), "c1")
    result = pyrunc("exec", "c1", "/bin/ls", "/")
    assert "marker" in result.stdout.split(), result


@pytest.mark.parametrize("options", [[], ["--no-pivot"]], ids=["pivot", "no pivot"])
def test_no_bare_procfs_by_way_of_the_hosts(bundle: BundleFactory, pyrunc: Pyrunc, options: "list[str]") -> None:
    """A user namespace may have a procfs of its own only where a whole one is to be seen: the host's, below the moved
    root, would be one, while the container's own has masks (runc#1962)."""
    made = bundle("unshare -mrpf mount -t proc none /proc")
    made.config["process"]["user"] = {"uid": 1000, "gid": 1000}  # who may map itself without CAP_SETFCAP
    result = pyrunc.run(made.save(), *options)
    assert result.returncode == 1
    assert result.stderr == "mount: permission denied (are you root?)\n"


def test_createcontainer_hooks_still_have_the_hosts_procfs(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """What is hidden is hidden after them."""
    made = bundle(["/bin/true"])
    out = folder / "out"
    command = f"cat /proc/1/comm > {out}"
    made.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", command]}]}
    result = pyrunc.run(made.save(), "--no-pivot")
    assert result.returncode == 0, result
    assert out.read_text()
