"""The runtime's end of the socket: whatever comes out of it, an error says so and nothing stays open."""

import os
import threading
from collections.abc import Iterator

import pytest

from pyrunc import helper, syscalls
from pyrunc.errors import PyruncError
from pyrunc.helper import Channel, HelperError, message, record, text, u32

Ends = tuple[Channel, int]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A channel and the helper's end of it; no descriptor is left open by the test."""
    before = len(os.listdir("/proc/self/fd"))
    ours, theirs = syscalls.socketpair()
    channel = Channel(ours)
    yield channel, theirs
    channel.close()
    if theirs in map(int, os.listdir("/proc/self/fd")):
        os.close(theirs)
    assert len(os.listdir("/proc/self/fd")) == before


GOOD = message(helper.JOINED, [record(helper.TAG_PID, u32(7))])
NO_MATCH = "pyrunc-init does not match this pyrunc"
REFUSED = {
    "magic": (b"CRYP" + GOOD[4:], NO_MATCH),
    "version": (GOOD[:4] + b"\2\0" + GOOD[6:], NO_MATCH),
    "size": (GOOD[:8] + u32(helper.MAX_SIZE + 4) + GOOD[12:], NO_MATCH),
    "odd size": (GOOD[:8] + u32(13) + GOOD[12:], NO_MATCH),
    "length": (GOOD[:20] + u32(100) + GOOD[24:], "malformed"),
    "half a record": (message(helper.JOINED, [b"\0\0\0\0"]), "malformed"),
    "descriptors that are not there": (GOOD[:12] + u32(2) + GOOD[16:], "malformed"),
    "cut": (GOOD[:-1], "was killed before it was ready"),
    "cut header": (GOOD[:5], "was killed before it was ready"),
    "nothing": (b"", "was killed before it was ready"),
    "another type": (message(helper.PREPARED, (), 1), "out of turn"),
    "our own type": (message(helper.SETUP, (), 1), "out of turn"),
}


def give(theirs: int, data: bytes, fds: "list[int] | tuple[int, ...]" = ()) -> None:
    """Sends bytes and closes the helper's end."""
    if data:
        syscalls.send(theirs, data, fds)
    os.close(theirs)


def test_received(ends: Ends) -> None:
    """What is right comes out."""
    channel, theirs = ends
    give(theirs, GOOD)
    kind, records, fds = channel.receive(helper.JOINED, helper.WAIT)
    assert (kind, helper.number_in(records, helper.TAG_PID), fds) == (helper.JOINED, 7, [])


@pytest.mark.parametrize("name", REFUSED)
def test_refused(ends: Ends, name: str) -> None:
    """What is not, is said; a descriptor that came with it is closed (the fixture looks)."""
    channel, theirs = ends
    data, reason = REFUSED[name]
    with open("/dev/null") as file:
        give(theirs, data, [file.fileno()])
    with pytest.raises(PyruncError, match=reason):
        channel.receive(helper.JOINED, helper.WAIT)


def test_an_answer_that_does_not_come(ends: Ends) -> None:
    """What was waited for is named, and how long."""
    channel, _ = ends
    channel.patience = 0.05
    with pytest.raises(PyruncError) as caught:
        channel.receive(helper.CONSOLE, helper.READY)
    assert str(caught.value) == (
        "wait until it has applied its settings: the container's init process has not answered for 0.05 s"
    )


def test_an_answer_that_comes_late(ends: Ends) -> None:
    """Within the time it is taken; with no limit it is waited for."""
    channel, theirs = ends
    for patience in (10.0, -1.0):
        channel.patience = patience
        timer = threading.Timer(0.1, syscalls.send, (theirs, GOOD))
        timer.start()
        assert channel.receive(helper.JOINED)[0] == helper.JOINED
        timer.join()


PLACES = {
    'error running startContainer hook #12: "/bin/sh"': ("hooks.startContainer[12]", 'hook #12: "/bin/sh": told'),
    'write sysctl: "net/ipv4/conf/eth0.1/x"': ("linux.sysctl.net.ipv4.conf.eth0/1.x", "write sysctl: told"),
    'exec: "write sysctl"': ("", 'exec: "write sysctl": told'),
}


@pytest.mark.parametrize("step", PLACES)
def test_place(ends: Ends, step: str) -> None:
    """Where in config.json it was asked for, where the step tells that."""
    channel, theirs = ends
    give(theirs, message(helper.ERROR, [record(helper.TAG_STEP, text(step)), record(helper.TAG_REASON, text("told"))]))
    with pytest.raises(HelperError) as caught:
        channel.receive(helper.READY)
    place, words = PLACES[step]
    assert caught.value.place == place
    assert caught.value.reason.endswith(words)


def test_unannounced_descriptor(ends: Ends) -> None:
    """The header says how many come."""
    channel, theirs = ends
    with open("/dev/null") as file:
        give(theirs, GOOD, [file.fileno()])
    with pytest.raises(PyruncError, match="malformed"):
        channel.receive(helper.JOINED)


