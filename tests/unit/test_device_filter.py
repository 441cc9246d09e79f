"""The device filter: its program, run by a small interpreter, answers as the list of rules does."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyrunc.cgroups.device_filter import device_program
from pyrunc.cgroups.devices import ANY, DEFAULT_RULES, PLACE, device_rules, v1_writes
from pyrunc.errors import PyruncError

Rule = tuple[bool, str, int, int, str]
TYPES = {"b": 1, "c": 2}
ACCESS = {"m": 1, "r": 2, "w": 4}
EVERYTHING: Rule = (True, "a", ANY, ANY, "rwm")
NOTHING: Rule = (False, "a", ANY, ANY, "rwm")


def run(program: bytes, kind: str, major: int, minor: int, access: str) -> bool:
    """What the kernel's machine would answer, with the verifier's rules that matter here checked on the way."""
    context = [sum(ACCESS[bit] for bit in access) << 16 | TYPES[kind], major, minor]
    registers: list[int | None] = [None] * 6
    registers[1] = 0  # the context
    assert len(program) % 8 == 0
    counter = steps = 0
    while True:
        assert 0 <= counter < len(program) // 8, "jumped out of the program"
        word = program[8 * counter : 8 * counter + 8]
        code, to, source = word[0], word[1] & 15, word[1] >> 4
        offset = int.from_bytes(word[2:4], "little", signed=True)
        value = int.from_bytes(word[4:8], "little")
        assert offset >= 0, "a jump back"
        counter += 1
        steps += 1
        assert steps <= len(program) // 8
        if code == 0x61:
            assert source == 1
            registers[to] = context[offset // 4]
        elif code == 0xBC:
            registers[to] = get(registers, source)
        elif code == 0xB4:
            registers[to] = value
        elif code == 0x54:
            registers[to] = get(registers, to) & value
        elif code == 0x74:
            registers[to] = get(registers, to) >> value
        elif code == 0x56:
            counter += offset if get(registers, to) != value else 0
        elif code == 0x46:
            counter += offset if get(registers, to) & value else 0
        elif code == 0x05:
            counter += offset
        elif code == 0x95:
            assert get(registers, 0) in (0, 1)
            return registers[0] == 1
        else:
            raise AssertionError(f"unknown instruction {code:#x}")


def get(registers: "list[int | None]", number: int) -> int:
    value = registers[number]
    assert value is not None, f"r{number} is read before it is written"
    return value


def reachable(program: bytes) -> "set[int]":
    """The instructions that can be reached: the verifier refuses a program with others."""
    seen: set[int] = set()
    todo = [0]
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        code, offset = program[8 * at], int.from_bytes(program[8 * at + 2 : 8 * at + 4], "little", signed=True)
        if code != 0x95:
            if code in (0x56, 0x46, 0x05):
                todo.append(at + 1 + offset)
            if code != 0x05:
                todo.append(at + 1)
    return seen


def decide(rules: "list[Rule]", kind: str, major: int, minor: int, access: str) -> bool:
    """The list as it reads: for each permission the last rule about device and permission, else no."""
    for bit in access:
        allowed = False
        for allow, rule_kind, rule_major, rule_minor, rule_access in rules:
            if (
                rule_kind in ("a", kind)
                and rule_major in (ANY, major)
                and rule_minor in (ANY, minor)
                and bit in rule_access
            ):
                allowed = allow
        if not allowed:
            return False
    return True


numbers = st.sampled_from([0, 1, 3, 5, 136, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
accesses = st.sets(st.sampled_from("rwm"), min_size=1).map(lambda bits: "".join(sorted(bits)))
a_rule = st.tuples(
    st.booleans(), st.sampled_from("abc"), st.just(ANY) | numbers, st.just(ANY) | numbers, accesses.map(str)
)
a_request = st.tuples(st.sampled_from("bc"), numbers, numbers, accesses)


@settings(max_examples=400)
@given(st.lists(a_rule, max_size=12), st.lists(a_request, min_size=1, max_size=12))
@example([], [("c", 1, 3, "r")])
@example([EVERYTHING], [("c", 1, 3, "rwm")])
@example([EVERYTHING, NOTHING, (True, "c", 1, 3, "rwm")], [("c", 1, 3, "rw"), ("c", 1, 5, "r")])
@example([EVERYTHING, (False, "c", 1, ANY, "w")], [("c", 1, 3, "rw"), ("c", 1, 3, "r")])
@example([(True, "c", 1, 3, "r"), (True, "c", ANY, 3, "w")], [("c", 1, 3, "rw")])
def test_program_and_list_agree(rules: "list[Rule]", requests: "list[tuple[str, int, int, str]]") -> None:
    program = device_program(rules)
    assert reachable(program) == set(range(len(program) // 8))
    for request in requests:
        assert run(program, *request) == decide(rules, *request), request


def test_default_rules() -> None:
    program = device_program(device_rules([]))
    for minor in (3, 5, 7, 8, 9):
        assert run(program, "c", 1, minor, "rw")
    assert run(program, "c", 136, 77, "rw")
    assert run(program, "c", 10, 200, "rw")
    assert run(program, "b", 8, 0, "m")
    assert not run(program, "b", 8, 0, "r")
    assert not run(program, "b", 8, 0, "rm")
    assert not run(program, "c", 1, 1, "r")  # mem
    assert not run(program, "c", 5, 1, "r")  # console


def test_rules_that_say_what_is_so_anyway_cost_nothing() -> None:
    assert device_program([NOTHING, NOTHING]) == device_program([])
    assert device_program([EVERYTHING, *DEFAULT_RULES]) == device_program([EVERYTHING])


def test_reading_the_configuration() -> None:
    devices = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "access": "mr"},
        {"allow": True, "type": "b", "major": -1, "minor": 4, "access": "w"},
    ]
    rules = device_rules(devices)
    assert rules[:3] == [NOTHING, (True, "c", 1, ANY, "rm"), (True, "b", ANY, 4, "w")]
    assert tuple(rules[3:]) == DEFAULT_RULES


@pytest.mark.parametrize(
    "device",
    [
        {"allow": True},
        {"allow": True, "access": ""},
        {"allow": True, "access": "x"},
        {"allow": True, "type": "p", "access": "r"},
    ],
)
def test_rules_that_say_nothing(device: "dict[str, Any]") -> None:
    with pytest.raises(PyruncError) as caught:
        device_rules([{"allow": False, "access": "rwm"}, device])
    assert caught.value.place == f"{PLACE}[1]"


def kernel_v1(writes: "list[tuple[str, str]]", kind: str, major: int, minor: int, access: str) -> bool:
    """What v1's controller (security/device_cgroup.c) would answer after these writes."""
    allow_all = True  # as inherited
    exceptions: dict[tuple[str, str, str], set[str]] = {}
    for file, line in writes:
        allow = file == "devices.allow"
        if line == "a":
            allow_all, exceptions = allow, {}
            continue
        letter, number, bits = line.split(" ")
        numbers = number.split(":")
        device = (letter, numbers[0], numbers[1])
        if allow != allow_all:
            exceptions.setdefault(device, set()).update(bits)
        elif device in exceptions:
            exceptions[device] -= set(bits)
    matching = [
        bits
        for (letter, maj, min_), bits in exceptions.items()
        if letter == kind and maj in ("*", str(major)) and min_ in ("*", str(minor))
    ]
    if allow_all:
        return not any(bits & set(access) for bits in matching)
    return any(set(access) <= bits for bits in matching)


