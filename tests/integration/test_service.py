"""A container as a systemd service: LISTEN_FDS and NOTIFY_SOCKET of create, run and start; --pidfd-socket."""

import os
import select
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.runtime import ENVIRONMENT, Pyrunc, Result

pytestmark = pytest.mark.root

READY = "/bin/notify STATUS=working 'X=1\nREADY=1' READY=1 WATCHDOG=1"


@pytest.fixture(scope="module")
def sender(session_folder: Path) -> Path:
    """The program that sends notifications."""
    program = session_folder / "notify"
    source = Path(__file__).parent.parent / "support/notify.c"
    subprocess.run(["gcc", "-O2", "-static", "-s", "-Wall", "-Werror", "-o", program, source], check=True)
    return program


class Manager:
    """What systemd does at its end: reads, and closes what came along."""

    def __init__(self, address: "str | bytes") -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(10)
        self.address = address

    def next(self) -> bytes:
        data, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
        for fd in fds:
            os.close(fd)
        return data + b" +fd" * len(fds)

    def is_silent(self) -> bool:
        return not select.select([self.socket], [], [], 0.2)[0]


@pytest.fixture
def manager(folder: Path) -> Iterator[Manager]:
    made = Manager(str(folder / "manager.sock"))
    yield made
    made.socket.close()


@pytest.fixture
def env(folder: Path) -> dict[str, str]:
    return {**ENVIRONMENT, "NOTIFY_SOCKET": str(folder / "manager.sock")}


def with_sender(bundle: Bundle, sender: Path) -> Bundle:
    shutil.copy(sender, bundle.rootfs / "bin/notify")
    return bundle


def complaints(result: Result) -> list[str]:
    """What the container said on standard error.  What it sends after READY=1 may find nobody who listens any more."""
    return [line for line in result.stderr.splitlines() if not line.endswith("notify.sock: Connection refused")]


# --- NOTIFY_SOCKET ----------------------------------------------------------------------------------------------------


def test_start_waits_until_the_container_is_ready(
    bundle: BundleFactory, pyrunc: Pyrunc, sender: Path, manager: Manager, env: dict[str, str]
) -> None:
    """And tells only that, and whom to watch; the socket's directory cannot be changed from inside."""
    made = with_sender(
        bundle(f"while [ ! -e /go ]; do sleep 0.02; done; echo $NOTIFY_SOCKET; touch /run/notify/x; {READY}; sleep 60"),
        sender,
    )
    id, created = pyrunc.create(made, env=env)
    pid = pyrunc.state(id)["pid"]
    start = pyrunc.popen("start", id, env=env)
    pyrunc.wait_status(id, "running")
    pyrunc.ok("state", id)  # nothing is locked meanwhile
    assert start.poll() is None
    assert manager.is_silent()
    (made.rootfs / "go").touch()
    assert [manager.next() for _ in range(3)] == [b"READY=1\n", b"MAINPID=%d" % pid, b"BARRIER=1 +fd"]
    assert start.wait(10) == 0
    assert manager.is_silent()
    assert created.stdout == "/run/notify/notify.sock\n"
    assert complaints(created) == ["touch: /run/notify/x: Read-only file system"]


def test_run_detached(
    bundle: BundleFactory, pyrunc: Pyrunc, sender: Path, manager: Manager, env: dict[str, str]
) -> None:
    made = with_sender(bundle(f"{READY}; sleep 60"), sender)
    id = pyrunc.new_id()
    run = pyrunc.popen("run", "--detach", "--bundle", made, id, env=env, stdout=subprocess.DEVNULL)
    told = [manager.next() for _ in range(3)]
    assert run.wait(10) == 0
    assert told == [b"READY=1\n", b"MAINPID=%d" % pyrunc.state(id)["pid"], b"BARRIER=1 +fd"]


