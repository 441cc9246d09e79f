"""What is no MESSAGE_SETUP is refused by the helper's decoder, with the number of the record that is wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunc import helper
from pyrunc.helper import message, record, text, u32, u64
from tests.fuzz.run import orders
from tests.support.protocol import Decoder, build, decoder_program, message_of, smallest

EPROTO = 71
ENOMEM = 12


@pytest.fixture(scope="module")
def decoder(session_folder: Path) -> Iterator[Decoder]:
    """The decoder of pyrunc-init, running."""
    running = Decoder(decoder_program(session_folder))
    yield running
    running.close()


def with_records(*records: bytes, fds: int = 0) -> bytes:
    """A message that is right but for these records."""
    return message(helper.SETUP, [*smallest().records, *records], fds)


def raw(tag: int, length: int, payload: bytes = b"") -> bytes:
    """A record that says it is as long as it is not."""
    return u32(tag, length) + payload


def test_the_smallest_is_taken(decoder: Decoder) -> None:
    """The messages below are refused for what they have besides."""
    assert decoder(message_of(smallest()))["args"] == [b"/bin/true".hex()]


RIGHT = message(helper.SETUP, smallest().records)
HEADERS = {
    "nothing": b"",
    "half a header": RIGHT[:9],
    "magic": b"CRYP" + RIGHT[4:],
    "older version": RIGHT[:4] + b"\0\0" + RIGHT[6:],
    "newer version": RIGHT[:4] + b"\2\0" + RIGHT[6:],
    "size not a multiple of four": RIGHT[:8] + u32(7) + RIGHT[12:],
    "larger than allowed": RIGHT[:8] + u32(helper.MAX_SIZE + 4) + RIGHT[12:],
    "largest number": RIGHT[:8] + u32(0xFFFFFFFC) + RIGHT[12:],
    "more descriptors than the kernel passes": RIGHT[:12] + u32(helper.MAX_FDS + 1) + RIGHT[16:],
    "descriptors beyond counting": RIGHT[:12] + u32(0xFFFFFFFF) + RIGHT[16:],
}


@pytest.mark.parametrize("name", HEADERS)
def test_header(decoder: Decoder, name: str) -> None:
    """Headers that are not of this version, or promise too much."""
    assert decoder(HEADERS[name])["error"][:2] == [EPROTO, "header"]


BODIES = {
    "a tag without length": (raw(helper.TAG_CWD, 0)[:4], 0),
    "length beyond the end": (raw(helper.TAG_CWD, 100, b"/\0\0\0"), 0),
    "length one beyond the end": (raw(helper.TAG_AFFINITY, 5, b"1234"), 0),
    "length a word beyond the end": (raw(helper.TAG_AFFINITY, 8, b"1234"), 0),
    "length that wraps": (raw(helper.TAG_CWD, 0xFFFFFFFF, b"/\0\0\0"), 0),
    "length that wraps when padded": (raw(helper.TAG_CWD, 0xFFFFFFFD, b"/\0\0\0"), 0),
    "highest sign bit": (raw(helper.TAG_CWD, 0x80000000, b"/\0\0\0"), 0),
    "unknown tag": (record(99), 99),
    "a tag of the other direction": (record(helper.TAG_ERRNO, u32(1)), helper.TAG_ERRNO),
    "a tag of another message": (record(helper.TAG_JOIN, u32(1)), helper.TAG_JOIN),
    "tag 0": (record(0), 0),
    "string without NUL": (record(helper.TAG_CWD, b"/tmp"), helper.TAG_CWD),
    "string with NUL inside": (record(helper.TAG_CWD, b"/tmp\0x\0"), helper.TAG_CWD),
    "string of two NULs": (record(helper.TAG_CWD, b"\0\0"), helper.TAG_CWD),
    "string of no bytes": (record(helper.TAG_CWD), helper.TAG_CWD),
    "argument with NUL inside": (record(helper.TAG_ARG, b"a\0b\0"), helper.TAG_ARG),
    "variable without NUL": (record(helper.TAG_ENV, b"A=b"), helper.TAG_ENV),
    "pair of one": (record(helper.TAG_SYSCTL, b"kernel/x\0"), helper.TAG_SYSCTL),
    "pair of three": (record(helper.TAG_SYSCTL, b"a\0b\0c\0"), helper.TAG_SYSCTL),
    "pair without end": (record(helper.TAG_SYSCTL, b"a\0b"), helper.TAG_SYSCTL),
    "empty pair": (record(helper.TAG_SYSCTL), helper.TAG_SYSCTL),
    "short number": (record(helper.TAG_UMASK, b"\0\0\0"), helper.TAG_UMASK),
    "long number": (record(helper.TAG_UMASK, u64(0)), helper.TAG_UMASK),
    "short limit": (record(helper.TAG_RLIMIT, u32(1, 0) + u64(1)), helper.TAG_RLIMIT),
    "long scheduler": (record(helper.TAG_SCHEDULER, bytes(52)), helper.TAG_SCHEDULER),
    "half a group": (record(helper.TAG_GROUPS, b"\0\0\0\0\0\0"), helper.TAG_GROUPS),
    "filter without flags": (record(helper.TAG_SECCOMP, b"\0\0"), helper.TAG_SECCOMP),
    "half an instruction": (record(helper.TAG_SECCOMP, u32(0) + bytes(12)), helper.TAG_SECCOMP),
    "too many instructions": (record(helper.TAG_SECCOMP, u32(0) + bytes(8 * 65536)), helper.TAG_SECCOMP),
    "hook's path without hook": (record(helper.TAG_HOOK_PATH, text("/x")), helper.TAG_HOOK_PATH),
    "hook's argument without hook": (record(helper.TAG_HOOK_ARG, text("x")), helper.TAG_HOOK_ARG),
    "hook without path": (record(helper.TAG_HOOK, u32(0)) + record(helper.TAG_HOOK_STATE, text("{}")), helper.TAG_HOOK),
    "hook without state": (record(helper.TAG_HOOK, u32(0)) + record(helper.TAG_HOOK_PATH, text("/x")), helper.TAG_HOOK),
    "hook with two paths": (
        record(helper.TAG_HOOK, u32(0)) + 2 * record(helper.TAG_HOOK_PATH, text("/x")),
        helper.TAG_HOOK_PATH,
    ),
    "three labels": (3 * record(helper.TAG_LSM_EXEC, b"exec\0x\0"), helper.TAG_LSM_EXEC),
    "two user ids": (record(helper.TAG_IDS, u32(1, 1)), helper.TAG_IDS),
    "two capability records": (record(helper.TAG_CAPABILITIES, u64(1, 1, 1, 1, 1)), helper.TAG_CAPABILITIES),
    "two directories": (2 * record(helper.TAG_CWD, text("/")), helper.TAG_CWD),
    "two filters": (2 * record(helper.TAG_SECCOMP, u32(0)), helper.TAG_SECCOMP),
    "no_new_privs twice": (2 * record(helper.TAG_NO_NEW_PRIVS), helper.TAG_NO_NEW_PRIVS),
    "memory policy without mode": (record(helper.TAG_MEMORY_POLICY, u32(1)), helper.TAG_MEMORY_POLICY),
    "memory policy with half a word": (record(helper.TAG_MEMORY_POLICY, u32(2, 0, 1)), helper.TAG_MEMORY_POLICY),
    "two memory policies": (2 * record(helper.TAG_MEMORY_POLICY, u32(0, 0)), helper.TAG_MEMORY_POLICY),
    "groups twice": (2 * record(helper.TAG_GROUPS, u32(0)), helper.TAG_GROUPS),
}


@pytest.mark.parametrize("name", BODIES)
def test_body(decoder: Decoder, name: str) -> None:
    """Bodies with one thing wrong."""
    records, tag = BODIES[name]
    assert decoder(with_records(records))["error"] == [EPROTO, "message", f"record {tag:03}"]


DESCRIPTORS = {
    "not announced": (b"", 1),
    "announced, not there": (record(helper.TAG_FDS, u32(helper.FD_PRESERVE)), 0),
    "fewer than announced": (record(helper.TAG_FDS, u32(helper.FD_PRESERVE, helper.FD_PRESERVE)), 1),
    "more than announced": (record(helper.TAG_FDS, u32(helper.FD_PRESERVE)), 2),
    "of no kind": (record(helper.TAG_FDS, u32(0)), 1),
    "of an unknown kind": (record(helper.TAG_FDS, u32(6)), 1),
    "two roots": (record(helper.TAG_FDS, u32(helper.FD_PIVOT, helper.FD_CHROOT)), 2),
    "two listeners": (record(helper.TAG_FDS, u32(helper.FD_LISTENER, helper.FD_LISTENER)), 2),
    "announced twice": (5 * record(helper.TAG_FDS, u32(*[helper.FD_PRESERVE] * 253)), 253),
}


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_descriptors(decoder: Decoder, name: str) -> None:
    """Descriptors and the record that says what they are for."""
    records, count = DESCRIPTORS[name]
    assert decoder(with_records(records, fds=count))["error"][2] == "record 032"


MISSING = {"ids": helper.TAG_IDS, "capabilities": helper.TAG_CAPABILITIES, "arguments": helper.TAG_ARG}


@pytest.mark.parametrize("name", MISSING)
def test_missing(decoder: Decoder, name: str) -> None:
    """What no process can do without."""
    tag = MISSING[name]
    records = [each for each in smallest().records if each[:4] != u32(tag)]
    assert decoder(message(helper.SETUP, records))["error"] == [EPROTO, "message", f"record {tag:03}"]


def test_nothing_to_start(decoder: Decoder) -> None:
    """Arguments can be missing as long as only a listener's START is waited for."""
    records = [each for each in smallest().records if each[:4] != u32(helper.TAG_ARG)]
    records.append(record(helper.TAG_FDS, u32(helper.FD_LISTENER)))
    assert "error" not in decoder(message(helper.SETUP, records, 1))


