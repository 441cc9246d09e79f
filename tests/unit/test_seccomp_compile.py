"""What compiled seccomp programs answer, by an interpreter of them: semantics, errors, and the ENOSYS rule."""

import errno
import platform
from typing import Any

import pyseccomp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrunc.errors import ConfigError
from pyrunc.security.compile import ARCHITECTURES, compile_profile, library_path, version
from pyrunc.security.prolog import Decided, prolog
from tests.support import bpf
from tests.support.profiles import corpus_profile, corpus_profiles

X64, X32, I386, ARM64 = (ARCHITECTURES[f"SCMP_ARCH_{name}"] for name in ("X86_64", "X32", "X86", "AARCH64"))
X32_BIT = 0x40000000
ALLOW = 0x7FFF0000
KILL_THREAD = 0
ERRNO = 0x50000
EPERM, ENOSYS = (ERRNO | number for number in (errno.EPERM, errno.ENOSYS))

x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers of x86_64")


def profile(default: str = "ALLOW", *rules: "dict[str, Any]", **more: Any) -> "dict[str, Any]":
    return {"defaultAction": f"SCMP_ACT_{default}", "syscalls": list(rules), **more}


def rule(*names: str, action: str = "ERRNO", **more: Any) -> "dict[str, Any]":
    return {"names": list(names), "action": f"SCMP_ACT_{action}", **more}


