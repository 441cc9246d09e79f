"""config-linux.md: namespaces, id mappings, time offsets."""

from pathlib import Path
from typing import Any

import pytest

from conformance.command import Runtime
from conformance.requirement import MUST, check, drop, forgive, garble
from tests.support.bundles import Bundle
from tests.support.namespaces import FLAGS, NamespaceHolder
from tests.support.rootfs import give_to

SECTION = "config-linux.md#namespaces"
DEFAULT = ("pid", "network", "ipc", "uts", "mount")


def with_namespaces(oci: Runtime, *entries: "str | dict[str, str]") -> Bundle:
    """A bundle with the probe and exactly these namespaces."""
    made = oci.probe()
    made.config.pop("hostname", None)
    made.config["linux"]["namespaces"] = [entry if isinstance(entry, dict) else {"type": entry} for entry in entries]
    if "network" not in entries:
        # Only who owns the network namespace may mount sysfs.
        made.config["mounts"] = [entry for entry in made.config["mounts"] if entry["type"] != "sysfs"]
    return made


def ours(kind: str) -> str:
    """The caller's own namespace of a kind, as the probe names it."""
    return str(Path(f"/proc/self/ns/{FLAGS[kind][1]}").readlink())


def theirs(seen: dict[str, Any], kind: str) -> str:
    """The container's."""
    return str(seen["namespaces"][FLAGS[kind][1]])


def without(made: Bundle, kind: str) -> int:
    """The index of a namespace in the configuration."""
    return [entry["type"] for entry in made.config["linux"]["namespaces"]].index(kind)


@check(
    400,
    MUST,
    SECTION,
    "a namespace without a path is a new one",
    *(drop(f"/linux/namespaces/{index}") for index in range(len(DEFAULT) - 1)),
)
def test_new(oci: Runtime) -> None:
    seen = oci.see(with_namespaces(oci, *DEFAULT))
    assert [kind for kind in DEFAULT if theirs(seen, kind) == ours(kind)] == []


@check(
    401,
    MUST,
    SECTION,
    "a namespace that is not listed is the runtime's",
    garble("/linux/namespaces/2", {"type": "ipc"}),
)
def test_inherited(oci: Runtime) -> None:
    seen = oci.see(with_namespaces(oci, "pid", "mount", "uts"))
    assert theirs(seen, "network") == ours("network")
    assert theirs(seen, "ipc") == ours("ipc")


@check(
    402, MUST, SECTION, "a namespace with a path is joined", *(drop(f"/linux/namespaces/{n}/path") for n in range(3))
)
def test_joined(oci: Runtime) -> None:
    holder = NamespaceHolder(("network", "ipc", "uts"))
    try:
        entries = [{"type": kind, "path": holder.path(kind)} for kind in ("network", "ipc", "uts")]
        made = with_namespaces(oci, *entries, "pid", "mount")
        seen = oci.see(made)
        for kind in ("network", "ipc", "uts"):
            assert theirs(seen, kind) == str(Path(holder.path(kind)).readlink())
    finally:
        holder.close()


@check(
    403,
    MUST,
    SECTION,
    "a path that is a namespace of another type is an error",
    forgive("create"),
    drop("/linux/namespaces/0/path"),
)
def test_wrong_type(oci: Runtime) -> None:
    oci.refuses(with_namespaces(oci, {"type": "network", "path": "/proc/self/ns/uts"}, "pid", "mount"))


@check(404, MUST, SECTION, "the same type twice is an error", forgive("create"), drop("/linux/namespaces/1"))
def test_twice(oci: Runtime) -> None:
    oci.refuses(with_namespaces(oci, "uts", "uts", "pid", "mount"))


@check(405, MUST, SECTION, "a path that is not there is an error", forgive("create"), drop("/linux/namespaces/0/path"))
def test_missing_path(oci: Runtime) -> None:
    oci.refuses(with_namespaces(oci, {"type": "uts", "path": "/no/such/namespace"}, "pid", "mount"))


