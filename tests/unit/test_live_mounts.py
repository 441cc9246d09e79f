"""What can be added to a container that is there, what can be taken from it, and what is remembered of it."""

from typing import Any

import pytest

from pyrunc.cgroups.layout import Layout
from pyrunc.errors import ConfigError, PyruncError
from pyrunc.live_mounts import check, forget
from pyrunc.operations.live import made_outside, plan_added, why_kept, why_not

V2 = Layout(2, {"unified": "/sys/fs/cgroup"}, {"unified": "/"})
CONFIG: dict[str, Any] = {
    "ociVersion": "1.3.0",
    "root": {"path": "rootfs"},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {
        "namespaces": [{"type": "mount"}],
        "maskedPaths": ["/proc/kcore", "/srv/./secret/"],
        "readonlyPaths": ["/usr"],
    },
}


def told(*mounts: dict[str, Any]) -> list[str]:
    operations = plan_added([*mounts], CONFIG, bundle="/bundle", layout=V2, has_own={"mount"})
    return [f"{operation.place}: {operation.describe()}" for operation in operations]


def test_only_the_new_ones_are_planned() -> None:
    assert told(
        {"destination": "/a", "source": "data", "options": ["bind"]},
        {"destination": "t", "type": "tmpfs", "source": "t", "options": ["ro"]},
        {"destination": "/t/b", "type": "tmpfs", "source": "t"},
    ) == [
        "mounts[0] (/a): bind /bundle/data on /a",
        "mounts[1] (t): mount tmpfs on /t",
        "mounts[2] (/t/b): mount tmpfs on /t/b",
        "mounts[1] (t): make /t read-only",
    ]


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ({"destination": "/.", "type": "tmpfs"}, "the root of a container cannot be mounted over"),
        ({"destination": "/a", "options": ["remount", "bind", "ro"]}, "remount changes a mount and adds none"),
        ({"destination": "/a", "type": "proc"}, "a mount of type proc can only be made when the container is created"),
        ({"destination": "/a", "type": "cgroup"}, "a mount of type cgroup can only be made when the container"),
        ({"destination": "/a", "type": "tmpfs", "options": ["silent"]}, "silent, iversion and values of more than"),
        ({"destination": "/a", "type": "overlay", "options": ["lowerdir=" + "x" * 256]}, "silent, iversion and values"),
    ],
)
def test_what_only_create_can_do(mount: dict[str, Any], reason: str) -> None:
    with pytest.raises(PyruncError, match=reason):
        told({"destination": "/first", "type": "tmpfs"}, mount)


def test_a_bind_goes_by_its_option() -> None:
    for fstype in ("proc", "cgroup", "none", ""):
        assert why_not({"destination": "/a", "type": fstype, "source": "/b", "options": ["rbind", "silent"]}) == ""


def test_what_may_look_up_a_path_is_made_outside() -> None:
    mounts = [
        {"destination": f"/{fstype}", "type": fstype, "source": "s"}
        for fstype in ("tmpfs", "ext4", "mqueue", "overlay", "sysfs", "devpts", "9p")
    ]
    operations = plan_added(mounts, CONFIG, bundle="/bundle", layout=V2, has_own={"mount"})
    assert [step.describe() for step in made_outside(operations)] == [
        "mount ext4 on /ext4",
        "mount overlay on /overlay",
        "mount 9p on /9p",
    ]


@pytest.mark.parametrize(
    ("destination", "kept"),
    [
        ("/", True),
        ("/proc", True),
        ("/proc/kcore", True),
        ("/proc/meminfo", False),
        ("/srv/secret", True),
        ("/usr", True),
        ("/usr/share", False),
        ("/sys", False),
        ("/process", False),
    ],
)
def test_what_stays(destination: str, kept: bool) -> None:
    assert bool(why_kept(destination, CONFIG)) == kept


def test_the_last_of_a_place_is_forgotten() -> None:
    listed = [{"destination": place} for place in ("/a", "b/", "/a/.", "/c")]
    forget(listed, "/a")
    forget(listed, "/b")
    forget(listed, "/nowhere")
    assert [mount["destination"] for mount in listed] == ["/a", "/c"]


@pytest.mark.parametrize(
    ("mounts", "problem"),
    [
        ([{"destination": "/a"}, {"source": "/b"}], "the list of mounts: /1/destination: is required"),
        ([{"destination": "/a", "options": "ro"}], "the list of mounts: /0/options: must be an array"),
        (["/a"], "the list of mounts: /0: must be an object"),
        ([{"destination": "/a", "options": ["idmap"]}], "idmap needs uidMappings and gidMappings, or a user namespace"),
    ],
)
def test_problems_point_into_the_list(mounts: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        check(mounts, CONFIG)