def condition(index: int, op: str, value: int, value_two: int = 0) -> "dict[str, Any]":
    return {"index": index, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": value_two}


def test_architecture_tokens_are_pyseccomps() -> None:
    for name, token in ARCHITECTURES.items():
        assert getattr(pyseccomp.Arch, name.removeprefix("SCMP_ARCH_"), token) == token


def test_the_library_can_be_named() -> None:
    assert tuple(int(part) for part in version().split(".")) >= (2, 5, 0)
    assert "/libseccomp.so" in library_path()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (profile("FOO"), 'linux.seccomp.defaultAction: unknown seccomp action "SCMP_ACT_FOO"'),
        (
            profile("ALLOW", defaultErrnoRet=1),
            "linux.seccomp.defaultErrnoRet: the action SCMP_ACT_ALLOW takes no errno",
        ),
        (
            profile("ERRNO", defaultErrnoRet=4096),
            "linux.seccomp.defaultErrnoRet: 4096 is not from 0 to 4095, the range of SCMP_ACT_ERRNO",
        ),
        (
            profile("TRACE", defaultErrnoRet=65536),
            "linux.seccomp.defaultErrnoRet: 65536 is not from 0 to 65535, the range of SCMP_ACT_TRACE",
        ),
        (
            profile("ALLOW", rule("getppid"), rule("getppid", action="BAR")),
            'linux.seccomp.syscalls[1].action: unknown seccomp action "SCMP_ACT_BAR"',
        ),
        *(
            (
                profile("ERRNO", rule("getppid", action=action, errnoRet=0)),
                f"linux.seccomp.syscalls[0].errnoRet: the action SCMP_ACT_{action} takes no errno",
            )
            for action in ("ALLOW", "KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "LOG", "NOTIFY")
        ),
        (
            profile("ALLOW", rule("getppid", args=[condition(0, "EQ", 1), condition(1, "IS", 1)])),
            'linux.seccomp.syscalls[0].args[1].op: unknown operator "SCMP_CMP_IS"',
        ),
        (
            profile("ALLOW", rule("getppid", args=[condition(6, "EQ", 1)])),
            "linux.seccomp.syscalls[0].args[0].index: a system call has the arguments 0 to 5",
        ),
        (
            profile("ALLOW", architectures=["SCMP_ARCH_X86_64", "X86"]),
            'linux.seccomp.architectures[1]: unknown architecture "X86"',
        ),
    ],
)
def test_a_profile_without_a_meaning_is_refused(broken: "dict[str, Any]", message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_profile(broken)
    assert str(caught.value) == message


@x86_64
def test_what_libseccomp_refuses_is_named() -> None:
    with pytest.raises(Exception, match="refuses the architecture SCMP_ARCH_S390X on this machine"):
        compile_profile(profile("ALLOW", architectures=["SCMP_ARCH_S390X"]))


def test_unknown_system_calls_are_left_out_with_a_warning() -> None:
    compiled = compile_profile(profile("ALLOW", rule("getppid", "no_such_call", "another")))
    assert compiled.warnings == [
        f"seccomp: ignoring system calls unknown to libseccomp {version()}: no_such_call, another"
    ]
    assert compiled.program == compile_profile(profile("ALLOW", rule("getppid"))).program


@x86_64
def test_calls_of_other_architectures_are_no_error() -> None:
    # socketcall is i386's, arm_sync_file_range ARM's: neither is x86_64's.
    compiled = compile_profile(
        profile("ALLOW", rule("socketcall", "arm_sync_file_range"), architectures=["SCMP_ARCH_X86"])
    )
    assert compiled.warnings == []
    assert bpf.run(compiled.program, I386, 102) == EPERM
    assert bpf.run(compiled.program, X64, 102) == ALLOW


def test_a_rule_that_repeats_the_default_action_changes_nothing() -> None:
    plain = compile_profile(profile("ERRNO", rule("read", action="ALLOW"), rule("reboot")))
    explicit = compile_profile(profile("ERRNO", rule("read", action="ALLOW"), rule("reboot", errnoRet=errno.EPERM)))
    assert plain.program == explicit.program


MASK = 2**64 - 1
TESTS = {
    "NE": lambda arg, value, _: arg != value,
    "LT": lambda arg, value, _: arg < value,
    "LE": lambda arg, value, _: arg <= value,
    "EQ": lambda arg, value, _: arg == value,
    "GE": lambda arg, value, _: arg >= value,
    "GT": lambda arg, value, _: arg > value,
    "MASKED_EQ": lambda arg, mask, value: arg & mask == value,
}
# Few values, close to each other and to the border between the halves of an argument.
VALUES = st.sampled_from([0, 1, 2, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1, 0x100000002, 1 << 63, MASK])
CONDITION = st.tuples(st.integers(0, 5), st.sampled_from(sorted(TESTS)), VALUES, VALUES)


def holds(args: "list[tuple[int, str, int, int]]", actual: "tuple[int, ...]") -> bool:
    """The meaning of one entry's conditions, said the way the documentation says it."""
    results = [TESTS[op](actual[index], value, two) for index, op, value, two in args]
    alternatives = len({index for index, *_ in args}) < len(args)
    return any(results) if alternatives else all(results)


ENTRY = st.lists(CONDITION, max_size=4).map(
    # A mask's bits outside of it never count in libseccomp.
    lambda entry: [(index, op, value, two & value if op == "MASKED_EQ" else two) for index, op, value, two in entry]
)
ARGUMENTS = st.lists(st.tuples(*[VALUES] * 6), min_size=20, max_size=20)


@x86_64
@settings(max_examples=300)
@given(entries=st.lists(ENTRY, min_size=1, max_size=3), actual=ARGUMENTS)
def test_conditions_mean_what_the_documentation_says(
    entries: "list[list[tuple[int, str, int, int]]]", actual: "list[tuple[int, ...]]"
) -> None:
    """Also where libseccomp alone gets it wrong: this fails, or never ends, without pyrunc.security.conditions."""
    rules = [rule("getppid", args=[condition(*arg) for arg in entry]) for entry in entries]
    program = compile_profile(profile("ALLOW", *rules)).program
    for values in actual:
        expected = EPERM if any(holds(entry, values) for entry in entries) else ALLOW
        assert bpf.run(program, X64, 110, values) == expected
        assert bpf.run(program, X64, 39, values) == ALLOW


# Of a kind that libseccomp gets wrong: several rules, one of them with several conditions, not all about equality.
HARD = (
    rule("getppid", errnoRet=7, args=[condition(0, "NE", 2), condition(1, "NE", 5)]),
    rule("getppid", errnoRet=8, args=[condition(0, "NE", 0)]),
)


@x86_64
def test_the_first_rule_that_is_met_decides_where_libseccomp_would_be_wrong() -> None:
    program = compile_profile(profile("ALLOW", *HARD)).program
    answers = {args: bpf.run(program, X64, 110, args) & 0xFFFF for args in ((1, 1), (0, 1), (2, 1), (1, 5), (0, 5))}
    assert answers == {(1, 1): 7, (0, 1): 7, (2, 1): 8, (1, 5): 8, (0, 5): 0}
    program = compile_profile(profile("ERRNO", *HARD, rule("getppid", action="ALLOW"))).program
    assert bpf.run(program, X64, 110, (1, 1)) == ALLOW


@x86_64
@pytest.mark.parametrize(("arch", "nr"), [(X64, 110), (X64, X32_BIT + 110), (I386, 64)])
def test_such_rules_hold_on_every_architecture(arch: int, nr: int) -> None:
    archs = ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    program = compile_profile(profile("ALLOW", *HARD, architectures=archs)).program
    assert bpf.run(program, arch, nr, (1, 1)) & 0xFFFF == 7
    assert bpf.run(program, arch, nr, (0, 5)) == ALLOW
    # Only 64-bit calls have an upper half: 0 is not 2**32 there, and is on the others.
    beyond = profile(
        "ALLOW", rule("getppid", args=[condition(0, "LT", 1)]), rule("getppid", args=[condition(0, "LT", 1 << 32)])
    )
    program = compile_profile({**beyond, "architectures": archs}).program
    assert bpf.run(program, arch, nr, (5,)) == (EPERM if (arch, nr) == (X64, 110) else ALLOW)


# podman's profile without CAP_AUDIT_WRITE: no sockets of AF_NETLINK for NETLINK_AUDIT.
NO_AUDIT = (
    rule("socket", errnoRet=22, args=[condition(0, "EQ", 16), condition(2, "EQ", 9)]),
    rule("socket", action="ALLOW", args=[condition(2, "NE", 9)]),
    rule("socket", action="ALLOW", args=[condition(0, "NE", 16)]),
    rule("socket", action="ALLOW", args=[condition(2, "NE", 9)]),
)


@x86_64
@pytest.mark.parametrize(
    ("default", "entries", "answer"),
    [
        ("ERRNO", NO_AUDIT, ALLOW),
        ("ERRNO", (*NO_AUDIT, rule("socket", errnoRet=5)), ERRNO | 5),
        ("ALLOW", [{**entry, "names": ["socket"]} for entry in HARD], ERRNO | 7),
        ("ALLOW", (NO_AUDIT[0], rule("socket", action="KILL_PROCESS", args=[condition(0, "EQ", 3)])), ERRNO | 22),
    ],
)
def test_such_rules_have_no_conditions_where_the_call_is_a_part_of_another(
    default: str, entries: "list[dict[str, Any]]", answer: int
) -> None:
    compiled = compile_profile(profile(default, *entries, architectures=["SCMP_ARCH_X86", "SCMP_ARCH_X32"]))
    for arguments in ((1, 16, 9), (1, 2, 3), (1, 0, 0)):
        assert bpf.run(compiled.program, I386, 102, arguments) == answer  # socketcall(SYS_SOCKET, pointer)
        assert bpf.run(compiled.program, I386, 359, arguments) == answer
    assert compiled.warnings == ["seccomp: socket: no conditions on SCMP_ARCH_X86, which hides arguments"]


@x86_64
@pytest.mark.parametrize(("arch", "nr"), [(X64, 41), (X64, X32_BIT + 41)])
def test_such_rules_keep_their_conditions_elsewhere(arch: int, nr: int) -> None:
    compiled = compile_profile(profile("ERRNO", *NO_AUDIT, architectures=["SCMP_ARCH_X86", "SCMP_ARCH_X32"]))
    answers = [bpf.run(compiled.program, arch, nr, arguments) for arguments in ((16, 3, 9), (16, 3, 0), (2, 3, 9))]
    assert answers == [ERRNO | 22, ALLOW, ALLOW]
    assert not compile_profile(profile("ERRNO", *NO_AUDIT)).warnings


@x86_64
def test_long_code_is_jumped_over() -> None:
    entries = [rule("getppid", args=[condition(0, "NE", number), condition(1, "EQ", number)]) for number in range(100)]
    archs = ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    program = compile_profile(profile("ALLOW", *entries, rule("reboot"), architectures=archs)).program
    for arch, offset, getppid, reboot in ((X64, 0, 110, 169), (X64, X32_BIT, 110, 169), (I386, 0, 64, 88)):
        assert bpf.run(program, arch, offset + getppid, (1, 99)) == EPERM
        assert bpf.run(program, arch, offset + getppid, (99, 99)) == ALLOW
        assert bpf.run(program, arch, offset + reboot) == EPERM
        assert bpf.run(program, arch, offset + 20) == ALLOW
    assert bpf.run(program, ARM64, 1) == KILL_THREAD


@x86_64
@pytest.mark.parametrize("name", corpus_profiles())
def test_the_tree_answers_as_the_list_does(name: str) -> None:
    """libseccomp can order a program by system call or as a tree; ours is the tree, which loads faster."""
    loaded = corpus_profile(name)
    tree, plain = (compile_profile(loaded, tree=tree).program for tree in (True, False))
    different = [
        (arch, nr, args)
        for arch, offset in ((X64, 0), (X64, X32_BIT), (I386, 0))
        for nr in (*range(offset, offset + 480), 0xFFFFFFFF)
        for args in ((), (0x7E020000,), (40, 1))
        if bpf.run(tree, arch, nr, args) != bpf.run(plain, arch, nr, args)
    ]
    assert different == []


@x86_64
@pytest.mark.parametrize("default", ["ERRNO", "KILL", "KILL_PROCESS", "TRAP"])
def test_calls_younger_than_the_profile_fail_with_enosys(default: str) -> None:
    # openat2 is 437 on all three; a name counts whatever its action is, and unknown names do not.
    rules = (rule("getppid", action="ALLOW"), rule("openat2"), rule("no_such_call", action="ALLOW"))
    archs = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    program = compile_profile(profile(default, *rules, architectures=archs)).program
    for arch, offset in ((X64, 0), (X64, X32_BIT), (I386, 0)):
        assert bpf.run(program, arch, offset + 437) == EPERM
        assert bpf.run(program, arch, offset + 436) != ENOSYS
        assert bpf.run(program, arch, offset + 0x1000) == ENOSYS
        # x32 has numbers of its own above the common ones (execveat: 545).
        if offset == 0:
            assert bpf.run(program, arch, 438) == ENOSYS
    assert bpf.run(program, X64, 110) == ALLOW
    assert bpf.run(program, I386, 64) == ALLOW


@x86_64
def test_x32_calls_are_no_younger_calls_where_x32_is_not_listed() -> None:
    program = compile_profile(profile("ERRNO", rule("openat2", action="ALLOW"))).program
    assert bpf.run(program, X64, X32_BIT + 437) == KILL_THREAD
    assert bpf.run(program, I386, 5000) == KILL_THREAD
    assert bpf.run(program, X64, 438) == ENOSYS


@pytest.mark.parametrize(
    "unaffected",
    [
        *(profile(default, rule("getppid")) for default in ("ALLOW", "LOG", "TRACE", "NOTIFY")),
        profile("ERRNO", rule("getppid", action="ALLOW"), defaultErrnoRet=errno.ENOSYS),
        profile("ERRNO"),
    ],
)
def test_profiles_that_need_no_enosys_rule_get_none(unaffected: "dict[str, Any]") -> None:
    assert (
        bpf.run(compile_profile(unaffected).program, pyseccomp.system_arch(), 5000)
        == {
            "SCMP_ACT_ALLOW": ALLOW,
            "SCMP_ACT_LOG": 0x7FFC0000,
            "SCMP_ACT_NOTIFY": 0x7FC00000,
            "SCMP_ACT_TRACE": 0x7FF00000 | errno.EPERM,
            "SCMP_ACT_ERRNO": 0x50000 | unaffected.get("defaultErrnoRet", errno.EPERM),
        }[unaffected["defaultAction"]]
    )


FALL_THROUGH = 0x7FFC0000
PROGRAM = bytes((6, 0, 0, 0)) + FALL_THROUGH.to_bytes(4, "little")  # return LOG


@given(
    largest=st.dictionaries(st.sampled_from([X64, X32, I386, ARM64]), st.integers(0, 600)),
    arch=st.sampled_from([X64, I386, ARM64, 0x16]),
    nr=st.integers(0, 700),
    x32=st.booleans(),
)
def test_the_prolog_decides_only_above_the_largest(largest: "dict[int, int]", arch: int, nr: int, x32: bool) -> None:
    bit = X32_BIT if x32 and arch == X64 else 0
    # x32's numbers have the bit, in the table as in the call.
    table = {token: Decided(number | (X32_BIT if token == X32 else 0)) for token, number in largest.items()}
    known = largest.get(X32 if bit else arch)
    expected = ENOSYS if known is not None and nr > known else FALL_THROUGH
    assert bpf.run(prolog(table) + PROGRAM, arch, nr | bit) == expected
