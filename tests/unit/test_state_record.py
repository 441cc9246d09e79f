"""state.json, the state that is shown, and how a process is known again."""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunc import fastjson, record
from pyrunc.errors import PyruncError
from tests.support import processes

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
TEXTS = st.dictionaries(TEXT, TEXT)


@given(TEXT, TEXTS, TEXTS, st.integers(0, 2**63), st.booleans())
def test_what_is_written_is_read(
    bundle: str, annotations: dict[str, str], cgroups: dict[str, str], start_time: int, own: bool
) -> None:
    first = record.Record(
        id="c", bundle=bundle, annotations=annotations, cgroups=cgroups, start_time=start_time, own_pidns=own
    )
    second = record.load_record(first.dump(), "state.json")
    assert all(getattr(first, name) == getattr(second, name) for name in record.FIELDS)


def test_records_share_nothing() -> None:
    first, second = record.Record(), record.Record()
    first.cgroups["memory"] = "/x"
    assert second.cgroups == {}


def test_an_unknown_field_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="bundel"):
        record.Record(bundel="/b")


def altered(**changes: object) -> bytes:
    fields = fastjson.loads(record.Record(id="c").dump().decode())
    assert isinstance(fields, dict)
    return fastjson.dumps({**fields, **changes}).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "line 1"),
        (b"{", "line 1"),
        (b"\xff\xfe", "utf-8"),
        (b"[]", "not an object"),
        (b"{}", "it has format None, this pyrunc knows 1"),
        (altered(format=2), "it has format 2, this pyrunc knows 1"),
        (altered(pid="1"), "pid is missing or of the wrong type"),
        (altered(pid=None), "pid is missing or of the wrong type"),
        (altered(pid=True), "pid is missing or of the wrong type"),
        (altered(own_pidns=1), "own_pidns is missing or of the wrong type"),
        (altered(cgroups={"memory": 1}), "cgroups has a value that is not a string"),
    ],
)
def test_a_spoilt_state_file(data: bytes, words: str) -> None:
    with pytest.raises(PyruncError, match=words) as caught:
        record.load_record(data, "/run/pyrunc/c/state.json")
    assert "/run/pyrunc/c/state.json: " in caught.value.reason
    assert "delete --force" in caught.value.hint


@given(st.binary(max_size=200))
def test_any_contents_give_a_record_or_a_clear_error(data: bytes) -> None:
    with pytest.raises(PyruncError):
        record.load_record(data, "state.json")


def test_a_path_that_is_not_utf8_is_refused_when_written() -> None:
    with pytest.raises(PyruncError, match="not valid UTF-8"):
        record.Record(bundle="/b\udcff").dump()


# What is shown

SHOWN = record.Record(
    id="c",
    ociVersion="1.3.0",
    bundle="/b",
    rootfs="/b/rootfs",
    created="2026-11-24T03:54:53.123456789Z",
    annotations={"k": "v"},
)


def test_the_state_in_runcs_order() -> None:
    assert fastjson.dumps(record.state_dict(SHOWN, "running", 7)) == (
        '{"ociVersion":"1.3.0","id":"c","pid":7,"status":"running","bundle":"/b","rootfs":"/b/rootfs",'
        '"created":"2026-11-24T03:54:53.123456789Z","annotations":{"k":"v"},"owner":""}'
    )
    stopped = record.state_dict(record.Record(id="c"), "stopped", 0)
    assert stopped["pid"] == 0
    assert "annotations" not in stopped


def test_the_state_that_hooks_read() -> None:
    assert fastjson.dumps(record.spec_state(SHOWN, "creating", 7)) == (
        '{"ociVersion":"1.3.0","id":"c","status":"creating","pid":7,"bundle":"/b","annotations":{"k":"v"}}'
    )
    assert "pid" not in record.spec_state(SHOWN, "stopped", 0)


def test_owners_names() -> None:
    assert record.owner_name(0) == "root"
    assert record.owner_name(4_000_000_001) == "#4000000001"


@given(st.integers(0, 4_102_444_800 * 10**9))
def test_timestamps(nanoseconds: int) -> None:
    text = record.timestamp(nanoseconds)
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 10**9))
    assert text == f"{seconds}.{nanoseconds % 10**9:09d}Z"
    assert len(record.timestamp()) == len(text) == 30


# Processes


@pytest.fixture
def child() -> "object":
    """Starts a child that runs a function and then sleeps; killed at the end."""
    pids = []

    def start(action: Callable[[], object] = lambda: None) -> int:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            action()
            os.write(writing, b"x")
            time.sleep(60)
            os._exit(0)
        os.close(writing)
        assert os.read(reading, 1) == b"x"
        os.close(reading)
        pids.append(pid)
        return pid

    yield start
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except ProcessLookupError:
            continue


Start = Callable[..., int]


def is_open(pid: int, start_time: int) -> bool:
    pidfd = record.open_process(pid, start_time)
    if pidfd is None:
        return False
    os.close(pidfd)
    return True


@pytest.mark.parametrize("name", ["plain", "a b", ") Z 1 1 1 (", "x) R 1", "\n", "ä" * 7])
def test_a_process_is_known_by_its_start_whatever_its_name(child: Start, name: str) -> None:
    def rename() -> None:
        with open("/proc/self/comm", "w") as comm:
            comm.write(name)

    pid = child(rename)
    start_time = record.pid_start_time(pid)
    assert start_time is not None
    assert abs(time.clock_gettime(time.CLOCK_BOOTTIME) - start_time / os.sysconf("SC_CLK_TCK")) < 60
    assert is_open(pid, start_time)
    assert not is_open(pid, start_time + 1), "another process of that number"


def test_a_zombie_is_gone(child: Start) -> None:
    pid = child()
    start_time = record.pid_start_time(pid)
    assert start_time is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert record.pid_start_time(pid) is None
    assert not is_open(pid, start_time)
    os.waitpid(pid, 0)
    assert record.pid_start_time(pid) is None
    assert not is_open(pid, start_time)


def test_a_process_whose_first_thread_has_ended_is_not_gone() -> None:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        libc = ctypes.CDLL(None)
        main = threading.get_native_id()

        def rest() -> None:
            while processes.state_of(main) != "Z":
                time.sleep(0.001)
            os.write(writing, b"x")
            time.sleep(60)

        threading.Thread(target=rest, daemon=True).start()
        libc.syscall(60 if os.uname().machine == "x86_64" else 93, 0)  # exit of this thread alone
    os.close(writing)
    try:
        assert os.read(reading, 1) == b"x"
        start_time = record.pid_start_time(pid)
        assert start_time is not None
        assert is_open(pid, start_time)
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_the_number_of_a_thread_is_no_process() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        start_time = record.pid_start_time(thread.native_id)
        assert not is_open(thread.native_id, start_time or 0)
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_numbers_that_are_no_process(pid: int) -> None:
    assert record.pid_start_time(pid) is None
    assert record.open_process(pid, 0) is None
