"""Checkpoints of what leads outside of the container: a terminal, a socket of the host, memory that comes later."""

import errno
import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.checkpoints import COUNT, LIMIT, checkpoint, counts, exists, restore, start, ticks, why_not
from tests.support.console import ConsoleSocket
from tests.support.processes import wait_until
from tests.support.runtime import ENVIRONMENT, Pyrunc
from tests.support.user_terminal import Session

pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(why_not()), reason=why_not())]


@pytest.fixture
def user(pyrunc: Pyrunc) -> Iterator[Callable[..., Session]]:
    """user(argv...) is somebody who typed `pyrunc argv...` at a terminal."""
    made: list[Session] = []

    def begin(*argv: str | Path) -> Session:
        made.append(Session(*pyrunc.argv(*argv), env=ENVIRONMENT))
        return made[-1]

    yield begin
    for session in made:
        session.close()


def last_tick(output: bytes) -> int:
    """The last whole number that was counted on a terminal."""
    return int(re.findall(rb"tick (\d+)\r\n", output)[-1])


def test_the_terminal_of_a_user(
    pyrunc: Pyrunc, bundle: BundleFactory, folder: Path, user: Callable[..., Session]
) -> None:
    """Who restores it has the terminal at his own: output, size and the interrupt key."""
    made = bundle("trap 'stty size; exit 3' INT; " + COUNT, terminal=True)
    container_id = pyrunc.new_id()
    first = user("run", "--bundle", made, container_id)
    first.expect(b"tick 3", LIMIT)
    checkpoint(pyrunc, container_id, folder / "images")
    assert first.wait() == 128 + 9
    assert first.is_restored
    second = user("restore", "--bundle", made, "--image-path", folder / "images", container_id)
    second.expect(b"tick %d\r\n" % (last_tick(first.output) + 2), LIMIT)
    assert re.findall(rb"tick (\d+)", second.output)[0] == b"%d" % (last_tick(first.output) + 1)
    second.type(b"\x03")
    second.expect(b"33 101", LIMIT)
    assert second.wait() == 3
    assert second.is_restored
    assert not exists(pyrunc, container_id)


def test_the_terminal_of_an_engine(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    """It gets the master by its console socket, as at a create."""
    made = bundle(COUNT, terminal=True)
    container_id = pyrunc.new_id()
    with ConsoleSocket(folder / "first") as first:
        pyrunc.ok("run", "--detach", "--bundle", made, "--console-socket", first.path, container_id)
        first.wait()
        read_until(first.master, b"tick 3\r\n")
        checkpoint(pyrunc, container_id, folder / "images")
        last = last_tick(read_until(first.master, None))
    with ConsoleSocket(folder / "second") as second:
        restore(pyrunc, made, folder / "images", container_id, "--console-socket", str(second.path))
        second.wait()
        assert second.name.startswith(b"/dev/pts/")
        read_until(second.master, b"tick %d\r\n" % (last + 2))
        pyrunc.ok("delete", "--force", container_id)


def read_until(master: int, text: bytes | None) -> bytes:
    """What a terminal shows, up to the text, or (None) until nobody has it open any more."""
    seen = b""
    until = time.monotonic() + LIMIT
    while text is None or text not in seen:
        ready = select.select([master], [], [], max(0, until - time.monotonic()))[0]
        assert ready, f"waited for {text!r}, got {seen!r}"
        try:
            seen += os.read(master, 65536)
        except OSError as error:
            assert (error.errno, text) == (errno.EIO, None), seen
            break
    return seen


@pytest.mark.parametrize("options", [[], ["--shell-job"]], ids=["plain", "shell job"])
def test_started_at_a_terminal(
    options: list[str], pyrunc: Pyrunc, bundle: BundleFactory, folder: Path, user: Callable[..., Session]
) -> None:
    """A container without a terminal of its own, whose output is the caller's terminal: after a restore another's."""
    made = bundle(COUNT)
    container_id = pyrunc.new_id()
    first = user("run", "--bundle", made, container_id)
    first.expect(b"tick 3", LIMIT)
    checkpoint(pyrunc, container_id, folder / "images", *options)
    assert first.wait() == 128 + 9
    second = user("restore", "--bundle", made, "--image-path", folder / "images", *options, container_id)
    second.expect(b"tick %d\r\n" % (last_tick(first.output) + 2), LIMIT)
    pyrunc.ok("kill", container_id, "KILL")
    assert second.wait() == 128 + 9
    assert not exists(pyrunc, container_id)


def test_a_socket_of_the_host(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    """busybox's logger keeps one connection to /dev/log, here a socket of the host, and goes on with it.

    CRIU finds sockets by network namespace, and connects by the name that the other side has given to its own.
    """
    path = folder / "sockets/log"
    path.parent.mkdir()
    made = bundle(f"ln -s {path} /dev/log; {{ {COUNT}; }} | logger")
    linux = made.config["linux"]
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "network"]
    made.config["mounts"].append({"destination": str(path.parent), "source": str(path.parent), "options": ["bind"]})
    made.save()
    container_id = pyrunc.new_id()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.settimeout(LIMIT)
        log.bind(str(path))
        pyrunc.ok("run", "--detach", "--bundle", made, container_id)
        last = next_tick(log)
        refused = pyrunc("checkpoint", "--image-path", folder / "none", container_id, timeout=LIMIT)
        assert refused.returncode == 1
        assert "ext-unix-sk" in refused.stderr
        checkpoint(pyrunc, container_id, folder / "images", "--ext-unix-sk")
        log.setblocking(False)
        while True:
            try:
                last = next_tick(log)
            except BlockingIOError:
                break
        log.settimeout(LIMIT)
        restore(pyrunc, made, folder / "images", container_id, "--ext-unix-sk")
        assert next_tick(log) == last + 1


def next_tick(log: socket.socket) -> int:
    """The number in the next line that was logged."""
    return int(log.recv(1024).split()[-1].rstrip(b"\0"))


def test_memory_that_comes_later(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    """As in a migration: the checkpoint serves the memory to a restore that goes on before it has all of it."""
    counting = bundle(COUNT)
    container_id, before = start(pyrunc, counting)
    images = folder / "images"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ready, status = os.pipe()
    try:
        options = ["--lazy-pages", "--page-server", f"127.0.0.1:{port}", "--status-fd", str(status)]
        dump = pyrunc.popen("checkpoint", "--image-path", images, *options, container_id, pass_fds=(status,))
    finally:
        os.close(status)
    with open(ready, "rb") as file:
        assert file.read() == b"\0"
    assert dump.poll() is None, "it serves the memory"
    fetch = ["criu", "lazy-pages", "--images-dir", images, "--work-dir", images, "--page-server"]
    with subprocess.Popen([*fetch, "--address", "127.0.0.1", "--port", str(port)], stderr=subprocess.PIPE) as pages:
        wait_until((images / "lazy-pages.socket").exists, "the socket of criu lazy-pages", LIMIT)
        last = ticks(before)[-1]
        other = pyrunc.new_id()
        after = restore(pyrunc, counting, images, other, "--lazy-pages")
        counts(after, last + 1)
        assert ticks(after)[0] == last + 1
        assert pages.wait(LIMIT) == 0, pages.stderr and pages.stderr.read()
    assert dump.wait(LIMIT) == 0
    assert not exists(pyrunc, container_id)
    assert pyrunc.state(other)["status"] == "running"
