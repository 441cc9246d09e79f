"""Seccomp programs loaded into the kernel: the verdict on a real system call for every action and operator."""

import errno
import os
import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pyrunc.security.seccomp import (
    SECCOMP_FILTER_FLAG_NEW_LISTENER,
    SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    Filter,
    filter_for,
)
from tests.support.profiles import corpus_profile

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the probe makes x86 system calls")

GETPPID = 110  # takes no argument, so that any values can be passed in its place
GETPPID_I386 = 64
UNUSED = 900


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source = Path(__file__).parent.parent / "support" / "seccomp_probe.c"
    binary = tmp_path_factory.mktemp("pyrunc-test-probe") / "seccomp_probe"
    subprocess.run([compiler, "-Wall", "-O1", "-pthread", "-o", binary, source], check=True)
    return str(binary)


def verdict(
    probe: str,
    loaded: Filter,
    number: int = GETPPID,
    args: "tuple[int, ...]" = (),
    mode: str = "plain",
    abi: str = "x64",
) -> str:
    """What the probe said, or "killed by N"."""
    done = subprocess.run(
        [probe, mode, str(loaded.flags), abi, str(number), *map(str, args)],
        input=loaded.program,
        capture_output=True,
        timeout=10,
    )
    if done.returncode < 0:
        return f"killed by {-done.returncode}"
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.decode().strip().replace("\n", ", ")


def rule(action: str, errno_ret: "int | None" = None, **more: object) -> "dict[str, object]":
    entry = {"names": ["getppid"], "action": f"SCMP_ACT_{action}", **more}
    if errno_ret is not None:
        entry["errnoRet"] = errno_ret
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry]}


@pytest.mark.parametrize(
    ("profile", "mode", "expected"),
    [
        (rule("ALLOW"), "plain", "ret PARENT"),
        (rule("LOG"), "plain", "ret PARENT"),
        (rule("ERRNO"), "plain", f"errno {errno.EPERM}"),
        (rule("ERRNO", 123), "plain", "errno 123"),
        (rule("ERRNO", 0), "plain", "ret 0"),
        (rule("TRAP"), "plain", f"trapped {GETPPID} errno 0"),
        (rule("TRACE"), "plain", f"errno {errno.ENOSYS}"),
        (rule("TRACE"), "trace", f"traced {errno.EPERM}, ret"),
        (rule("TRACE", 4711), "trace", "traced 4711, ret"),
        (rule("KILL"), "plain", f"killed by {signal.SIGSYS}"),
        (rule("KILL"), "thread", "alive"),
        (rule("KILL_THREAD"), "thread", "alive"),
        (rule("KILL_PROCESS"), "plain", f"killed by {signal.SIGSYS}"),
        (rule("KILL_PROCESS"), "thread", f"killed by {signal.SIGSYS}"),
        (rule("NOTIFY"), "notify", "ret 4242, alive"),
    ],
)
def test_every_action(probe: str, profile: "dict[str, object]", mode: str, expected: str) -> None:
    assert verdict(probe, filter_for(profile, None), mode=mode).startswith(expected.replace("PARENT", str(os.getpid())))


@pytest.mark.parametrize(
    ("default", "number", "expected"),
    [
        ({"defaultAction": "SCMP_ACT_ERRNO"}, GETPPID, f"errno {errno.EPERM}"),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 99}, GETPPID, "errno 99"),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 99}, UNUSED, f"errno {errno.ENOSYS}"),
        ({"defaultAction": "SCMP_ACT_KILL_PROCESS"}, GETPPID, f"killed by {signal.SIGSYS}"),
        ({"defaultAction": "SCMP_ACT_KILL_PROCESS"}, UNUSED, f"errno {errno.ENOSYS}"),
        ({"defaultAction": "SCMP_ACT_TRAP"}, GETPPID, f"trapped {GETPPID} errno 0"),
        ({"defaultAction": "SCMP_ACT_LOG"}, GETPPID, "ret PARENT"),
    ],
)
def test_default_actions(probe: str, default: "dict[str, object]", number: int, expected: str) -> None:
    # What the probe itself needs after it has loaded the filter.
    needed = {"names": ["write", "exit_group", "rt_sigreturn", "openat2"], "action": "SCMP_ACT_ALLOW"}
    assert verdict(probe, filter_for({**default, "syscalls": [needed]}, None), number) == expected.replace(
        "PARENT", str(os.getpid())
    )


BIG = 1 << 40
OPERATORS = {
    "NE": (BIG, 0, {BIG - 1: True, BIG: False, BIG + 1: True, 0: True}),
    "LT": (BIG, 0, {BIG - 1: True, BIG: False, BIG + 1: False, 0: True}),
    "LE": (BIG, 0, {BIG - 1: True, BIG: True, BIG + 1: False, 0: True}),
    "EQ": (BIG, 0, {BIG - 1: False, BIG: True, BIG + 1: False, 0: False}),
    "GE": (BIG, 0, {BIG - 1: False, BIG: True, BIG + 1: True, 0: False}),
    "GT": (BIG, 0, {BIG - 1: False, BIG: False, BIG + 1: True, 0: False}),
    "MASKED_EQ": (0xFF00000000F0, 0x10, {0x10: True, 0x1F: True, 0x20: False, BIG | 0x10: False, 0: False}),
}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("index", [0, 5])
def test_every_operator(probe: str, operator: str, index: int) -> None:
    value, value_two, cases = OPERATORS[operator]
    arg = {"index": index, "value": value, "valueTwo": value_two, "op": f"SCMP_CMP_{operator}"}
    loaded = filter_for(rule("ERRNO", 77, args=[arg]), None)
    for number, matches in cases.items():
        args = [0] * 6
        args[index] = number
        expected = "errno 77" if matches else f"ret {os.getpid()}"
        assert verdict(probe, loaded, args=tuple(args)) == expected, number


