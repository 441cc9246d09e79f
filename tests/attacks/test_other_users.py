"""What an ordinary user of the host tries against containers that are not his."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.foreign import NOBODY
from tests.support.runtime import ENVIRONMENT, Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

NAMED_BY_ID: Change = ("pyrunc/record.py", 'f"_ses.{id}.{posix.urandom(16).hex()}"', 'f"_ses.{id}"')
FOR_ALL: Change = ("pyrunc/service.py", "(NOTIFY_DIRECTORY, 0o700)", "(NOTIFY_DIRECTORY, 0o711)")
ANY_TERMINAL: Change = ("csrc/init_terminal.c", "setup->has_console && S_ISCHR", "S_ISCHR")
EVERY_LINE_END: Change = ("pyrunc/cgroups/layout.py", r'text.split("\n")', "text.splitlines()")

# Joins a session keyring of that name, lets everybody do everything with it, and keeps it.
SQUAT = """
import ctypes, os, sys
call = ctypes.CDLL(None).syscall
number = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
ring = call(number, 1, sys.argv[1].encode())
allowed = call(number, 5, ctypes.c_int(ring), ctypes.c_uint(0x3f3f3f3f))
print(ring, allowed, flush=True)
sys.stdin.read()
"""
# Says to the socket that the container is ready.
CLAIM = """
import os, socket, sys
os.chdir(sys.argv[1])
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", "notify.sock")
"""


@contextmanager
def another_user(program: str, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """Runs a program of Python as another user, until the end of the block."""
    command = [sys._base_executable, "-IS", "-c", program, *arguments]  # type: ignore[attr-defined]
    ids = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", **ids
    ) as process:
        yield process


def owner_of_keyring(pyrunc: Pyrunc, bundle: BundleFactory) -> str:
    """Whose keyring a container has, when another user has one of the name that its id suggests."""
    container_id = pyrunc.new_id()
    with another_user(SQUAT, f"_ses.{container_id}") as squatter:
        assert squatter.stdout
        ring, allowed = squatter.stdout.readline().split()
        if int(ring) < 0:
            pytest.skip("this kernel has no keyrings")
        assert int(allowed) == 0
        seen = pyrunc.ok("run", "--bundle", bundle(("/bin/probe",)), container_id).json()
    return str(seen["keyring"]["description"]).split(";")[1]


def test_keyring(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """A session keyring is found by its name, and whoever owns it sees and plants the container's keys."""
    assert owner_of_keyring(pyrunc, bundle) == "0"


def test_keyring_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert owner_of_keyring(weak(NAMED_BY_ID), bundle) == str(NOBODY)


def claimed_ready(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> bool:
    """Whether the service manager hears from another user that a container is ready."""
    address = str(folder / "manager.sock")
    env = {**ENVIRONMENT, "NOTIFY_SOCKET": address}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        container_id, _ = pyrunc.create(bundle(("/bin/sleep", "1000")), env=env)
        start = pyrunc.popen("start", container_id, env=env)
        try:
            pyrunc.wait_status(container_id, "running")
            (shown,) = (pyrunc.root / container_id).glob("**/notify.sock")
            with another_user(CLAIM, str(shown.parent)) as claimer:
                _, errors = claimer.communicate()
            assert claimer.returncode == 0 or "PermissionError" in errors, errors
            manager.settimeout(10 if claimer.returncode == 0 else 0.2)
            try:
                return manager.recv(4096) == b"READY=1\n"
            except TimeoutError:
                return False
        finally:
            start.kill()
            start.wait()


def test_notify_socket(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """All users of a container may write to its socket for sd_notify(3), and no others."""
    assert not claimed_ready(pyrunc, bundle, folder)


def test_notify_socket_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], folder: Path) -> None:
    assert claimed_ready(weak(FOR_ALL), bundle, folder)


def is_kept_from_it(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path, character: str) -> bool:
    """Whether no container can be made without pivot_root(2) as long as there is a mount with the character in its
    name, as users make them (FUSE) where they like."""
    place = folder / f"a{character}b"
    place.mkdir()
    script = 'mount -t tmpfs none "$1" && shift && exec "$@"'
    argv = pyrunc.argv("run", "--no-pivot", "--bundle", bundle("echo ran"), pyrunc.new_id())
    command = ["unshare", "--mount", "sh", "-c", script, "sh", place, *argv]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert result.stdout == "ran\n" or "internal error" in result.stderr, result
    return result.stdout != "ran\n"


@pytest.mark.parametrize("character", ["\r", "\f", "\x85", "\u2028"])
def test_mount_with_a_line_end(character: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """The kernel writes it into mountinfo as it is."""
    assert not is_kept_from_it(pyrunc, bundle, folder, character)


def test_mount_with_a_line_end_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], folder: Path) -> None:
    assert is_kept_from_it(weak(EVERY_LINE_END), bundle, folder, "\f")


def owner_of_terminal(pyrunc: Pyrunc, bundle: BundleFactory) -> int:
    """Whose the caller's terminal is after a container of an ordinary user has run in it."""
    made = bundle("echo said")
    made.config["process"]["user"] = {"uid": NOBODY, "gid": NOBODY}
    made.save()
    master, terminal = os.openpty()
    try:
        ends = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
        with pyrunc.popen("run", "--bundle", made, pyrunc.new_id(), **ends) as run:
            assert run.wait(30) == 0
        assert os.read(master, 100) == b"said\r\n"
        return os.fstat(terminal).st_uid
    finally:
        os.close(master)
        os.close(terminal)


def test_terminal(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Whose it is reads what is typed there."""
    assert owner_of_terminal(pyrunc, bundle) == 0


def test_terminal_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert owner_of_terminal(weak(ANY_TERMINAL), bundle) == NOBODY