@check(406, MUST, SECTION, "in a new pid namespace the container's process is the first", drop("/linux/namespaces/0"))
def test_pid_one(oci: Runtime) -> None:
    assert oci.see(with_namespaces(oci, "pid", "mount"))["pid"] == 1


@check(407, MUST, SECTION, "a cgroup namespace shows the container's cgroup as /", drop("/linux/namespaces/5"))
def test_cgroup_namespace(oci: Runtime) -> None:
    seen = oci.see(with_namespaces(oci, *DEFAULT, "cgroup"))
    assert theirs(seen, "cgroup") != ours("cgroup")


def with_users(oci: Runtime) -> Bundle:
    """A bundle whose container has a user namespace: 0 to 999 are 100000 to 100999 of the host."""
    made = with_namespaces(oci, *DEFAULT, "user")
    mapping = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    made.config["linux"].update(uidMappings=mapping, gidMappings=mapping)
    give_to(made.rootfs, 100000, 100000)
    return made


@check(
    410,
    MUST,
    "config-linux.md#user-namespace-mappings",
    "uidMappings and gidMappings are the maps of the user namespace",
    garble("/linux/uidMappings/0/size", 500),
    garble("/linux/gidMappings/0/size", 500),
    garble("/linux/uidMappings/0/hostID", 0),
)
def test_user_maps(oci: Runtime) -> None:
    seen = oci.see(with_users(oci))
    assert theirs(seen, "user") != ours("user")
    assert [line.split() for line in seen["uid_map"]] == [["0", "100000", "1000"]]
    assert [line.split() for line in seen["gid_map"]] == [["0", "100000", "1000"]]


@check(
    411,
    MUST,
    "config-linux.md#user-namespace-mappings",
    "several mappings are all written",
    drop("/linux/uidMappings/1"),
)
def test_several_maps(oci: Runtime) -> None:
    made = with_users(oci)
    made.config["linux"]["uidMappings"] = [
        {"containerID": 0, "hostID": 100000, "size": 100},
        {"containerID": 500, "hostID": 200000, "size": 5},
    ]
    lines = [line.split() for line in oci.see(made)["uid_map"]]
    assert lines == [["0", "100000", "100"], ["500", "200000", "5"]]


@check(
    412,
    MUST,
    "config-linux.md#user-namespace-mappings",
    "the process's ids are those of the user namespace",
    drop("/linux/namespaces/5"),
    garble("/process/user/uid", 0),
)
def test_mapped_user(oci: Runtime) -> None:
    made = with_users(oci)
    made.config["process"]["user"] = {"uid": 77, "gid": 78}
    made.config["process"]["args"] = ["/bin/sh", "-c", "id -u > /tmp/uid; id -g >> /tmp/uid"]
    assert oci.run(made.save()).returncode == 0
    written = made.rootfs / "tmp/uid"
    assert written.read_text().split() == ["77", "78"]
    assert (written.stat().st_uid, written.stat().st_gid) == (100077, 100078)


@check(
    420, MUST, "config-linux.md#time-offsets", "timeOffsets are those of the time namespace", drop("/linux/timeOffsets")
)
def test_time_offsets(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    if not Path("/proc/self/ns/time").exists():
        pytest.skip("this kernel has no time namespaces")
    made = with_namespaces(oci, *DEFAULT, "time")
    made.config["linux"]["timeOffsets"] = {"monotonic": {"secs": 1000, "nanosecs": 5}, "boottime": {"secs": 77}}
    seen = oci.see(made)
    assert [line.split() for line in seen["timens_offsets"]] == [["monotonic", "1000", "5"], ["boottime", "77", "0"]]


@check(
    421,
    MUST,
    "config-linux.md#time-offsets",
    "timeOffsets without a time namespace is an error",
    forgive("create"),
    drop("/linux/timeOffsets"),
)
def test_offsets_without_namespace(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    made = with_namespaces(oci, *DEFAULT)
    made.config["linux"]["timeOffsets"] = {"monotonic": {"secs": 1000}}
    oci.refuses(made)