def test_conditions_on_several_arguments_hold_together(probe: str) -> None:
    args = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_EQ"}]
    loaded = filter_for(rule("ERRNO", 77, args=args), None)
    assert verdict(probe, loaded, args=(1, 2)) == "errno 77"
    assert verdict(probe, loaded, args=(1, 3)).startswith("ret")
    assert verdict(probe, loaded, args=(0, 2)).startswith("ret")


def test_conditions_on_one_argument_are_alternatives(probe: str) -> None:
    args = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (1, 2)]
    args.append({"index": 1, "value": 9, "op": "SCMP_CMP_EQ"})
    loaded = filter_for(rule("ERRNO", 77, args=args), None)
    for hit in ((1, 0), (2, 0), (3, 9)):
        assert verdict(probe, loaded, args=hit) == "errno 77"
    assert verdict(probe, loaded, args=(3, 0)).startswith("ret")


def test_rules_that_libseccomp_gets_wrong(probe: str) -> None:
    conditions = [[(0, 2), (1, 5)], [(0, 0), (1, 7)]]
    entries = [
        {
            "names": ["getppid"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 77,
            "args": [{"index": index, "value": value, "op": "SCMP_CMP_NE"} for index, value in pairs],
        }
        for pairs in conditions
    ]
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": entries, "architectures": ["SCMP_ARCH_X86"]}
    loaded = filter_for(profile, None)
    for args, denied in {(1, 1): True, (2, 1): True, (0, 5): False, (2, 7): False, (0, 1): True}.items():
        expected = "errno 77" if denied else f"ret {os.getpid()}"
        assert verdict(probe, loaded, args=args) == expected, args
        assert verdict(probe, loaded, GETPPID_I386, args=args, abi="i386") == expected, args


def test_only_listed_architectures_may_call(probe: str) -> None:
    native = filter_for(rule("ERRNO", 77), None)
    assert verdict(probe, native, GETPPID) == "errno 77"
    assert verdict(probe, native, GETPPID_I386, abi="i386") == f"killed by {signal.SIGSYS}"
    assert verdict(probe, native, GETPPID, abi="x32") == f"killed by {signal.SIGSYS}"
    every = filter_for({**rule("ERRNO", 77), "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}, None)
    assert verdict(probe, every, GETPPID) == "errno 77"
    assert verdict(probe, every, GETPPID_I386, abi="i386") == "errno 77"
    assert verdict(probe, every, GETPPID, abi="x32") == "errno 77"


@pytest.mark.parametrize(("abi", "getppid"), [("x64", GETPPID), ("x32", GETPPID), ("i386", GETPPID_I386)])
def test_dockers_profile(probe: str, abi: str, getppid: int) -> None:
    loaded = filter_for(corpus_profile("docker-run-default"), None)
    reboot = {"x64": 169, "x32": 169, "i386": 88}[abi]
    assert verdict(probe, loaded, reboot, abi=abi) == f"errno {errno.EPERM}"
    assert verdict(probe, loaded, UNUSED, abi=abi) == f"errno {errno.ENOSYS}"
    if abi != "x32":  # most kernels are built without it
        assert verdict(probe, loaded, getppid, abi=abi) == f"ret {os.getpid()}"


@pytest.mark.parametrize("flags", [None, [], ["SPEC_ALLOW"], ["LOG"], ["TSYNC"], ["TSYNC", "LOG", "SPEC_ALLOW"]])
def test_the_kernel_takes_the_flags(probe: str, flags: "list[str] | None") -> None:
    profile = rule("ERRNO", 77)
    if flags is not None:
        profile["flags"] = [f"SECCOMP_FILTER_FLAG_{flag}" for flag in flags]
    loaded = filter_for(profile, None)
    assert bool(loaded.flags & SECCOMP_FILTER_FLAG_SPEC_ALLOW) == (flags is None or "SPEC_ALLOW" in flags)
    assert verdict(probe, loaded) == "errno 77"


def test_the_kernel_takes_wait_killable_with_a_listener(probe: str) -> None:
    if tuple(int(part) for part in platform.release().split(".")[:2]) < (6, 0):
        pytest.skip("since Linux 6.0")
    flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"]
    loaded = filter_for({**rule("NOTIFY"), "flags": flags}, None)
    assert loaded.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER
    assert verdict(probe, loaded, mode="notify").startswith("ret 4242")


@pytest.mark.timing
def test_a_hit_of_the_cache_is_cheap(tmp_path: Path) -> None:
    profile = corpus_profile("docker-run-default")
    cache = str(tmp_path / "cache")
    begin = time.perf_counter()
    compiled = filter_for(profile, cache)
    cold = time.perf_counter() - begin
    hits = []
    for _ in range(50):
        begin = time.perf_counter()
        assert filter_for(profile, cache).program == compiled.program
        hits.append(time.perf_counter() - begin)
    print(f"compiled in {cold * 1e3:.1f} ms, found in {min(hits) * 1e6:.0f} us")
    # The best of fifty: 30 us here, and 150 us is what the start of a container can bear.
    assert min(hits) < 150e-6
