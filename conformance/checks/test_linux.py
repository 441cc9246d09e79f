"""config-linux.md: sysctl, masked and read-only paths, propagation of the root, personality, seccomp, labels."""

import platform
from typing import Any

import pytest

from conformance.command import Runtime
from conformance.requirement import MUST, check, drop, forgive, garble
from tests.support.bundles import Bundle

# Numbers of errno(3).
EACCES, EPERM, ENOSYS = 13, 1, 38


@check(
    450,
    MUST,
    "config-linux.md#sysctl",
    "sysctls are set in the container",
    drop("/linux/sysctl/net.core.somaxconn"),
    garble("/linux/sysctl/kernel.msgmax", "8192"),
)
def test_sysctl(oci: Runtime) -> None:
    made = oci.probe("sysctl:net.core.somaxconn", "sysctl:kernel.msgmax")
    made.config["linux"]["sysctl"] = {"net.core.somaxconn": "333", "kernel.msgmax": "4567"}
    assert oci.see(made)["sysctl"] == {"net.core.somaxconn": "333", "kernel.msgmax": "4567"}


@check(
    451,
    MUST,
    "config-linux.md#sysctl",
    "a sysctl that is not there is an error",
    forgive("create"),
    drop("/linux/sysctl"),
)
def test_unknown_sysctl(oci: Runtime) -> None:
    made = oci.probe()
    made.config["linux"]["sysctl"] = {"net.no.such.sysctl": "1"}
    oci.refuses(made)


@check(
    452,
    MUST,
    "config-linux.md#masked-paths",
    "what is below maskedPaths cannot be read",
    drop("/linux/maskedPaths/0"),
    drop("/linux/maskedPaths/1"),
)
def test_masked(oci: Runtime) -> None:
    made = oci.bundle("cat /secret-file; ls /secret-folder; true")
    (made.rootfs / "secret-file").write_text("secret text\n")
    (made.rootfs / "secret-folder").mkdir()
    (made.rootfs / "secret-folder/secret-name").touch()
    made.config["linux"]["maskedPaths"] = ["/secret-file", "/secret-folder", "/not/there"]
    assert oci.run(made.save()).stdout == ""


@check(
    453,
    MUST,
    "config-linux.md#readonly-paths",
    "what is below readonlyPaths cannot be written",
    drop("/linux/readonlyPaths/0"),
)
def test_readonly(oci: Runtime) -> None:
    made = oci.bundle("touch /fixed/new && exit 1; touch /tmp/new || exit 2; exit 0")
    (made.rootfs / "fixed").mkdir()
    made.config["linux"]["readonlyPaths"] = ["/fixed", "/not/there"]
    assert oci.run(made.save()).returncode == 0
    assert not (made.rootfs / "fixed/new").exists()


@check(
    454,
    MUST,
    "config-linux.md#rootfs-mount-propagation",
    "rootfsPropagation is that of the root mount",
    drop("/linux/rootfsPropagation"),
    garble("/linux/rootfsPropagation", "private"),
)
def test_root_propagation(oci: Runtime) -> None:
    for name in ("shared", "unbindable"):
        made = oci.probe()
        made.config["linux"]["rootfsPropagation"] = name
        roots = [line.split() for line in oci.see(made)["mountinfo"] if line.split()[4] == "/"]
        assert any(field.startswith(name) for field in roots[-1][6 : roots[-1].index("-")]), name


@check(455, MUST, "config-linux.md#personality", "personality.domain is the process's", drop("/linux/personality"))
def test_personality(oci: Runtime) -> None:
    made = oci.bundle("uname -m")
    made.config["linux"]["personality"] = {"domain": "LINUX32"}
    names = {"x86_64": "i686", "aarch64": "armv8l"}
    machine = platform.machine()
    if machine not in names:
        pytest.skip(f"what LINUX32 makes of {machine} is not known here")
    assert oci.run(made.save()).stdout.strip() == names[machine]


@check(
    456,
    MUST,
    "config-linux.md#personality",
    "flags, of which there are none, are an error",
    forgive("create"),
    drop("/linux/personality"),
)
def test_personality_flags(oci: Runtime) -> None:
    made = oci.bundle()
    made.config["linux"]["personality"] = {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}
    oci.refuses(made)


def with_seccomp(oci: Runtime, script: str, **seccomp: Any) -> Bundle:
    """A bundle with a profile that allows what its rules do not name."""
    made = oci.bundle(script)
    made.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", **seccomp}
    return made.save()


