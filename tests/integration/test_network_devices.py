"""linux.netDevices: devices of the runtime's network namespace become the container's.

The runtime runs in a network namespace of the test's own, where the devices are.
"""

import json
import os
import random
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pyrunc.errors import PyruncError
from pyrunc.network import move_all, plan_net_devices
from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.namespaces import NamespaceHolder
from tests.support.ordinary_user import OrdinaryUser
from tests.support.rootfs import give_to
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

Holder = Callable[..., NamespaceHolder]
NAME = "pyrunc-test-a"  # IFNAMSIZ allows 15 characters
SLEEP = ["/bin/sleep", "1000"]


def ip(pid: int, *words: str) -> str:
    """What ip(8) says in the network namespace of a process."""
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def devices(pid: int) -> "dict[str, dict[str, Any]]":
    """The network devices, by name."""
    return {link["ifname"]: link for link in json.loads(ip(pid, "-json", "address", "show"))}


def addresses(link: "dict[str, Any]") -> "set[str]":
    """The addresses of global scope."""
    return {f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] == "global"}


class Outside:
    """A network namespace with a pair of devices, and a pyrunc that runs there."""

    def __init__(self, held: NamespaceHolder, pyrunc: Pyrunc, folder: Path) -> None:
        self.pid = held.pid
        self.path = held.path("network")
        script = folder / "pyrunc-there"
        script.write_text(f'#!/bin/sh\nexec nsenter --net={self.path} {pyrunc.command} "$@"\n')
        script.chmod(0o755)
        self.pyrunc = Pyrunc(script, pyrunc.root, folder / "there")
        self.pyrunc.numbers = pyrunc.numbers
        self.add_devices()

    def add_devices(self) -> None:
        """Makes the pair, with addresses of all kinds."""
        ip(self.pid, "link", "add", NAME, "type", "veth", "peer", "name", "pyrunc-test-b")
        ip(self.pid, "link", "set", NAME, "mtu", "1300", "up")
        ip(self.pid, "link", "set", "pyrunc-test-b", "up")
        ip(self.pid, "address", "add", "192.0.2.7/24", "broadcast", "+", "dev", NAME)
        ip(self.pid, "address", "add", "192.0.2.9", "peer", "198.51.100.1/32", "dev", NAME)
        ip(self.pid, "address", "add", "169.254.1.1/16", "scope", "link", "dev", NAME)
        ip(self.pid, "address", "add", "203.0.113.5/24", "dev", NAME, "valid_lft", "900", "preferred_lft", "900")
        if Path("/proc/sys/net/ipv6").exists():
            ip(self.pid, "address", "add", "2001:db8::7/64", "dev", NAME, "nodad")

    @property
    def permanent(self) -> "set[str]":
        """The addresses that must be kept."""
        v6 = {"2001:db8::7/64"} if Path("/proc/sys/net/ipv6").exists() else set()
        return {"192.0.2.7/24", "192.0.2.9/32"} | v6


@pytest.fixture
def outside(holder: Holder, pyrunc: Pyrunc, folder: Path) -> Outside:
    return Outside(holder("network"), pyrunc, folder)


def with_devices(made: Bundle, asked: "dict[str, Any]", path: "str | None" = None) -> Bundle:
    """The bundle with those netDevices and a network namespace, new or joined."""
    linux = made.config["linux"]
    linux["netDevices"] = asked
    for entry in linux["namespaces"]:
        if entry["type"] == "network" and path:
            entry["path"] = path
    return made.save()


def check_moved(outside: Outside, pid: int, name: str) -> None:
    assert NAME not in devices(outside.pid)
    link = devices(pid)[name]
    assert "UP" in link["flags"]
    assert link["mtu"] == 1300
    assert addresses(link) == outside.permanent
    assert any(entry.get("broadcast") == "192.0.2.255" for entry in link["addr_info"])
    assert any(entry.get("address") == "198.51.100.1" for entry in link["addr_info"])


@pytest.mark.parametrize(
    ("device", "name"), [({}, NAME), ({"name": "eth0"}, "eth0"), ({"name": "lan%d"}, "lan0"), ({"name": ""}, NAME)]
)
def test_moved_into_a_new_namespace(
    bundle: BundleFactory, outside: Outside, device: "dict[str, str]", name: str
) -> None:
    id, _ = outside.pyrunc.create(with_devices(bundle(SLEEP), {NAME: device}))
    check_moved(outside, outside.pyrunc.state(id)["pid"], name)


def test_moved_into_a_namespace_that_is_joined(bundle: BundleFactory, outside: Outside, holder: Holder) -> None:
    inside = holder("network")
    made = with_devices(bundle(SLEEP), {NAME: {"name": "eth0"}}, inside.path("network"))
    id, _ = outside.pyrunc.create(made)
    check_moved(outside, inside.pid, "eth0")
    outside.pyrunc.ok("delete", "--force", id)
    assert "eth0" in devices(inside.pid)  # whose namespace it is decides what becomes of it


def test_moved_with_a_user_namespace(bundle: BundleFactory, outside: Outside) -> None:
    made = bundle(SLEEP)
    made.config["linux"]["namespaces"].append({"type": "user"})
    maps = [{"containerID": 0, "hostID": 300000, "size": 65536}]
    made.config["linux"]["uidMappings"] = made.config["linux"]["gidMappings"] = maps
    give_to(made.rootfs, 300000, 300000)
    id, _ = outside.pyrunc.create(with_devices(made, {NAME: {"name": "eth0"}}))
    check_moved(outside, outside.pyrunc.state(id)["pid"], "eth0")


