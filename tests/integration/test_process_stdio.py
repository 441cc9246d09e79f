"""The container's standard input and output, its exit status, and signals for it."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.bundles import BundleFactory
from tests.support.inside import probe
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root


def test_pipes_become_the_users(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The user may reopen /dev/stdout; regular files stay whose they are."""
    made = bundle("echo reopened > /dev/stdout; stat -L -c %u /proc/self/fd/0 /proc/self/fd/2 >&2")
    made.config["process"].update(user={"uid": 1000, "gid": 1000}, capabilities={})
    made.save()
    reader, writer = os.pipe()
    with open(pyrunc.folder / "plain", "wb+") as plain:
        os.fchmod(plain.fileno(), 0o666)
        process = pyrunc.popen("run", "--bundle", made, pyrunc.new_id(), stdin=plain, stdout=writer, stderr=plain)
        assert process.wait(20) == 0, (pyrunc.folder / "plain").read_text()
        os.close(writer)
        assert os.fstat(reader).st_uid == 1000
        assert os.fstat(plain.fileno()).st_uid == 0
        assert os.read(reader, 100) == b"reopened\n"
        os.close(reader)
    assert (pyrunc.folder / "plain").read_text() == "0\n0\n"


def test_the_hosts_dev_null_stays_roots(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle, user={"uid": 1000, "gid": 1000})
    process = pyrunc.popen("run", "--bundle", made, pyrunc.new_id(), stdout=-3, stderr=-3)
    assert process.wait(20) == 0
    status = os.stat("/dev/null")
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o666)


def test_closed_standard_descriptors(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Become /dev/null, and nothing of the runtime's takes their place."""
    made = bundle("/bin/probe > /out/seen")
    (folder / "out").mkdir()
    made.config["mounts"].append({"destination": "/out", "source": str(folder / "out"), "options": ["bind"]})
    (made.rootfs / "out").mkdir()
    made.save()
    command = " ".join(pyrunc.argv("run", "--bundle", made, pyrunc.new_id()))
    assert os.waitstatus_to_exitcode(os.system(f"exec {command} <&- >&- 2>&-")) == 0
    seen = json.loads((folder / "out/seen").read_text())
    assert sorted(seen["fds"]) == ["0", "1", "2"]
    assert seen["fds"]["0"] == seen["fds"]["2"] == "/dev/null"


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("exit 255", 255), ("sh -c 'kill -15 $$'; exit $?", 143)],
)
def test_exit_status(bundle: BundleFactory, pyrunc: Pyrunc, script: str, status: int) -> None:
    made = bundle(script)
    # The first process of a pid namespace cannot kill itself.
    made.config["linux"]["namespaces"] = [n for n in made.config["linux"]["namespaces"] if n["type"] != "pid"]
    made.config["mounts"] = [m for m in made.config["mounts"] if m["type"] != "proc"]
    made.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    made.save()
    assert pyrunc.run(made).returncode == status


def test_a_signal_to_the_runtime_reaches_the_program(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle("trap 'echo got; exit 9' USR1; echo ready; while :; do sleep 0.05; done")
    with open(pyrunc.folder / "said", "wb") as out:
        process = pyrunc.popen("run", "--bundle", made, pyrunc.new_id(), stdout=out)
    processes.wait_until(lambda: "ready" in (pyrunc.folder / "said").read_text(), "the program")
    process.send_signal(signal.SIGUSR1)
    assert process.wait(10) == 9
    assert (pyrunc.folder / "said").read_text() == "ready\ngot\n"
