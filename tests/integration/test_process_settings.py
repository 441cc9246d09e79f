"""Privileges, scheduling and kernel settings of the container's program."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import BundleFactory
from tests.support.inside import probe, refused, see
from tests.support.leaks import prefix
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

CAPABILITIES = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_ADMIN": 21, "CAP_AUDIT_WRITE": 29}


def bits(*names: str) -> int:
    return sum(1 << CAPABILITIES[name] for name in names)


def test_five_capability_sets(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """All different, for a user that is not root, whose sets the kernel computes at exec: ambient alone gives any."""
    sets = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE"],
        "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_AUDIT_WRITE"],
        "effective": ["CAP_CHOWN"],
        "inheritable": ["CAP_CHOWN", "CAP_KILL"],
        "ambient": ["CAP_KILL"],
    }
    seen = see(pyrunc, probe(bundle, user={"uid": 1000, "gid": 1000}, capabilities=sets))["capabilities"]
    assert seen == {
        "bounding": bits(*sets["bounding"]),
        "inheritable": bits("CAP_CHOWN", "CAP_KILL"),
        "ambient": bits("CAP_KILL"),
        "permitted": bits("CAP_KILL"),
        "effective": bits("CAP_KILL"),
    }


def test_capabilities_of_root(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """At exec root gets what the bounding set has."""
    sets = {"bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]}
    seen = see(pyrunc, probe(bundle, capabilities=sets, noNewPrivileges=False))["capabilities"]
    both = bits("CAP_CHOWN", "CAP_KILL")
    assert seen == {"bounding": both, "permitted": both, "effective": both, "inheritable": 0, "ambient": 0}


@pytest.mark.parametrize("capabilities", [None, {}, {"bounding": []}])
def test_no_capabilities(bundle: BundleFactory, pyrunc: Pyrunc, capabilities: "dict[str, Any] | None") -> None:
    made = probe(bundle)
    made.config["process"].pop("capabilities")
    if capabilities is not None:
        made.config["process"]["capabilities"] = capabilities
    seen = see(pyrunc, made)
    assert set(seen["capabilities"].values()) == {0}


def test_unknown_capability_is_warned_of(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle)
    made.config["process"]["capabilities"]["bounding"].append("CAP_NOWHERE")
    made.save()
    result = pyrunc.run(made)
    assert result.returncode == 0
    assert "CAP_NOWHERE" in result.stderr


@pytest.mark.parametrize("wanted", [True, False, None])
def test_no_new_privileges(bundle: BundleFactory, pyrunc: Pyrunc, wanted: "bool | None") -> None:
    made = probe(bundle)
    made.config["process"].pop("noNewPrivileges")
    if wanted is not None:
        made.config["process"]["noNewPrivileges"] = wanted
    assert see(pyrunc, made)["no_new_privs"] == int(bool(wanted))


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("uid", [0, 1000])
def test_seccomp(bundle: BundleFactory, pyrunc: Pyrunc, no_new_privileges: bool, uid: int) -> None:
    """The filter holds for the program, which has none of the capabilities that loading it takes."""
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]
    made = bundle("mkdir /dev/shm/x; /bin/probe")
    made.config["process"].update(noNewPrivileges=no_new_privileges, user={"uid": uid, "gid": uid}, capabilities={})
    made.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    made.save()
    result = pyrunc.run(made)
    assert "Operation not supported" in result.stderr, result
    seen = result.json()
    assert seen["status"]["Seccomp"] == "2"
    assert seen["status"]["Seccomp_filters"].strip() == "1"
    assert seen["no_new_privs"] == int(no_new_privileges)
    assert set(seen["capabilities"].values()) == {0}


def test_seccomp_that_allows_the_program_only(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Between the filter and the exec the helper calls nothing that a narrow filter would have to allow: setgid,
    capset and socket calls are not in it."""
    allowed = "execve exit exit_group write brk mmap arch_prctl set_tid_address set_robust_list rseq prlimit64 "
    allowed += "readlinkat readlink getrandom mprotect getuid setuid32 uname fstat newfstatat close prctl"
    made = bundle(("/bin/echo", "narrow"))
    made.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_KILL_PROCESS",
        "syscalls": [{"names": allowed.split(), "action": "SCMP_ACT_ALLOW"}],
    }
    made.save()
    result = pyrunc.run(made)
    assert result.stdout == "narrow\n", result