@settings(max_examples=300)
@given(st.lists(a_rule, max_size=8), st.lists(a_request, min_size=1, max_size=8))
@example([(True, "c", 1, 3, "r"), (False, "c", 1, ANY, "r")], [("c", 1, 3, "r")])
@example([EVERYTHING, (False, "c", 1, 3, "rw"), (True, "a", ANY, ANY, "w")], [("c", 1, 3, "w"), ("c", 1, 3, "r")])
def test_v1_writes_mean_the_list(rules: "list[Rule]", requests: "list[tuple[str, int, int, str]]") -> None:
    """v1 looks for one exception with all permissions asked for, so single permissions are compared; what it cannot
    express is an error and not something else."""
    try:
        writes = v1_writes(rules)
    except PyruncError as error:
        assert "cannot punch hole" in error.reason
        return
    assert writes[0] in (("devices.deny", "a"), ("devices.allow", "a"))
    for kind, major, minor, access in requests:
        for bit in access:
            assert kernel_v1(writes, kind, major, minor, bit) == decide(rules, kind, major, minor, bit)


def test_v1_writes_of_docker() -> None:
    """Deny everything first, then every exception once."""
    rules = device_rules(
        [
            {"allow": False, "access": "rwm"},
            {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
            {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
        ]
    )
    writes = v1_writes(rules)
    assert writes[0] == ("devices.deny", "a")
    assert {file for file, _ in writes[1:]} == {"devices.allow"}
    lines = [line for _, line in writes]
    assert len(lines) == len(set(lines)) == 1 + len(DEFAULT_RULES)
    assert "c 136:* rwm" in lines


def test_v1_writes_of_a_privileged_container() -> None:
    assert v1_writes(device_rules([{"allow": True, "access": "rwm"}])) == [("devices.allow", "a")]


def test_v1_holes_are_refused() -> None:
    rules = device_rules([{"allow": True, "type": "c", "major": 1, "access": "r"}])
    rules.append((False, "c", 1, 3, "rw"))
    with pytest.raises(PyruncError, match="cannot punch hole in existing wildcard rule"):
        v1_writes(rules)