def test_a_pattern_finds_a_free_name_and_index(bundle: BundleFactory, outside: Outside, holder: Holder) -> None:
    """In the namespace that is joined there are devices of those names and of that number."""
    inside = holder("network")
    index = devices(outside.pid)[NAME]["ifindex"]
    ip(inside.pid, "link", "add", "lan0", "index", str(index), "type", "veth", "peer", "name", NAME)
    outside.pyrunc.create(with_devices(bundle(SLEEP), {NAME: {"name": "lan%d"}}, inside.path("network")))
    found = devices(inside.pid)
    assert addresses(found["lan0"]) == addresses(found[NAME]) == set()
    (name,) = (name for name in found if name.startswith("lan") and name != "lan0")
    assert found[name]["ifindex"] != index
    assert addresses(found[name]) == outside.permanent


def test_a_sysctl_of_the_device(bundle: BundleFactory, outside: Outside) -> None:
    made = bundle("cat /proc/sys/net/ipv4/conf/eth0/forwarding")
    made.config["linux"]["sysctl"] = {"net.ipv4.conf.eth0.forwarding": "1"}
    assert outside.pyrunc.run(with_devices(made, {NAME: {"name": "eth0"}})).stdout == "1\n"


def test_hooks_see_the_device(bundle: BundleFactory, outside: Outside, folder: Path) -> None:
    script = folder / "hook"
    script.write_text(
        "#!/bin/sh\npid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/')\n"
        f"nsenter --net=/proc/$pid/ns/net ip link show eth0 > {folder}/seen\n"
    )
    script.chmod(0o755)
    made = with_devices(bundle(SLEEP), {NAME: {"name": "eth0"}})
    made.config["hooks"] = {"createRuntime": [{"path": str(script)}]}
    outside.pyrunc.create(made.save())
    assert "eth0" in (folder / "seen").read_text()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {NAME: {}, "pyrunc-test-no": {}},
            "linux.netDevices['pyrunc-test-no']: move network device pyrunc-test-no: there is no such device",
        ),
        ({NAME: {"name": "lo"}}, f"move network device {NAME} as lo: the container has a device lo already"),
    ],
)
def test_refused_before_anything_is_moved(
    bundle: BundleFactory, outside: Outside, asked: "dict[str, Any]", words: str
) -> None:
    result = outside.pyrunc.run(with_devices(bundle(SLEEP), asked))
    assert result.returncode == 1
    assert words in result.stderr.splitlines()[0]
    assert addresses(devices(outside.pid)[NAME]) >= outside.permanent
    assert outside.pyrunc.containers() == []


def test_what_fails_before_leaves_the_device(bundle: BundleFactory, outside: Outside) -> None:
    made = with_devices(bundle(SLEEP), {NAME: {}})
    made.config["mounts"].append({"destination": "/x", "type": "bind", "source": "/nowhere", "options": ["bind"]})
    assert outside.pyrunc.run(made.save()).returncode == 1
    assert addresses(devices(outside.pid)[NAME]) >= outside.permanent


def test_what_fails_later_does_not_move_it_back(bundle: BundleFactory, outside: Outside, holder: Holder) -> None:
    inside = holder("network")
    made = with_devices(bundle(SLEEP), {NAME: {"name": "eth0"}}, inside.path("network"))
    made.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    assert outside.pyrunc.run(made.save()).returncode == 1
    assert outside.pyrunc.containers() == []
    assert NAME not in devices(outside.pid)
    assert "eth0" in devices(inside.pid)


def test_rootless(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    made = with_devices(rootless(SLEEP), {"lo": {"name": "lan"}})
    made.config["linux"]["namespaces"].append({"type": "network"})
    result = user.run(made.save())
    assert result.returncode == 1
    assert "linux.netDevices: network devices are not supported in rootless containers" in result.stderr


def test_create_killed_at_any_moment(bundle: BundleFactory, outside: Outside) -> None:
    """The device has not been moved, or it has gone with the container's network namespace; nothing else stays."""
    made = with_devices(bundle(SLEEP), {NAME: {"name": "eth0"}})
    delays = random.Random(1)
    for _ in range(10):
        id = outside.pyrunc.new_id()
        process = outside.pyrunc.popen("create", "--bundle", str(made), id, stderr=subprocess.DEVNULL)
        time.sleep(delays.uniform(0, 0.12))
        process.kill()
        process.wait()
        outside.pyrunc("delete", "--force", id)
        assert id not in outside.pyrunc.containers()
        processes.wait_until(lambda: "pyrunc-test-b" not in devices(outside.pid) or NAME in devices(outside.pid), "")
        if NAME not in devices(outside.pid):
            outside.add_devices()


def test_a_device_that_cannot_be_moved(bundle: BundleFactory, outside: Outside) -> None:
    """The kernel's own words, where it has some, are in brackets at the end."""
    result = outside.pyrunc.run(with_devices(bundle(SLEEP), {"lo": {"name": "lan"}}))
    assert result.returncode == 1
    words = "linux.netDevices['lo']: move network device lo as lan: rtnetlink: invalid argument"
    assert words in result.stderr.splitlines()[0]


def test_no_thread_of_the_program_stays_elsewhere(holder: Holder) -> None:
    """As a library; what is to be moved is not there, but that is found out from within."""

    def namespaces() -> "set[str]":
        found = set()
        for task in os.listdir("/proc/self/task"):
            with suppress(FileNotFoundError):  # it has ended
                found.add(os.readlink(f"/proc/self/task/{task}/ns/net"))
        return found

    inside, before = holder("network"), namespaces()
    with pytest.raises(PyruncError, match="there is no such device"):
        move_all(plan_net_devices({"pyrunc-test-no": {}}, privileged=True), inside.pid)
    # What threading has joined may take another moment to be gone.
    processes.wait_until(lambda: namespaces() == before, "the end of the thread")