@pytest.mark.parametrize(("value", "seen"), [(0, "0"), (500, "500"), (1000, "1000"), (None, None)])
def test_oom_score_adj(bundle: BundleFactory, pyrunc: Pyrunc, value: "int | None", seen: "str | None") -> None:
    made = probe(bundle)
    if value is not None:
        made.config["process"]["oomScoreAdj"] = value
    own = Path("/proc/self/oom_score_adj").read_text().strip()
    assert see(pyrunc, made)["oom_score_adj"] == (own if seen is None else seen)


def test_scheduler_and_io_priority(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(
        bundle,
        scheduler={"policy": "SCHED_BATCH", "nice": 7, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
        ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6},
    )
    seen = see(pyrunc, made)
    assert (seen["scheduler"]["policy"], seen["scheduler"]["nice"], seen["scheduler"]["flags"]) == (3, 7, 1)
    assert seen["ioprio"] == [2, 6]


@pytest.mark.parametrize(
    ("scheduler", "number", "priority"),
    [
        ({"policy": "SCHED_FIFO", "priority": 3}, 1, 3),
        ({"policy": "SCHED_RR", "priority": 99}, 2, 99),
        ({"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 9_000_000, "period": 9_000_000}, 6, 0),
    ],
)
def test_real_time(
    scheduler: "dict[str, Any]", number: int, priority: int, bundle: BundleFactory, pyrunc: Pyrunc
) -> None:
    """Where the kernel shares real time out to cgroups (v1), the container needs a share."""
    made = probe(bundle, scheduler=scheduler)
    if Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists():
        made.config["linux"]["resources"]["cpu"] = {"realtimePeriod": 1_000_000, "realtimeRuntime": 10_000}
        made.config["linux"]["cgroupsPath"] = f"/{prefix()}real-time"
    seen = see(pyrunc, made)["scheduler"]
    assert (seen["policy"], seen["priority"]) == (number, priority)


def test_idle_classes(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle, scheduler={"policy": "SCHED_IDLE"}, ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0})
    seen = see(pyrunc, made)
    assert seen["scheduler"]["policy"] == 5
    assert seen["ioprio"] == [3, 0]


def test_personality(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle)
    made.config["linux"]["personality"] = {"domain": "LINUX32"}
    seen = see(pyrunc, made)
    assert seen["personality"] == 8
    assert seen["machine"] != os.uname().machine


def test_names_and_sysctls(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    wanted = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4321", "net.ipv4.ping_group_range": "0\t77"}
    made = probe(bundle, *(f"sysctl:{name}" for name in wanted))
    made.config.update(hostname="a-host", domainname="a.domain")
    made.config["linux"]["sysctl"] = wanted
    seen = see(pyrunc, made)
    assert (seen["hostname"], seen["domainname"]) == ("a-host", "a.domain")
    assert {name.removeprefix("sysctl:"): value for name, value in seen["sysctl"].items()} | wanted == (
        {name.removeprefix("sysctl:"): value for name, value in seen["sysctl"].items()}
    )
    assert os.uname().nodename != "a-host"


def test_sysctl_that_is_not_there(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle)
    made.config["linux"]["sysctl"] = {"net.ipv4.nowhere": "1"}
    refused(pyrunc, made, "linux.sysctl.net.ipv4.nowhere", "no such file or directory")


def test_sysctl_with_a_bad_value(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle)
    made.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "x"}
    refused(pyrunc, made, "linux.sysctl.net.ipv4.ip_forward", "invalid argument")


def test_session_keyring(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id = pyrunc.new_id()
    seen = pyrunc.ok("run", "--bundle", probe(bundle), container_id).json()
    assert seen["keyring"]["description"].split(";")[4].startswith(f"_ses.{container_id}.")
    assert int(seen["keyring"]["description"].split(";")[3], 16) & 0x00080000


def test_no_new_keyring(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id = pyrunc.new_id()
    seen = pyrunc.ok("run", "--no-new-keyring", "--bundle", probe(bundle), container_id).json()
    assert container_id not in (seen["keyring"]["description"] or "")
