"""A container's first process, of an ordinary user, goes to a user namespace of its own making: there it is root, and
in a mount namespace made with it may mount anything anywhere."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

ANYBODYS: Change = (
    "pyrunc/liveness.py",
    'if pathnames.samestat(posix.stat(owner), posix.stat("/proc/self/ns/user")):',
    "if owner:",
)
LEAVES = """
printf '#!/bin/sh\\necho evil; id -u' > /tmp/evil && chmod 755 /tmp/evil &&
exec unshare -U -r -m sh -c 'mount --bind /tmp/evil /bin/probe && echo ready && exec sleep 1000'
"""
WHERE_IT_IS: Change = ("pyrunc/namespace_members.py", "and wanted and record.user_namespace", "and not record")
WORDS = "its process is in a mount namespace of its own making"


def left(pyrunc: Pyrunc, bundle: BundleFactory) -> str:
    """The id of such a container."""
    made = bundle(LEAVES)
    made.config["process"].update(user={"uid": 1000, "gid": 1000}, noNewPrivileges=True)
    for kind in ("effective", "permitted", "inheritable", "ambient"):
        made.config["process"]["capabilities"][kind] = []
    (made.rootfs / "tmp").chmod(0o777)
    container_id, output = pyrunc.create(made.save())
    pyrunc.ok("start", container_id)
    processes.wait_until(lambda: output.stdout == "ready\n", "the container to leave its namespaces")
    return container_id


def executes_its_file(pyrunc: Pyrunc, bundle: BundleFactory) -> bool:
    """Whether the container's root, by exec, executes what its ordinary user has mounted on a program."""
    result = pyrunc("exec", "--user", "0:0", left(pyrunc, bundle), "/bin/probe")
    assert result.stdout == "evil\n0\n" or WORDS in result.stderr, result
    return bool(result.stdout)


def test_exec(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert not executes_its_file(pyrunc, bundle)


def test_exec_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert executes_its_file(weak(ANYBODYS), bundle)


def gets_a_mount(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> bool:
    """Whether it gets a read-only mount of the host, which it could make writable there."""
    (folder / "source").mkdir()
    mount = {"destination": "/tmp/new", "source": str(folder / "source"), "options": ["rbind", "ro"]}
    container_id = left(pyrunc, bundle)
    result = pyrunc("mounts", "add", container_id, "-", input=json.dumps([mount]))
    assert result.returncode == 0 or WORDS in result.stderr, result
    seen = Path(f"/proc/{pyrunc.state(container_id)['pid']}/mountinfo").read_text()
    assert (" /tmp/new " in seen) == (result.returncode == 0)
    return " /tmp/new " in seen


def test_mounts(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    assert not gets_a_mount(pyrunc, bundle, folder)


def test_mounts_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], folder: Path) -> None:
    assert gets_a_mount(weak(ANYBODYS), bundle, folder)


def leaves_a_process(pyrunc: Pyrunc, bundle: BundleFactory) -> bool:
    """Whether a process survives the container: where only the user namespace tells which are the container's, another
    one than the first."""
    made = bundle("sleep 1000 & echo $!; exec unshare -U sh -c 'echo ready; exec sleep 1000'")
    linux = made.config["linux"]
    kept = [entry for entry in linux["namespaces"] if entry["type"] not in ("pid", "cgroup")]
    linux.update(namespaces=[*kept, {"type": "user"}], maskedPaths=[], readonlyPaths=[])
    del linux["resources"]
    for kind in ("uidMappings", "gidMappings"):
        linux[kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    made.config["mounts"] = [mount for mount in made.config["mounts"] if mount["type"] not in ("cgroup", "proc")]
    container_id = pyrunc.new_id()
    output = pyrunc.ok("--cgroup-manager", "disabled", "create", "--bundle", made.save(), container_id)
    pyrunc.ok("start", container_id)
    processes.wait_until(lambda: "ready" in output.stdout, "the container to leave its user namespace")
    other = int(output.stdout.split()[0])
    assert processes.alive(other)
    pyrunc.ok("delete", "--force", container_id)
    if processes.alive(other):
        processes.end([other])
        return True
    return False


def test_delete(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert not leaves_a_process(pyrunc, bundle)


def test_delete_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert leaves_a_process(weak(WHERE_IT_IS), bundle)