def rule(action: str, *names: str, **more: Any) -> dict[str, Any]:
    """One entry of `syscalls`."""
    return {"names": list(names), "action": action, **more}


@check(
    460,
    MUST,
    "config-linux.md#seccomp",
    "SCMP_ACT_ERRNO makes a system call fail with EPERM",
    drop("/linux/seccomp"),
    garble("/linux/seccomp/syscalls/0/errnoRet", 38),
)
def test_errno(oci: Runtime) -> None:
    made = with_seccomp(oci, "mkdir /made", syscalls=[rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")])
    result = oci.run(made)
    assert result.returncode == 1
    assert "not permitted" in result.stderr
    assert not (made.rootfs / "made").exists()


@check(461, MUST, "config-linux.md#seccomp", "errnoRet is the error", drop("/linux/seccomp/syscalls/0/errnoRet"))
def test_errno_ret(oci: Runtime) -> None:
    made = with_seccomp(oci, "mkdir /made", syscalls=[rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat", errnoRet=EACCES)])
    assert "Permission denied" in oci.run(made).stderr


@check(
    462,
    MUST,
    "config-linux.md#seccomp",
    "defaultAction is for what no rule names",
    garble("/linux/seccomp/defaultAction", "SCMP_ACT_ALLOW"),
)
def test_default_action(oci: Runtime) -> None:
    # With next to nothing allowed the program cannot even be loaded; how it ends is the kernel's affair.
    made = oci.bundle("echo ran")
    made.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [rule("SCMP_ACT_ALLOW", "execve", "exit", "exit_group", "futex", "brk", "mmap", "arch_prctl")],
    }
    assert "ran" not in oci.run(made.save()).stdout


@check(
    463,
    MUST,
    "config-linux.md#seccomp",
    "SCMP_ACT_KILL_PROCESS ends the process by SIGSYS",
    garble("/linux/seccomp/syscalls/0/action", "SCMP_ACT_ERRNO"),
)
def test_kill(oci: Runtime) -> None:
    made = with_seccomp(oci, "mkdir /made; echo $?", syscalls=[rule("SCMP_ACT_KILL_PROCESS", "mkdir", "mkdirat")])
    assert "159" in oci.run(made).stdout


@check(
    464,
    MUST,
    "config-linux.md#seccomp",
    "args: a rule with a condition is for calls that meet it",
    drop("/linux/seccomp/syscalls/0/args"),
    garble("/linux/seccomp/syscalls/0/args/0/value", 1),
)
def test_arguments(oci: Runtime) -> None:
    sigcont = [{"index": 1, "value": 18, "op": "SCMP_CMP_EQ"}]
    script = "kill -CONT $$ && exit 1; kill -0 $$ || exit 2; exit 0"
    assert oci.run(with_seccomp(oci, script, syscalls=[rule("SCMP_ACT_ERRNO", "kill", args=sigcont)])).returncode == 0


@check(465, MUST, "config-linux.md#seccomp", "an unknown action is an error", forgive("create"), drop("/linux/seccomp"))
def test_unknown_action(oci: Runtime) -> None:
    oci.refuses(with_seccomp(oci, "true", syscalls=[rule("SCMP_ACT_NONSENSE", "mkdir")]))


@check(
    466,
    MUST,
    "config-linux.md#seccomp",
    "errnoRet beside an action that has no errno is an error",
    forgive("create"),
    drop("/linux/seccomp/syscalls/0/errnoRet"),
)
def test_errno_without_action(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    oci.refuses(with_seccomp(oci, "true", syscalls=[rule("SCMP_ACT_KILL_PROCESS", "mkdir", errnoRet=1)]))


@check(
    467,
    MUST,
    "config-linux.md#seccomp",
    "listenerMetadata without listenerPath is an error",
    forgive("create"),
    drop("/linux/seccomp/listenerMetadata"),
)
def test_metadata_without_path(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    oci.refuses(with_seccomp(oci, "true", listenerMetadata="x", syscalls=[rule("SCMP_ACT_ERRNO", "mkdir")]))


@check(
    468, MUST, "config-linux.md#seccomp", "the filter is the child's of a forking program, too", drop("/linux/seccomp")
)
def test_inherited(oci: Runtime) -> None:
    made = with_seccomp(oci, "sh -c 'sh -c \"mkdir /made\"'", syscalls=[rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")])
    oci.run(made)
    assert not (made.rootfs / "made").exists()
