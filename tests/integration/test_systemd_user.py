"""Containers of an ordinary user as scopes of his own systemd, found by the user's bus."""

import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.rootfs import give_to
from tests.support.runtime import ENVIRONMENT
from tests.support.units import WithSystemd, cgroup_of, read

pytestmark = [pytest.mark.root, pytest.mark.cgroup2, pytest.mark.systemd]

SLEEP = ("/bin/sleep", "1000")
MIB = 1 << 20


class UserWithSystemd(WithSystemd):
    """The command, called by an ordinary user with a manager of his own (the guest has one)."""

    def __init__(self, command: Path, folder: Path, account: "pwd.struct_passwd", scope: bool) -> None:
        root = folder / f"root-{folder.name}"
        root.mkdir(mode=0o700)
        os.chown(root, account.pw_uid, account.pw_gid)
        super().__init__(command, root, folder / "output")
        self.account = account
        self.runtime_dir = f"/run/user/{account.pw_uid}"
        self.before = ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--")
        # Where the command itself is: in a scope of the user's manager, or wherever the tests are.
        self.inner = ("systemd-run", "--user", "--scope", "--quiet", "--") if scope else ()

    def argv(self, *args: "str | os.PathLike[str]") -> list[str]:
        argv = super().argv(*args)
        count = len(self.before)
        return [*argv[:count], *self.inner, *argv[count:]]

    def environment(self) -> dict[str, str]:
        return {**ENVIRONMENT, "XDG_RUNTIME_DIR": self.runtime_dir}


@pytest.fixture
def account() -> "pwd.struct_passwd":
    """An ordinary user of this host whose manager runs."""
    for entry in pwd.getpwall():
        if entry.pw_uid >= 1000 and Path(f"/run/user/{entry.pw_uid}/bus").exists():
            return entry
    pytest.skip("no ordinary user has a systemd of his own here")


@pytest.fixture(params=[False, True], ids=["from outside", "from a scope of his own"])
def user(
    request: pytest.FixtureRequest, runtime: Path, folder: Path, account: "pwd.struct_passwd"
) -> Iterator[UserWithSystemd]:
    """The command as that user has it; no unit of it is left afterwards."""
    command = UserWithSystemd(runtime, folder, account, request.param)
    yield command
    for container_id in command.containers():
        command.ok("delete", "--force", container_id, env=command.environment())
    assert command.units(f"-{folder.name}-") == []


@pytest.fixture
def rootless(bundle: BundleFactory, account: "pwd.struct_passwd") -> Callable[..., Bundle]:
    """rootless(args, **resources) makes a bundle for that user."""

    def make(args: "str | tuple[str, ...]", **resources: object) -> Bundle:
        made = bundle(args, rootless=True)
        for name, own in (("uidMappings", account.pw_uid), ("gidMappings", account.pw_gid)):
            made.config["linux"][name] = [{"containerID": 0, "hostID": own, "size": 1}]
        made.config["linux"].setdefault("resources", {}).update(resources)
        give_to(made.path, account.pw_uid, account.pw_gid)
        return made.save()

    return make


def test_life_cycle(user: UserWithSystemd, rootless: Callable[..., Bundle]) -> None:
    """Limits hold where the controllers are delegated, and exec comes in also from outside of the user's cgroup."""
    environment = user.environment()
    container_id = user.new_id()
    made = rootless(SLEEP, memory={"limit": 64 * MIB}, pids={"limit": 50})
    user.ok("create", "--bundle", made, container_id, env=environment)
    unit = f"pyrunc-{container_id}.scope"
    state = user.ok("state", container_id, env=environment).json()
    uid = user.account.pw_uid
    cgroup = f"/user.slice/user-{uid}.slice/user@{uid}.service/user.slice/{unit}"
    assert cgroup_of(state["pid"]) == cgroup
    assert user.show(unit, "ActiveState", "MemoryMax", "TasksMax", "Delegate", "DevicePolicy") == {
        "ActiveState": "active",
        "MemoryMax": str(64 * MIB),
        "TasksMax": "50",
        "Delegate": "yes",
        "DevicePolicy": "auto",
    }
    assert (read(cgroup, "memory.max"), read(cgroup, "pids.max")) == (str(64 * MIB), "50")
    user.ok("start", container_id, env=environment)
    inside = user.ok("exec", container_id, "cat", "/proc/self/cgroup", env=environment).stdout
    assert inside.endswith(f"{unit}\n")
    user.ok("update", "--pids-limit", "60", container_id, env=environment)
    assert user.show(unit, "TasksMax") == {"TasksMax": "60"}
    assert read(cgroup, "pids.max") == "60"
    user.ok("kill", container_id, "KILL", env=environment)
    processes.wait_gone(state["pid"])
    user.ok("delete", container_id, env=environment)
    assert user.units(container_id) == []
    assert not Path(f"/sys/fs/cgroup{cgroup}").exists()


def test_without_limits(user: UserWithSystemd, rootless: Callable[..., Bundle]) -> None:
    result = user.run(rootless(("/bin/cat", "/proc/self/cgroup")), env=user.environment())
    assert result.returncode == 0, result
    assert user.units("pyrunc-test-") == []


def test_the_bus_is_found_without_the_environment(user: UserWithSystemd, rootless: Callable[..., Bundle]) -> None:
    """Engines call some commands with hardly any: /run/user/UID is the usual place."""
    if user.inner:
        pytest.skip("systemd-run itself needs $XDG_RUNTIME_DIR")
    container_id = user.new_id()
    user.ok("create", "--bundle", rootless(SLEEP), container_id, env={"XDG_RUNTIME_DIR": ""})
    user.ok("delete", "--force", container_id, env={"XDG_RUNTIME_DIR": ""})
    assert user.units(container_id) == []


def test_the_systems_bus_refuses(user: UserWithSystemd, rootless: Callable[..., Bundle]) -> None:
    """--rootless=false asks for the system's manager, which takes no orders from an ordinary user."""
    container_id = user.new_id()
    result = user("--rootless=false", "create", "--bundle", rootless(SLEEP), container_id, env=user.environment())
    assert result.returncode == 1
    assert f"start unit pyrunc-{container_id}.scope: StartTransientUnit: " in result.stderr
    assert "\nhint: root's rights are needed" in result.stderr
    assert user.containers() == []
