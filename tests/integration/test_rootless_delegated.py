"""As an ordinary user under systemd, which has delegated a cgroup2 to the user: for who runs the tests without root."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.inside import see
from tests.support.runtime import Pyrunc

pytestmark = [
    pytest.mark.cgroup2,
    pytest.mark.skipif(os.geteuid() == 0, reason="is for an ordinary user (tests/vm/run --user user)"),
]

TOP = Path("/sys/fs/cgroup")


@pytest.fixture
def made(bundle: BundleFactory) -> Callable[..., Bundle]:
    """made(args, **linux) is a bundle that the user can run, with those members of linux."""

    def make(args: Any = ("/bin/sleep", "1000"), **linux: Any) -> Bundle:
        result = bundle(args, rootless=True)
        result.config["linux"].update(linux)
        return result.save()

    return make


def beside_the_callers() -> Path:
    """Where containers get their cgroups."""
    own = Path("/proc/self/cgroup").read_text().strip().removeprefix("0::/")
    return (TOP / own).parent


def test_its_cgroup_is_the_users(made: Callable[..., Bundle], pyrunc: Pyrunc) -> None:
    limits = {"pids": {"limit": 20}, "memory": {"limit": 100 << 20}, "cpu": {"quota": 50000, "period": 100000}}
    container_id, _ = pyrunc.create(made(resources=limits))
    pyrunc.ok("start", container_id)
    pid = pyrunc.state(container_id)["pid"]
    own = beside_the_callers() / container_id
    assert Path(f"/proc/{pid}/cgroup").read_text().strip() == f"0::{str(own).removeprefix(str(TOP))}"
    assert own.stat().st_uid == os.geteuid()
    assert (own / "pids.max").read_text() == "20\n"
    assert (own / "memory.max").read_text() == f"{100 << 20}\n"
    assert (own / "cpu.max").read_text() == "50000 100000\n"
    assert pyrunc.ok("exec", container_id, "cat", "/proc/self/cgroup").stdout == Path(f"/proc/{pid}/cgroup").read_text()
    pyrunc.ok("pause", container_id)
    assert pyrunc.state(container_id)["status"] == "paused"
    pyrunc.ok("resume", container_id)
    pyrunc.ok("update", "--memory", str(200 << 20), container_id)
    assert (own / "memory.max").read_text() == f"{200 << 20}\n"
    assert pyrunc.ok("ps", "--format", "json", container_id).json() == [pid]
    assert pyrunc.ok("events", "--stats", container_id).json()["data"]["memory"]["usage"]["limit"] == 200 << 20
    pyrunc.ok("kill", "--all", container_id, "KILL")
    pyrunc.wait_status(container_id, "stopped")
    pyrunc.ok("delete", container_id)
    assert not own.exists()


def test_a_controller_that_is_not_delegated(made: Callable[..., Bundle], pyrunc: Pyrunc) -> None:
    """The message names the limit, the controller, and which file handed it down no further."""
    result = pyrunc.run(made(resources={"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}))
    assert result.returncode == 1
    assert "linux.resources.hugepageLimits" in result.stderr
    assert "the hugetlb controller is not available in" in result.stderr
    assert result.stderr.endswith("; Delegate= of user@.service says which controllers a user has\n")
    assert pyrunc.containers() == []


def test_what_is_not_the_users(made: Callable[..., Bundle], pyrunc: Pyrunc) -> None:
    result = pyrunc.run(made(cgroupsPath="/pyrunc-test-x"))
    assert result.returncode == 1
    reason = "rootless needs no limits + no cgrouppath when no permission is granted for cgroups"
    assert f"linux.cgroupsPath: make cgroup /sys/fs/cgroup/pyrunc-test-x: {reason}" in result.stderr
    assert "systemd-run --user --scope -p Delegate=yes" in result.stderr


@pytest.mark.parametrize("mount", [True, False], ids=["own mount", "of /sys"])
def test_the_users_cgroups_cannot_be_written(mount: bool, made: Callable[..., Bundle], pyrunc: Pyrunc) -> None:
    """CVE-2023-25809, with cgroups that are really writable for the user."""
    above = beside_the_callers()
    assert os.access(above, os.W_OK)
    script = f"mkdir {above}/made && echo made; echo $$ > {above}/cgroup.procs && echo moved; echo end"
    bundle = made(("/bin/sh", "-c", script))
    if not mount:
        mounts = bundle.config["mounts"]
        bundle.config["mounts"] = [entry for entry in mounts if entry["destination"] != "/sys/fs/cgroup"]
    result = pyrunc.run(bundle.save())
    assert result.stdout == "end\n", result
    assert result.stderr.count("ead-only file system") == 2, result


def test_a_cgroup_namespace_of_its_own(made: Callable[..., Bundle], pyrunc: Pyrunc) -> None:
    """Then it may write, and reaches its own cgroup only."""
    bundle = made(
        "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/made && ls -d /sys/fs/cgroup/made /sys/fs/cgroup/*.slice"
    )
    bundle.config["linux"]["namespaces"].append({"type": "cgroup"})
    for entry in bundle.config["mounts"]:
        if entry["destination"] == "/sys/fs/cgroup":
            entry["options"] = ["nosuid", "noexec", "nodev"]
    result = pyrunc.run(bundle.save())
    assert result.stdout == "0::/\n/sys/fs/cgroup/made\n", result


def test_subordinate_ids(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The ranges that the host has given the user."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    lines = Path("/etc/subuid").read_text().splitlines() if os.path.exists("/etc/subuid") else []
    ranges = [line.split(":") for line in lines if line.split(":")[0] == name]
    if not ranges:
        pytest.skip(f"{name} has no subordinate ids")
    made = bundle(("/bin/probe",), rootless=True)
    for kind in ("uidMappings", "gidMappings"):
        entry = {"containerID": 1, "hostID": int(ranges[0][1]), "size": int(ranges[0][2])}
        made.config["linux"][kind].append(entry)
    made.config["process"]["user"] = {"uid": 33, "gid": 33, "additionalGids": [5]}
    seen = see(pyrunc, made)
    assert (seen["uid"], seen["gid"], seen["groups"]) == ([33] * 3, [33] * 3, [5])
