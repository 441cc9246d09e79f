"""The plan of the file system stage, for recorded configurations and for what cannot be asked for."""

import json
from pathlib import Path
from typing import Any

import pytest

from pyrunc.cgroups.layout import Layout
from pyrunc.errors import PyruncError
from pyrunc.operations.base import Operation
from pyrunc.operations.bind import BindMount
from pyrunc.operations.filesystem import FilesystemMount
from pyrunc.operations.plan import plan_filesystem

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
CONFIGS = sorted(
    path.stem for path in CORPUS.glob("*.json") if "-process" not in path.stem and "resources" not in path.stem
)

HYBRID = Layout(
    1,
    {
        "cpu": "/sys/fs/cgroup/cpu,cpuacct",
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "memory": "/sys/fs/cgroup/memory",
        "systemd": "/sys/fs/cgroup/systemd",
        "unified": "/sys/fs/cgroup/unified",
    },
    {"cpu": "/", "cpuacct": "/", "memory": "/user", "systemd": "/", "unified": "/"},
)
PURE = Layout(2, {"unified": "/sys/fs/cgroup"}, {"unified": "/"})


def make_plan(config: dict[str, Any], layout: Layout = HYBRID, kinds: set[str] | None = None) -> list[Operation]:
    config = {"root": {"path": "rootfs"}, **config}
    if kinds is None:
        kinds = {entry["type"] for entry in config.get("linux", {}).get("namespaces", [{"type": "mount"}])}
    paths = {name: f"{point}/c1" for name, point in layout.hierarchies.items()}
    return plan_filesystem(config, bundle="/bundle", layout=layout, cgroup_paths=paths, has_own=kinds)


def told(operations: list[Operation]) -> list[str]:
    return [operation.describe() for operation in operations]


def mounts(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"mounts": list(entries)}


