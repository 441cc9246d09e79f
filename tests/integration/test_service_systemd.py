"""Containers as units of a real systemd: Type=notify and socket activation."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.processes import wait_until
from tests.support.runtime import Pyrunc

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not Path("/run/systemd/system").is_dir(), reason="needs systemd (make test-vm has it)"),
]

UNIT = "pyrunc-test-service"


def systemctl(*args: str) -> str:
    return subprocess.run(["systemctl", *args], capture_output=True, text=True, timeout=60, check=False).stdout.strip()


@pytest.fixture
def unit() -> Iterator[str]:
    yield UNIT
    systemctl("kill", "--signal=KILL", f"{UNIT}.service")  # the first process of a container does not mind SIGTERM
    systemctl("stop", f"{UNIT}.socket", f"{UNIT}.service")
    systemctl("reset-failed", f"{UNIT}.service")


def start(*args: str) -> None:
    subprocess.run(["systemd-run", f"--unit={UNIT}", *args], check=True, timeout=60, capture_output=True)


@pytest.fixture
def sender(folder: Path) -> Path:
    source = Path(__file__).parent.parent / "support/notify.c"
    subprocess.run(["gcc", "-O2", "-static", "-s", "-o", folder / "notify", source], check=True)
    return folder / "notify"


def test_type_notify(bundle: BundleFactory, pyrunc: Pyrunc, sender: Path, unit: str) -> None:
    """systemd-run comes back when the container has said that it is ready, and not before."""
    made = bundle("sleep 1; touch /ready; /bin/notify READY=1; sleep 60")
    made.config["root"]["readonly"] = False
    shutil.copy(sender, made.rootfs / "bin/notify")
    id = pyrunc.new_id()
    start("-p", "Type=notify", "-p", "NotifyAccess=all", *pyrunc.argv("run", "--bundle", str(made.save()), id))
    assert (made.rootfs / "ready").exists()
    assert systemctl("is-active", unit) == "active"
    assert systemctl("show", "-P", "MainPID", unit) != str(pyrunc.state(id)["pid"])


def test_type_notify_detached(bundle: BundleFactory, pyrunc: Pyrunc, sender: Path, unit: str) -> None:
    """The main process of the unit becomes the container's."""
    made = bundle("/bin/notify READY=1; sleep 60")
    shutil.copy(sender, made.rootfs / "bin/notify")
    id = pyrunc.new_id()
    options = ("-p", "Type=notify", "-p", "NotifyAccess=all", "-p", "KillMode=none")
    start(*options, *pyrunc.argv("run", "--detach", "--bundle", str(made), id))
    assert systemctl("show", "-P", "MainPID", unit) == str(pyrunc.state(id)["pid"])
    pyrunc.ok("kill", id, "KILL")
    pyrunc.wait_status(id, "stopped")


def test_socket_activation(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, unit: str) -> None:
    """The first connection starts the container, which finds the socket that systemd listens on."""
    made = bundle('echo "$LISTEN_FDS $LISTEN_PID $(readlink /proc/self/fd/3)" > /out; sleep 60')
    made.config["root"]["readonly"] = False
    id = pyrunc.new_id()
    path = folder / "activated.sock"
    start(f"--socket-property=ListenStream={path}", *pyrunc.argv("run", "--bundle", str(made.save()), id))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    out = made.rootfs / "out"
    wait_until(lambda: out.exists() and out.read_text(), "the container's output", 20)
    assert out.read_text().startswith("1 1 socket:[")