def test_run_in_the_foreground(
    bundle: BundleFactory, pyrunc: Pyrunc, sender: Path, manager: Manager, env: dict[str, str]
) -> None:
    """The main process is pyrunc itself, which the manager knows."""
    made = with_sender(bundle(f"{READY}; sleep 0.3; exit 7"), sender)
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(pyrunc.run(made, env=env)))
    thread.start()
    assert [manager.next() for _ in range(2)] == [b"READY=1\n", b"BARRIER=1 +fd"]
    thread.join()
    assert result[0].returncode == 7
    assert manager.is_silent()


@pytest.mark.parametrize("how", ["create", "run", "foreground"])
def test_a_container_that_ends_before_it_is_ready(
    bundle: BundleFactory, pyrunc: Pyrunc, manager: Manager, env: dict[str, str], how: str
) -> None:
    """Nobody waits for it, and nothing is told."""
    made = bundle(["/bin/true"])
    if how == "create":
        id, _ = pyrunc.create(made, env=env)
        pyrunc.ok("start", id, env=env)
    else:
        result = pyrunc.run(made, *(["--detach"] if how == "run" else []), env=env)
        assert result.returncode == 0
    assert manager.is_silent()


def test_an_abstract_address(bundle: BundleFactory, pyrunc: Pyrunc, sender: Path, folder: Path) -> None:
    name = f"pyrunc-test-{folder.name}"
    manager = Manager(b"\0" + name.encode())
    made = with_sender(bundle(f"{READY}; sleep 60"), sender)
    run = pyrunc.popen(
        *("run", "--detach", "--bundle", made, pyrunc.new_id()),
        env={**ENVIRONMENT, "NOTIFY_SOCKET": f"@{name}"},
        stdout=subprocess.DEVNULL,
    )
    assert [manager.next() for _ in range(3)][:1] == [b"READY=1\n"]
    assert run.wait(10) == 0
    manager.socket.close()


def test_a_user_of_the_container(
    bundle: BundleFactory, pyrunc: Pyrunc, sender: Path, manager: Manager, env: dict[str, str]
) -> None:
    """Not only root may say that it is ready, in spite of the caller's umask."""
    made = with_sender(bundle(f"{READY}; sleep 60"), sender)
    made.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    id, created = pyrunc.create(made.save(), env=env)
    start = pyrunc.popen("start", id, env=env, umask=0o077)
    assert [manager.next() for _ in range(3)][:1] == [b"READY=1\n"]
    assert start.wait(10) == 0
    assert complaints(created) == []


def test_a_manager_that_does_not_listen(
    bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, env: dict[str, str]
) -> None:
    """`start` says so before anything runs; `create` does not need it."""
    id, created = pyrunc.create(bundle("echo ran"), env=env)
    result = pyrunc("start", id, env=env)
    path = folder / "manager.sock"
    assert result.stderr == f"pyrunc start failed: {id}: NOTIFY_SOCKET {path}: no such file or directory\n"
    assert created.stdout == ""
    assert pyrunc.state(id)["status"] == "stopped"


def test_start_without_the_manager(bundle: BundleFactory, pyrunc: Pyrunc, sender: Path, env: dict[str, str]) -> None:
    """Whose environment has no NOTIFY_SOCKET does not wait; the container's program finds nobody there."""
    id, created = pyrunc.create(with_sender(bundle(READY), sender), env=env)
    pyrunc.ok("start", id)
    pyrunc.wait_status(id, "stopped")
    assert created.stderr == "/run/notify/notify.sock: No such file or directory\n" * 4


def test_a_container_that_was_created_without(
    bundle: BundleFactory, pyrunc: Pyrunc, manager: Manager, env: dict[str, str]
) -> None:
    id, _ = pyrunc.create(bundle(["/bin/sleep", "60"]))
    pyrunc.ok("start", id, env=env)
    assert manager.is_silent()