def load(name: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((CORPUS / f"{name}.json").read_text())
    for mount in config["mounts"]:
        # Engines' paths are long; their last two parts tell enough.
        if mount["source"].startswith("/tmp/engines/"):
            mount["source"] = "/" + "/".join(mount["source"].split("/")[-2:])
    return config


DEFAULT_DEVICES = [
    "make device /dev/null c 1:3 mode 666",
    "make device /dev/random c 1:8 mode 666",
    "make device /dev/full c 1:7 mode 666",
    "make device /dev/tty c 5:0 mode 666",
    "make device /dev/zero c 1:5 mode 666",
    "make device /dev/urandom c 1:9 mode 666",
    "make the links in /dev",
]


def test_docker_default() -> None:
    config = load("docker-run-default")
    ident = config["mounts"][7]["source"].split("/")[1]
    assert told(make_plan(config)) == [
        "make / rslave",
        "bind the root file system",
        "mount proc on /proc",
        "mount tmpfs on /dev",
        "mount devpts on /dev/pts",
        "mount sysfs on /sys",
        "mount 4 cgroup hierarchies on /sys/fs/cgroup",
        "mount mqueue on /dev/mqueue",
        "mount tmpfs on /dev/shm",
        f"bind /{ident}/resolv.conf on /etc/resolv.conf",
        f"bind /{ident}/hostname on /etc/hostname",
        f"bind /{ident}/hosts on /etc/hosts",
        *DEFAULT_DEVICES,
        "make /proc/bus read-only",
        "make /proc/fs read-only",
        "make /proc/irq read-only",
        "make /proc/sys read-only",
        "make /proc/sysrq-trigger read-only",
        "mask /proc/asound",
        "mask /proc/acpi",
        "mask /proc/kcore",
        "mask /proc/keys",
        "mask /proc/latency_stats",
        "mask /proc/timer_list",
        "mask /proc/timer_stats",
        "mask /proc/sched_debug",
        "mask /proc/scsi",
        "mask /sys/firmware",
    ]


def test_docker_volumes() -> None:
    assert told(make_plan(load("docker-run-volumes")))[:15] == [
        "make / shared",
        "bind the root file system",
        "mount proc on /proc",
        "mount tmpfs on /dev",
        "mount devpts on /dev/pts",
        "mount sysfs on /sys",
        "mount 4 cgroup hierarchies on /sys/fs/cgroup",
        "mount mqueue on /dev/mqueue",
        "mount tmpfs on /dev/shm",
        "bind /etc/hostname on /hn",
        "bind /engines/vol on /vol",
        "bind /nv/_data on /nv",
        "bind /engines/vol on /vol2",
        "mount tmpfs on /tm",
        f"bind {load('docker-run-volumes')['mounts'][12]['source']} on /etc/resolv.conf",
    ]


def test_user_namespace_binds_devices() -> None:
    lines = told(make_plan(load("docker-run-userns-remap")))
    assert lines[12:19] == [
        "bind device /dev/null",
        "bind device /dev/random",
        "bind device /dev/full",
        "bind device /dev/tty",
        "bind device /dev/zero",
        "bind device /dev/urandom",
        "make the links in /dev",
    ]


def test_restricted_pod() -> None:
    lines = told(make_plan(load("containerd-cri-restricted"), PURE))
    assert lines[-1] == "make the root file system read-only"
    assert "bind /sys/fs/cgroup on /sys/fs/cgroup" in lines


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("layout", [HYBRID, PURE], ids=["hybrid", "pure"])
def test_every_recorded_configuration(name: str, layout: Layout) -> None:
    config = json.loads((CORPUS / f"{name}.json").read_text())
    plan = make_plan(config, layout)
    lines = told(plan)
    assert lines[1] == "bind the root file system"
    assert len(lines) >= 2 + len(config["mounts"])
    late = [operation.after_hooks for operation in plan]
    assert late == sorted(late), "what has to wait for hooks must come last"


def test_order_of_the_end() -> None:
    plan = make_plan(
        {
            "root": {"path": "rootfs", "readonly": True},
            "process": {"cwd": "../home/./me"},
            "mounts": [{"destination": "run", "type": "tmpfs", "options": ["ro"]}],
            "linux": {"maskedPaths": ["/m"], "readonlyPaths": ["/r"], "devices": []},
        }
    )
    assert told(plan) == [
        "make / rslave",
        "bind the root file system",
        "mount tmpfs on /run",
        *DEFAULT_DEVICES,
        "make the working directory /home/me",
        "make /run read-only",
        "make /r read-only",
        "mask /m",
        "make the root file system read-only",
    ]
    assert [operation.place for operation in plan[-5:]] == [
        "process.cwd",
        "mounts[0] (run)",
        "linux.readonlyPaths[0]",
        "linux.maskedPaths[0]",
        "root.readonly",
    ]


def test_mount_label() -> None:
    """For the file systems that take a context: not for those of the kernel's own, which would refuse it."""
    label = "system_u:object_r:container_file_t:s0:c1,c2"
    entries = [{"destination": f"/{kind}", "type": kind} for kind in ("tmpfs", "devpts", "proc", "sysfs", "mqueue")]
    plan = make_plan({**mounts(*entries), "linux": {"mountLabel": label}})
    words = {operation.destination: operation.words for operation in plan if isinstance(operation, FilesystemMount)}
    labelled = {destination for destination, found in words.items() if ("context", label) in found}
    assert labelled == {"/tmpfs", "/devpts"}


def test_devices() -> None:
    devices = [
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o100600, "uid": 5},
        {"path": "/srv/pipe", "type": "p"},
        {"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2},
        {"path": "/dev/sda", "type": "b", "major": 8, "minor": 0, "fileMode": 0},
    ]
    lines = told(make_plan({"linux": {"devices": devices}}))
    assert lines[2:] == [
        *DEFAULT_DEVICES[1:6],
        "make device /dev/null c 1:3 mode 600",
        "make device /srv/pipe p mode 666",
        "make device /dev/sda b 8:0 mode 0",
        "make the links in /dev",
    ]


@pytest.mark.parametrize("option", ["bind", "rbind"])
def test_a_bound_dev_is_left_alone(option: str) -> None:
    lines = told(make_plan(mounts({"destination": "/dev/", "source": "/dev", "options": [option]})))
    assert lines[2:] == ["bind /dev on /dev"]


def test_binds_go_by_the_option() -> None:
    plan = make_plan(
        mounts(
            {"destination": "/a", "type": "tmpfs", "source": "x", "options": ["rbind"]},
            {"destination": "/b", "type": "bind", "source": "/x"},
        )
    )
    assert told(plan)[2:4] == ["bind /bundle/x on /a", "bind /x on /b"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"destination": "/proc", "type": "tmpfs"}, '"/proc" cannot be mounted because it is not of type proc'),
    ({"destination": "/x/../proc/", "type": "tmpfs"}, '"/proc" cannot be mounted because it is not of type proc'),
    ({"destination": "/proc/self", "type": "tmpfs"}, '"/proc/self" cannot be mounted because it is inside /proc'),
    (
        {"destination": "/proc/sys/kernel", "source": "/x", "options": ["bind"]},
        '"/proc/sys/kernel" cannot be mounted because it is inside /proc',
    ),
    (
        {"destination": "proc/self/attr", "type": "proc", "source": "proc"},
        '"/proc/self/attr" cannot be mounted because it is inside /proc',
    ),
    (
        {"destination": "/a", "source": "/x", "options": ["bind", "size=1"]},
        "bind mounts cannot have any filesystem-specific options applied (size=1)",
    ),
    ({"destination": "/a", "options": ["bind"]}, "a bind mount needs a source"),
    ({"destination": "/a", "source": "/x"}, "a mount that is not a bind needs a type"),
    (
        {"destination": "/a", "type": "ext4", "options": ["tmpcopyup"]},
        "tmpcopyup is only possible with tmpfs, not ext4",
    ),
    (
        {"destination": "/a", "source": "/x", "options": ["bind", "idmap"]},
        "an idmapped mount without mappings needs a user namespace of the container's own",
    ),
    (
        {
            "destination": "/a",
            "source": "/x",
            "options": ["bind"],
            "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}],
        },
        "uidMappings and gidMappings of a mount must come together",
    ),
]