def test_in_single_bytes(ends: Ends) -> None:
    """A stream may be cut anywhere."""
    channel, theirs = ends
    for index in range(len(GOOD)):
        syscalls.send(theirs, GOOD[index : index + 1])
    assert channel.receive(helper.JOINED)[0] == helper.JOINED


LISTENER = message(helper.LISTENER, (), 1)
ERROR = message(
    helper.ERROR,
    [record(helper.TAG_ERRNO, u32(2)), record(helper.TAG_STEP, text("exec")), record(helper.TAG_REASON, text("gone"))],
)


@pytest.mark.parametrize("method", ["receive", "ended", "send"])
def test_error(ends: Ends, method: str) -> None:
    """An ERROR is raised wherever it comes in."""
    channel, theirs = ends
    syscalls.send(theirs, message(helper.PREPARED) if method == "send" else b"")
    give(theirs, ERROR)
    calls = {"receive": lambda: channel.receive(helper.READY), "ended": channel.ended}
    with pytest.raises(HelperError) as caught:
        calls.get(method, lambda: channel.send(helper.START))()
    assert (str(caught.value), caught.value.errno) == ("exec: gone", 2)


def test_errors_without_words(ends: Ends) -> None:
    """Without a reason the number has one; an empty ERROR is one, too."""
    channel, theirs = ends
    syscalls.send(theirs, message(helper.ERROR, [record(helper.TAG_ERRNO, u32(13))]) + message(helper.ERROR))
    with pytest.raises(HelperError, match=r"^permission denied$"):
        channel.receive_any()
    with pytest.raises(HelperError):
        channel.receive_any()


def test_exec_ends_the_stream(ends: Ends) -> None:
    """Nothing but the end: the program runs."""
    channel, theirs = ends
    channel.send(helper.START)
    syscalls.recv(theirs, 100)
    os.close(theirs)
    channel.ended()


def test_start_that_was_not_read(ends: Ends) -> None:
    """A helper that was killed before it could read MESSAGE_START has not started anything."""
    channel, theirs = ends
    channel.send(helper.START)
    os.close(theirs)
    with pytest.raises(PyruncError, match="was killed"):
        channel.ended()


@pytest.mark.parametrize("rest", [message(helper.READY), b"P", b"rubbish, and more of it than a header"])
def test_no_exec(ends: Ends, rest: bytes) -> None:
    """Something else than an ERROR or the end."""
    channel, theirs = ends
    give(theirs, rest)
    with pytest.raises(PyruncError):
        channel.ended()


def test_a_listener_before_exec(ends: Ends) -> None:
    """Whoever asked for it owns it, and the helper goes on."""
    channel, theirs = ends
    taken: list[int] = []
    with open("/dev/null") as file:
        syscalls.send(theirs, LISTENER, [file.fileno()])
    os.set_blocking(theirs, False)

    def take(listener: int) -> None:
        taken.append(listener)
        give(theirs, b"")

    with pytest.raises(PyruncError, match="was killed"):  # `give` closes before the CONTINUE is read
        channel.ended(take)
    (fd,) = taken
    os.close(fd)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_listener_that_was_not_asked_for(ends: Ends, count: int) -> None:
    """Nor is one without a descriptor, or with two; none of them stays open (the fixture looks)."""
    channel, theirs = ends
    with open("/dev/null") as file:
        give(theirs, message(helper.LISTENER, (), count), [file.fileno()] * count)
    with pytest.raises(PyruncError, match=r"out of turn|malformed"):
        channel.ended(None if count == 1 else os.close)


def test_sending_a_closed_descriptor(ends: Ends) -> None:
    """The error is about that, and nobody waits for a helper that is well."""
    channel, _ = ends
    with pytest.raises(PyruncError, match="bad file descriptor"):
        channel.send(helper.SETUP, [], [987654])


def test_limits(ends: Ends) -> None:
    """What the helper would refuse is not sent."""
    channel, _ = ends
    with pytest.raises(PyruncError, match="254 descriptors"):
        channel.send(helper.SETUP, [], [0] * 254)
    with pytest.raises(PyruncError, match="more than 67108864"):
        channel.send(helper.SETUP, [bytes(helper.MAX_SIZE + 4)])


def test_large(ends: Ends) -> None:
    """Larger than any socket buffer: sent in pieces while the other side reads."""
    channel, theirs = ends
    data = message(helper.SETUP, [record(helper.TAG_ENV, bytes(8 << 20))])
    got = bytearray()

    def read() -> None:
        while len(got) < len(data):
            got.extend(syscalls.recv(theirs, 1 << 20)[0])

    reader = threading.Thread(target=read)
    reader.start()
    channel.send(helper.SETUP, [record(helper.TAG_ENV, bytes(8 << 20))])
    reader.join()
    assert got == data


@pytest.mark.parametrize("value", ["a\0b", "\0", "\ud800"])
def test_no_text(value: str) -> None:
    """What cannot be a C string is refused before it is sent."""
    with pytest.raises(PyruncError):
        text(value)


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_no_number(value: int) -> None:
    """Nor is a number cut to size."""
    with pytest.raises(OverflowError):
        u32(value)