def test_start_is_killed_while_it_waits(
    bundle: BundleFactory, pyrunc: Pyrunc, sender: Path, manager: Manager, env: dict[str, str]
) -> None:
    """The container runs on and can be deleted; a socket that is left does no harm."""
    id, _ = pyrunc.create(with_sender(bundle(["/bin/sleep", "60"]), sender), env=env)
    start = pyrunc.popen("start", id, env=env)
    pyrunc.wait_status(id, "running")
    start.send_signal(signal.SIGKILL)
    start.wait()
    pyrunc.ok("delete", "--force", id)
    assert manager.is_silent()


@pytest.mark.parametrize("trap", ["link", "file", "run is a link"])
def test_an_image_with_traps(
    bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, env: dict[str, str], trap: str
) -> None:
    """Nothing outside the root is touched, whatever the image has at /run/notify."""
    canary = folder / "canary"
    canary.mkdir()
    made = bundle(["/bin/true"])
    if trap == "link":
        (made.rootfs / "run/notify").symlink_to(canary)
    elif trap == "file":
        (made.rootfs / "run/notify").touch()
    else:
        (made.rootfs / "run").rmdir()
        (made.rootfs / "run").symlink_to(f"../../../../../../..{canary}")
    id = pyrunc.new_id()
    result = pyrunc("create", "--bundle", made, id, env=env)
    assert (result.returncode == 0) is (trap != "file"), result
    assert list(canary.iterdir()) == []


def test_without_a_mount_namespace(
    bundle: BundleFactory, pyrunc: Pyrunc, manager: Manager, env: dict[str, str]
) -> None:
    """There is no place for a socket, so there is none."""
    made = bundle("echo ${NOTIFY_SOCKET:-none}")
    made.config["linux"]["namespaces"] = [{"type": "pid"}]
    for key in ("maskedPaths", "readonlyPaths"):
        made.config["linux"].pop(key)
    made.config["mounts"] = []
    made.config["root"]["readonly"] = False
    made.config.pop("hostname", None)
    assert pyrunc.run(made.save(), env=env).stdout == "none\n"
    assert manager.is_silent()


# --- LISTEN_FDS -------------------------------------------------------------------------------------------------------

AS_SYSTEMD = 'exec 3<"$1" 4<"$2" 5<"$3"; export LISTEN_FDS=$4 LISTEN_PID=$$; shift 4; exec "$@"'
LIST = 'echo "$LISTEN_FDS $LISTEN_PID"; for f in 3 4 5 6; do readlink /proc/self/fd/$f; done'