@pytest.mark.parametrize("ids", [(0xFFFFFFFF, 0), (0, 0xFFFFFFFF)])
def test_the_id_that_means_leave_it(decoder: Decoder, ids: tuple[int, int]) -> None:
    """setresuid(2) would leave the process root."""
    records = [each for each in smallest().records if each[:4] != u32(helper.TAG_IDS)]
    records.append(record(helper.TAG_IDS, u32(*ids)))
    assert decoder(message(helper.SETUP, records))["error"][2] == "record 047"


def test_many_records(decoder: Decoder) -> None:
    """Lists are of any length; hooks multiply, and are refused before they take all memory."""
    many = record(helper.TAG_ARG, text("x")) * 100_000
    assert len(decoder(with_records(many))["args"]) == 100_001
    hooks = record(helper.TAG_HOOK, u32(0)) * 20_000 + record(helper.TAG_HOOK_ARG, text("x")) * 20_000
    assert decoder(with_records(hooks))["error"][0] in (ENOMEM, EPROTO)


def test_fuzzer_program(session_folder: Path) -> None:
    """The program that fuzzers run builds, and takes what the decoder takes and refuses."""
    import subprocess

    source = Path(__file__).parent.parent / "fuzz" / "message_fuzzer.c"
    program = build(source, session_folder / "message_fuzzer", "-DSTANDALONE")
    for data in (RIGHT, *HEADERS.values(), *(with_records(body) for body, _ in BODIES.values())):
        result = subprocess.run([program], input=data, capture_output=True)
        assert (result.returncode, result.stderr) == (0, b"")


def test_fuzzer_of_orders(session_folder: Path) -> None:
    """The other one takes orders whatever the system calls that they ask for come to."""
    import subprocess

    source = Path(__file__).parent.parent / "fuzz" / "orders_fuzzer.c"
    program = build(source, session_folder / "orders_fuzzer", "-DSTANDALONE")
    for order in orders():
        for endings in (bytes(32), bytes([1] * 32), bytes(range(1, 33)), bytes([250, 1] * 16), bytes([1, 255] * 16)):
            result = subprocess.run([program], input=endings + order[32:], capture_output=True)
            assert (result.returncode, result.stderr) == (0, b"")
