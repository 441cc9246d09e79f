"""A runtime that is root in a user namespace of some user only, as the runtime of rootless podman is."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.inside import probe, see
from tests.support.rootfs import give_to
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

BASE = 300000
MAP = f"0 {BASE} 65536"


class InNamespaces(Pyrunc):
    """The command, called by the root user of the user and mount namespaces of the process `pid`."""

    pid = 0

    def argv(self, *args: "str | os.PathLike[str]") -> list[str]:
        namespaces = [f"--user=/proc/{self.pid}/ns/user", f"--mount=/proc/{self.pid}/ns/mnt"]
        return ["nsenter", *namespaces, "--setuid=0", "--setgid=0", "--", *super().argv(*args)]


@pytest.fixture
def users(runtime: Path, folder: Path) -> Iterator[InNamespaces]:
    """The command as a user's namespace has it; no cgroup is that user's to write in."""
    script = "echo ready; exec sleep 1000"
    holder = subprocess.Popen(["unshare", "--user", "--mount", "sh", "-c", script], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        with holder.stdout as output:
            assert output.readline() == b"ready\n"
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{name}").write_text(MAP)
        root = folder / f"root-{folder.name}"
        root.mkdir(mode=0o700)
        os.chown(root, BASE, BASE)
        command = InNamespaces(runtime, root, folder / "output")
        command.pid = holder.pid
        yield command
        assert not command.delete_all()
        assert command.containers() == []
    finally:
        holder.kill()
        holder.wait()
        processes.wait_gone(holder.pid)


def given(made: Bundle) -> Bundle:
    give_to(made.path, BASE, BASE)
    return made


def test_does_without_cgroups(bundle: BundleFactory, users: InNamespaces) -> None:
    """They stay the caller's, and /sys/fs/cgroup shows those; groups can be set, since more than one id is mapped."""
    made = probe(bundle, user={"uid": 5, "gid": 6, "additionalGids": [7]})
    seen = see(users, given(made))
    assert seen["uid_map"] == [" ".join(f"{int(number):10}" for number in MAP.split())]
    assert (seen["uid"], seen["gid"], seen["groups"]) == ([5] * 3, [6] * 3, [7])
    assert seen["cgroups"] == Path("/proc/self/cgroup").read_text().splitlines()
    places = {line.split()[4] for line in seen["mountinfo"]}
    assert places >= {"/", "/proc", "/dev", "/dev/null", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/fs/cgroup"}


def test_life_cycle(bundle: BundleFactory, users: InNamespaces) -> None:
    container_id, _ = users.create(given(bundle(("/bin/sleep", "1000"))))
    users.ok("start", container_id)
    assert users.ok("exec", "--user", "5:6", container_id, "id", "-u").stdout == "5\n"
    users.ok("kill", container_id, "KILL")
    users.wait_status(container_id, "stopped")
    users.ok("delete", container_id)


def test_limits_that_cannot_be_set_are_refused(bundle: BundleFactory, users: InNamespaces) -> None:
    made = given(bundle())
    made.config["linux"]["resources"] = {"pids": {"limit": 5}}
    made.save()
    result = users.run(made)
    assert result.returncode == 1
    assert "rootless needs no limits + no cgrouppath when no permission is granted for cgroups" in result.stderr


def test_devices_that_are_bound_already(bundle: BundleFactory, users: InNamespaces) -> None:
    """As with `podman run --privileged`: the host's nodes, whose owners have no name in here."""
    made = probe(bundle, "stat:/dev/null")
    made.config["mounts"].append({"destination": "/dev/null", "type": "bind", "source": "/dev/null"})
    made.config["mounts"][-1]["options"] = ["bind"]
    seen = see(users, given(made.save()))["stat"]["/dev/null"]
    assert (seen["major"], seen["minor"], seen["mode"]) == (1, 3, 0o666)


def test_commands_about_no_container_need_no_place_for_state(runtime: Path) -> None:
    user = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin"]
    if subprocess.run([*user, "test", "-x", runtime]).returncode:
        pytest.skip("the checkout is not open to other users")
    user.append(str(runtime))
    features = subprocess.run([*user, "features"], capture_output=True, text=True)
    assert features.returncode == 0, features
    listed = subprocess.run([*user, "list"], capture_output=True, text=True)
    assert listed.returncode == 1
    assert "XDG_RUNTIME_DIR is not set" in listed.stderr