def activated(pyrunc: Pyrunc, folder: Path, count: str, *args: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command with three files open from 3 on, `count` of them as sockets of its own."""
    files = [folder / name for name in ("one", "two", "three")]
    for file in files:
        file.touch()
    command = ["/bin/sh", "-c", AS_SYSTEMD, "sh", *map(str, files), count, *pyrunc.argv(*args)]
    out, err = folder / "activated.out", folder / "activated.err"  # a container that was created keeps them open
    with open(out, "wb") as stdout, open(err, "wb") as stderr:
        status = subprocess.run(
            command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, timeout=30, check=False
        ).returncode
    return subprocess.CompletedProcess(command, status, out.read_text(), err.read_text())


@pytest.mark.parametrize(
    ("count", "preserve", "expected"),
    [
        ("2", "0", ["2 1", "one", "two"]),
        ("2", "1", ["2 1", "one", "two", "three"]),
        ("1", "1", ["1 1", "one", "two"]),
        ("0", "1", [" ", "one"]),
        ("", "0", [" "]),
    ],
)
def test_sockets_come_before_preserved_descriptors(
    bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, count: str, preserve: str, expected: list[str]
) -> None:
    made = str(bundle(LIST))
    result = activated(pyrunc, folder, count, "run", "--preserve-fds", preserve, "--bundle", made, pyrunc.new_id())
    lines = result.stdout.splitlines()
    assert [Path(line).name if "/" in line else line for line in lines] == expected, result


def test_sockets_of_create(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """They wait in the container's process until it is started."""
    made = bundle(f"({LIST}) > /out")
    made.config["root"]["readonly"] = False
    id = pyrunc.new_id()
    assert activated(pyrunc, folder, "3", "create", "--bundle", str(made.save()), id).returncode == 0
    pyrunc.ok("start", id)
    pyrunc.wait_status(id, "stopped")
    lines = (made.rootfs / "out").read_text().splitlines()
    assert [Path(line).name for line in lines] == ["3 1", "one", "two", "three"]


def test_exec_does_not_ask(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """As with runc: the sockets are the service's, which runs."""
    id, _ = pyrunc.create(bundle(["/bin/sleep", "60"]))
    pyrunc.ok("start", id)
    result = activated(pyrunc, folder, "2", "exec", "--preserve-fds", "1", id, "/bin/sh", "-c", LIST)
    assert [Path(line).name for line in result.stdout.splitlines()] == [" ", "one"]


@pytest.mark.parametrize(
    ("count", "words"),
    [
        ("4", "LISTEN_FDS: descriptor 4 of 4 is not there\nhint: descriptor 6 is not open in the caller\n"),
        ("two", "LISTEN_FDS: 'two' is not a number of descriptors\n"),
        ("9999", "LISTEN_FDS 9999, preserve-fds 0: at most 251 descriptors can be passed on\n"),
    ],
)
def test_bad_numbers(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, count: str, words: str) -> None:
    id = pyrunc.new_id()
    result = activated(pyrunc, folder, count, "run", "--bundle", str(bundle("echo ran")), id)
    assert (result.returncode, result.stderr) == (1, f"pyrunc run failed: {id}: {words}")
    assert pyrunc.containers() == []


# --- --pidfd-socket ---------------------------------------------------------------------------------------------------


class PidfdSocket:
    """Takes one pidfd."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.socket.settimeout(10)

    def take(self) -> tuple[bytes, int]:
        """The message's text, and the pid that its descriptor is of."""
        connection = self.socket.accept()[0]
        data, fds, _, _ = socket.recv_fds(connection, 4096, 4)
        assert connection.recv(10) == b""
        connection.close()
        (fd,) = fds
        try:
            lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
        finally:
            os.close(fd)
        return data, next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))


@pytest.fixture
def pidfds(folder: Path) -> Iterator[PidfdSocket]:
    made = PidfdSocket(folder / "pidfd.sock")
    yield made
    made.socket.close()


def test_pidfd_of_create_and_exec(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, pidfds: PidfdSocket) -> None:
    id, _ = pyrunc.create(bundle(["/bin/sleep", "60"]), "--pidfd-socket", str(folder / "pidfd.sock"))
    assert pidfds.take() == (b"standard", pyrunc.state(id)["pid"])
    pyrunc.ok("start", id)
    pid_file = folder / "exec.pid"
    options = ("--detach", "--pid-file", str(pid_file), "--pidfd-socket", str(folder / "pidfd.sock"))
    pyrunc.ok("exec", *options, id, "/bin/sleep", "60")
    assert pidfds.take() == (b"setns", int(pid_file.read_text()))


def test_pidfd_of_run(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, pidfds: PidfdSocket) -> None:
    id = pyrunc.new_id()
    made = bundle(["/bin/sleep", "60"])
    pyrunc.ok("run", "--detach", "--bundle", made, "--pidfd-socket", str(folder / "pidfd.sock"), id)
    assert pidfds.take() == (b"standard", pyrunc.state(id)["pid"])


def test_nobody_at_the_pidfd_socket(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """exec undoes what it has started; the container runs on."""
    id, _ = pyrunc.create(bundle(["/bin/sleep", "60"]))
    pyrunc.ok("start", id)
    path = folder / "absent.sock"
    result = pyrunc("exec", "--pidfd-socket", str(path), id, "/bin/touch", "/dev/ran")
    assert result.returncode == 255
    assert result.stderr == (
        f"pyrunc exec failed: {id}: pidfd socket {path}: connect {path}: no such file or directory\n"
    )
    assert pyrunc("exec", id, "/bin/ls", "/dev/ran").returncode == 1