@pytest.mark.parametrize(("mount", "reason"), REFUSED)
def test_refused(mount: dict[str, Any], reason: str) -> None:
    with pytest.raises(PyruncError) as caught:
        make_plan(mounts(mount))
    assert caught.value.reason == reason
    assert caught.value.place == f"mounts[0] ({mount['destination']})"


@pytest.mark.parametrize(
    "path",
    [
        "/proc/cpuinfo",
        "/proc/diskstats",
        "/proc/meminfo",
        "/proc/stat",
        "/proc/swaps",
        "/proc/uptime",
        "/proc/loadavg",
        "/proc/slabinfo",
        "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/crypto/fips_enabled",
    ],
)
def test_lxcfs_files_may_be_mounted_over(path: str) -> None:
    assert (
        told(make_plan(mounts({"destination": path, "source": "/l", "options": ["bind"]})))[2] == f"bind /l on {path}"
    )


@pytest.mark.parametrize(
    ("propagation", "line", "inherited", "place"),
    [
        ("", "make / rslave", 0x84000, ""),
        ("rslave", "make / rslave", 0x84000, "linux.rootfsPropagation"),
        ("slave", "make / slave", 0x84000, "linux.rootfsPropagation"),
        ("private", "make / private", 0x44000, "linux.rootfsPropagation"),
        ("rprivate", "make / rprivate", 0x44000, "linux.rootfsPropagation"),
        ("shared", "make / shared", 0, "linux.rootfsPropagation"),
        ("rshared", "make / rshared", 0, "linux.rootfsPropagation"),
        # Nothing could be bound from an unbindable tree: it is private until all is set up.
        ("unbindable", "make / private", 0x44000, "linux.rootfsPropagation"),
        ("runbindable", "make / rprivate", 0x44000, "linux.rootfsPropagation"),
    ],
)
def test_propagation(propagation: str, line: str, inherited: int, place: str) -> None:
    plan = make_plan(
        {
            "linux": {"rootfsPropagation": propagation},
            **mounts({"destination": "/a", "source": "/x", "options": ["rbind"]}),
        }
    )
    assert (plan[0].describe(), plan[0].place) == (line, place)
    bind = plan[2]
    assert isinstance(bind, BindMount)
    assert bind.changes == ([(True, 0, 0, inherited & ~0x4000)] if inherited else [])


def test_cgroups_without_own_namespace_are_read_only_in_a_user_namespace() -> None:
    mount = mounts({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"})
    for layout in (HYBRID, PURE):
        for kinds, read_only in (({"mount"}, 0), ({"mount", "user"}, 1), ({"mount", "user", "cgroup"}, 0)):
            operation: Any = make_plan(mount, layout, kinds)[2]
            assert operation.attributes & 1 == read_only


def test_v1_hierarchies_are_the_containers_own() -> None:
    operation: Any = make_plan(mounts({"destination": "/c", "type": "cgroup"}))[2]
    assert [(each.directory, each.controllers, each.bound) for each in operation.hierarchies] == [
        ("cpu,cpuacct", ["cpu", "cpuacct"], "/sys/fs/cgroup/cpu,cpuacct/c1"),
        ("memory", ["memory"], "/sys/fs/cgroup/memory/c1"),
        ("systemd", ["systemd"], "/sys/fs/cgroup/systemd/c1"),
        ("unified", ["unified"], "/sys/fs/cgroup/unified/c1"),
    ]


def test_a_hierarchy_without_a_cgroup_of_the_container_shows_the_callers() -> None:
    """As for rootless users: what they may not make is dropped from the paths when the plan is performed."""
    paths = {name: f"{point}/c1" for name, point in HYBRID.hierarchies.items()}
    config = {"root": {"path": "rootfs"}, **mounts({"destination": "/c", "type": "cgroup"})}
    plan = plan_filesystem(config, bundle="/bundle", layout=HYBRID, cgroup_paths=paths, has_own={"mount"})
    operation: Any = plan[2]
    del paths["memory"], paths["systemd"]
    assert [each.bound for each in operation.hierarchies] == [
        "/sys/fs/cgroup/cpu,cpuacct/c1",
        "/sys/fs/cgroup/memory/user",
        "/sys/fs/cgroup/systemd/",
        "/sys/fs/cgroup/unified/c1",
    ]


def test_sys_bound_read_only_in_a_user_namespace_means_the_cgroups_too() -> None:
    mount = mounts({"destination": "/sys", "source": "/sys", "options": ["rbind", "ro"]})
    plain: Any = make_plan(mount)[2]
    inside: Any = make_plan(mount, kinds={"mount", "user"})[2]
    assert plain.changes == [(True, 0, 0, 1 << 19), (False, 1, 0, 0)]
    assert inside.changes[0] == (True, 1, 0, 1 << 19)
