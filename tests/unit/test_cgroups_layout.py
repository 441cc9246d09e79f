"""Finding the hierarchies, on pictures of hosts made of files."""

from pathlib import Path

import pytest

from pyrunc.cgroups import layout
from pyrunc.cgroups.layout import detect, parse_memberships, unescape

HYBRID = """\
12:name=elogind:/other
11:cpu,cpuacct:/own
10:memory:/own
1:name=systemd:/
0::/own
"""


def host(tmp_path: Path, cgroup: str, mountinfo: str, *folders: str) -> "tuple[str, str]":
    """A root like /sys/fs/cgroup and a directory like /proc/self."""
    root, proc = tmp_path / "cgroup", tmp_path / "proc"
    proc.mkdir()
    (proc / "cgroup").write_text(cgroup)
    (proc / "mountinfo").write_text(mountinfo)
    for folder in folders:
        (root / folder).mkdir(parents=True)
    return str(root), str(proc)


def test_memberships() -> None:
    assert parse_memberships(HYBRID) == {
        "cpu,cpuacct": "/own",
        "memory": "/own",
        "systemd": "/",
        "unified": "/own",
    }


def test_a_path_may_have_colons() -> None:
    assert parse_memberships("3:pids:/a:b\n0::/c:d\n") == {"pids": "/a:b", "unified": "/c:d"}


def test_hybrid_with_controllers_mounted_together(tmp_path: Path) -> None:
    root, proc = host(tmp_path, HYBRID, "", "cpu,cpuacct", "memory", "systemd", "unified")
    (Path(root) / "cpu").symlink_to("cpu,cpuacct")
    (Path(root) / "cpuacct").symlink_to("cpu,cpuacct")
    found = detect(root, proc)
    assert found.version == 1
    assert found.hierarchies == {
        "cpu": f"{root}/cpu,cpuacct",
        "cpuacct": f"{root}/cpu,cpuacct",
        "memory": f"{root}/memory",
        "systemd": f"{root}/systemd",
        "unified": f"{root}/unified",
    }
    assert found.own["cpu"] == found.own["memory"] == "/own"


@pytest.mark.parametrize("folder", ["cpuacct,cpu", "cpuacct"])
def test_other_names_of_controllers_mounted_together(tmp_path: Path, folder: str) -> None:
    root, proc = host(tmp_path, "4:cpu,cpuacct:/\n", "", folder)
    assert detect(root, proc).hierarchies == {"cpu": f"{root}/{folder}", "cpuacct": f"{root}/{folder}"}


def test_unusual_places_come_from_mountinfo(tmp_path: Path) -> None:
    table = (
        "30 20 0:30 / /run/my\\040cgroups/mem rw,relatime - cgroup cgroup rw,memory\n"
        "31 20 0:31 / /run/v2 rw - cgroup2 cgroup2 rw,nsdelegate\n"
        "32 20 0:32 / /run/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "33 20 0:33 / /proc rw - proc proc rw\n"
    )
    root, proc = host(tmp_path, "2:pids:/\n3:memory:/\n1:name=systemd:/\n0::/\n", table)
    assert detect(root, proc).hierarchies == {
        "memory": "/run/my cgroups/mem",
        "unified": "/run/v2",
        "systemd": "/run/systemd",
    }


def test_only_a_part_of_a_hierarchy_is_mounted(tmp_path: Path) -> None:
    """A container without its own cgroup namespace: its cgroup is mounted as if it were the top."""
    root, proc = host(tmp_path, "2:pids:/docker/abc/inner\n", "", "pids")
    line = f"40 20 0:40 /docker/abc {root}/pids rw - cgroup cgroup rw,pids\n"
    (Path(proc) / "mountinfo").write_text(line)
    assert detect(root, proc).own == {"pids": "/inner"}


def test_pure_v2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, proc = host(tmp_path, "0::/\n", "")
    monkeypatch.setattr(layout, "filesystem_type", lambda _path: layout.CGROUP2_SUPER_MAGIC)
    found = detect(root, proc)
    assert (found.version, found.hierarchies, found.own) == (2, {"unified": root}, {"unified": "/"})


def test_nothing_is_mounted(tmp_path: Path) -> None:
    root, proc = host(tmp_path, "2:pids:/\n0::/\n", "")
    assert detect(root, proc).hierarchies == {}


def test_unescape() -> None:
    assert unescape("a\\040b\\011c\\012d\\134e") == "a b\tc\nd\\e"
