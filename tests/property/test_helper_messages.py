"""pyrunc.setup writes what pyrunc-init reads: every record, any value, and no harm from damaged messages."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyrunc import helper
from pyrunc.errors import PyruncError
from pyrunc.helper import records_of
from pyrunc.setup import Setup
from tests.support.protocol import Decoder, decoder_program, message_of, sample

RELAXED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def decoder(session_folder: Path) -> Iterator[Decoder]:
    """The decoder of pyrunc-init, running."""
    running = Decoder(decoder_program(session_folder))
    yield running
    running.close()


def numbers(bits: int) -> "st.SearchStrategy[int]":
    """Unsigned numbers of that many bits."""
    return st.integers(0, (1 << bits) - 1)


U16, U32, U64 = numbers(16), numbers(32), numbers(64)
IDS = st.integers(0, (1 << 32) - 2)
# As a configuration has them: any bytes but NUL, those that are not UTF-8 as surrogates.
STRINGS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.binary().map(
    lambda data: data.replace(b"\0", b"/").decode("utf-8", "surrogateescape")
)
SCHEDULERS = st.tuples(U32, U64, st.integers(-20, 19), U32, U64, U64, U64)
HOOKS = st.fixed_dictionaries(
    {"path": STRINGS}, optional={"args": st.lists(STRINGS), "env": st.lists(STRINGS), "timeout": U32}
)

PROCESSES = st.builds(
    SimpleNamespace,
    uid=IDS,
    gid=IDS,
    cwd=STRINGS,
    args=st.lists(STRINGS, min_size=1),
    env=st.lists(STRINGS),
    rlimits=st.lists(st.tuples(U32, U64, U64)),
    umask=st.none() | U32,
    personality=st.none() | U32,
    io_priority=st.none() | U32,
    memory_policy=st.none() | st.tuples(U32, st.lists(st.integers(0, 2000), unique=True).map(sorted)),
    scheduler=st.none() | SCHEDULERS,
    no_new_privs=st.booleans(),
)
CAPABILITIES = st.builds(SimpleNamespace, bounding=U64, effective=U64, permitted=U64, inheritable=U64, ambient=U64)
FILTERS = st.builds(
    SimpleNamespace, flags=U32, program=st.binary(max_size=256).map(lambda data: data[: len(data) // 8 * 8])
)


def encoded(value: "str | None") -> "str | None":
    """A string as the decoder shows it."""
    return None if value is None else value.encode("utf-8", "surrogateescape").hex()


def encoded_all(values: "list[str]") -> "list[str | None]":
    """The same for several."""
    return [encoded(value) for value in values]


@RELAXED
@given(process=PROCESSES, capabilities=CAPABILITIES)
def test_process(decoder: Decoder, process: Any, capabilities: Any) -> None:
    """The records that every message has, or may have, of the process."""
    setup = Setup()
    setup.add_process(process)
    setup.add_capabilities(capabilities)
    seen = decoder(message_of(setup))
    assert seen["ids"] == [process.uid, process.gid]
    assert seen["cwd"] == encoded(process.cwd)
    assert seen["args"] == encoded_all(process.args)
    assert seen["env"] == encoded_all(process.env)
    assert seen["rlimits"] == [list(limit) for limit in process.rlimits]
    assert [seen[name] for name in ("umask", "personality", "io_priority")] == [
        process.umask,
        process.personality,
        process.io_priority,
    ]
    if process.memory_policy is None:
        assert "memory_policy" not in seen
    else:
        mode, nodes = process.memory_policy
        assert seen["memory_policy"] == mode
        mask = int.from_bytes(bytes.fromhex(seen["nodes"]), sys.byteorder)
        assert [node for node in range(mask.bit_length()) if mask >> node & 1] == nodes
    if process.scheduler is None:
        assert "scheduler" not in seen
    else:
        policy, flags, nice, *rest = process.scheduler
        assert seen["scheduler"] == [policy, flags, nice & 0xFFFFFFFF, *rest]
    assert (seen["no_new_privs"], seen["chown_stdio"], seen["no_setsid"]) == (process.no_new_privs, True, False)
    assert seen["capabilities"] == [
        capabilities.bounding,
        capabilities.effective,
        capabilities.permitted,
        capabilities.inheritable,
        capabilities.ambient,
    ]
    assert (seen["root"], seen["listener"], seen["preserve"]) == ([0, -1], -1, [])
    assert [seen[name] for name in ("groups", "seccomp", "affinity", "hostname", "hook_state")] == [None] * 5


def minimal() -> Setup:
    """A set-up to add to."""
    setup = Setup()
    setup.records.append(helper.record(helper.TAG_IDS, helper.u32(1, 2)))
    setup.records.append(helper.record(helper.TAG_CAPABILITIES, helper.u64(0, 0, 0, 0, 0)))
    setup.add_string(helper.TAG_ARG, "/bin/true")
    return setup


@RELAXED
@given(
    strings=st.fixed_dictionaries(
        {name: st.none() | STRINGS for name in ("hostname", "domainname", "keyring", "key_label", "cwd")}
    ),
    propagation=st.none() | U32,
    sysctls=st.lists(st.tuples(STRINGS.filter(bool), STRINGS)),
    labels=st.lists(st.tuples(STRINGS.filter(bool), STRINGS), max_size=2),
    groups=st.none() | st.lists(U32),
    terminal=st.none() | st.tuples(st.none() | st.tuples(U16, U16), st.booleans()),
    cpus=st.none() | st.lists(st.integers(0, 300), min_size=1),
)
def test_container(
    decoder: Decoder,
    strings: "dict[str, str | None]",
    propagation: "int | None",
    sysctls: "list[tuple[str, str]]",
    labels: "list[tuple[str, str]]",
    groups: "list[int] | None",
    terminal: "tuple[tuple[int, int] | None, bool] | None",
    cpus: "list[int] | None",
) -> None:
    """The records about the container."""
    setup = minimal()
    for name, value in strings.items():
        if value is not None:
            setup.add_string(getattr(helper, f"TAG_{name.upper()}"), value)
    if propagation is not None:
        setup.add_number(helper.TAG_ROOT_PROPAGATION, propagation)
    for name, value in sysctls:
        setup.add_sysctl(name, value)
    for file, label in labels:
        setup.add_label(file, label)
    if groups is not None:
        setup.add_groups(groups)
    if terminal is not None:
        setup.add_terminal(*terminal)
    if cpus is not None:
        setup.add_affinity(cpus)
    seen = decoder(message_of(setup))
    assert {name: seen[name] for name in strings} == {name: encoded(value) for name, value in strings.items()}
    assert seen["propagation"] == propagation
    assert seen["sysctls"] == encoded_all([text for both in sysctls for text in both])
    assert seen["labels"] == [encoded_all(list(both)) for both in labels]
    assert seen["groups"] == groups
    assert seen.get("console") == (None if terminal is None else [*(terminal[0] or (0, 0)), int(terminal[1])])
    if cpus is None:
        assert seen["affinity"] is None
    else:
        mask = int.from_bytes(bytes.fromhex(seen["affinity"]), "little")
        assert {cpu for cpu in range(400) if mask >> cpu & 1} == set(cpus)


@RELAXED
@given(hooks=st.lists(HOOKS, min_size=1, max_size=4), state=STRINGS, env=st.lists(STRINGS))
def test_hooks(decoder: Decoder, hooks: "list[dict[str, Any]]", state: str, env: "list[str]") -> None:
    """startContainer hooks, with what stands in for what they leave out."""
    setup = minimal()
    setup.add_hooks(hooks, state, env)
    seen = decoder(message_of(setup))
    assert seen["hook_state"] == encoded(state)
    assert seen["hooks"] == [
        {
            "timeout": hook.get("timeout", 0),
            "path": encoded(hook["path"]),
            "args": encoded_all(hook.get("args", [])),
            "env": encoded_all(hook.get("env", env)),
        }
        for hook in hooks
    ]


@RELAXED
@given(seccomp=FILTERS)
def test_seccomp(decoder: Decoder, seccomp: Any) -> None:
    """A filter, also one without an instruction, which the kernel will refuse."""
    setup = minimal()
    setup.add_seccomp(seccomp)
    seen = decoder(message_of(setup))
    assert (seen["seccomp_flags"], seen["seccomp"]) == (seccomp.flags, seccomp.program.hex())


ROOTS = [helper.FD_PIVOT, helper.FD_MOVE, helper.FD_CHROOT]


@RELAXED
@given(
    root=st.none() | st.sampled_from(ROOTS),
    listener=st.booleans(),
    preserved=st.integers(0, 250),
    first=st.integers(0, 3),
)
def test_descriptors(decoder: Decoder, root: "int | None", listener: bool, preserved: int, first: int) -> None:
    """Kinds of descriptors, in any order; those that are kept, in theirs."""
    kinds = [helper.FD_PRESERVE] * preserved
    if root is not None:
        kinds.insert(min(first, len(kinds)), root)
    if listener:
        kinds.insert(min(first, len(kinds)), helper.FD_LISTENER)
    setup = minimal()
    for number, kind in enumerate(kinds):
        setup.add_fd(kind, 100 + number)
    seen = decoder(message_of(setup))
    by_kind = {kind: [100 + number for number, each in enumerate(kinds) if each == kind] for kind in kinds}
    assert seen["preserve"] == by_kind.get(helper.FD_PRESERVE, [])
    assert seen["listener"] == (by_kind[helper.FD_LISTENER][0] if listener else -1)
    assert seen["root"] == ([0, -1] if root is None else [root, by_kind[root][0]])


SAMPLE = sample()


def test_the_sample_has_everything(decoder: Decoder) -> None:
    """It is taken, and has every record that a set-up can have."""
    assert "error" not in decoder(SAMPLE)
    known = {value for name, value in vars(helper).items() if name.startswith("TAG_") and 32 <= value < 128}
    assert {tag for tag, _ in records_of(SAMPLE[16:])} == known


def fixed(data: bytes) -> bytes:
    """With the size that it has, padded, so that more than the header is looked at."""
    body = data[16:] + bytes(-len(data) % 4)
    return data[:8] + helper.u32(len(body)) + data[12:16] + body


@settings(RELAXED, max_examples=1000)
@given(
    flips=st.lists(st.integers(0, len(SAMPLE) * 8 - 1), max_size=8),
    cut=st.integers(0, len(SAMPLE)),
    words=st.lists(st.tuples(st.integers(4, len(SAMPLE) // 4 - 1), st.sampled_from([0, 1, 3, 0x7FFFFFFF, 0xFFFFFFFF]))),
    whole=st.booleans(),
    size_right=st.booleans(),
)
def test_damage(
    decoder: Decoder, flips: "list[int]", cut: int, words: "list[tuple[int, int]]", whole: bool, size_right: bool
) -> None:
    """Bits flipped, numbers replaced, the end cut off: taken or refused, and never read beyond what is there."""
    data = bytearray(SAMPLE)
    for word, value in words:
        data[4 * word : 4 * word + 4] = helper.u32(value)
    for bit in flips:
        data[bit // 8] ^= 1 << bit % 8
    damaged = bytes(data if whole else data[:cut])
    answer = decoder(fixed(damaged) if size_right and len(damaged) >= 16 else damaged)
    assert "args" in answer or answer["error"][0] in (12, 71)


@settings(RELAXED, max_examples=300)
@given(st.binary(max_size=400))
def test_any_body(decoder: Decoder, body: bytes) -> None:
    """Bytes that nobody meant."""
    answer = decoder(fixed(helper.message(helper.SETUP) + body))
    assert "args" in answer or answer["error"][0] in (12, 71)


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_records_of_any_bytes(data: bytes) -> None:
    """Python's side: records, or a PyruncError."""
    try:
        found = records_of(data)
    except PyruncError:
        return
    assert b"".join(helper.record(tag, payload) for tag, payload in found)[: len(data)].startswith(data[:8])
