"""--no-pivot: the root is moved over "/", and the host's procfs and sysfs do not stay below it."""

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
