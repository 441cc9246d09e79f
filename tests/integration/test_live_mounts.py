"""mounts add and mounts remove, on containers that run, wait to be started, or are paused."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyrunc.container import Container
from pyrunc.errors import PyruncError
from tests.support.bundles import BundleFactory
from tests.support.live import SLEEP, Live, bind, in_userns
from tests.support.processes import wait_until
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root


def test_add_and_remove(live: Live, source: Path) -> None:
    before = live.table_ids(), live.stored()
    one, two = bind(source, "/data/deep", "rbind", "ro", "nosuid"), bind(source / "file", "/a-file", "bind")
    tmpfs = {"destination": "/t", "type": "tmpfs", "source": "t", "options": ["size=1m", "mode=1770", "nodev"]}
    live.add(one, two, tmpfs)
    assert live.exec("/bin/cat", "/data/deep/file", "/a-file").stdout == "of the host\n" * 2
    assert live.exec("/bin/touch", "/data/deep/new").returncode == 1
    table = live.table()
    assert {"ro", "nosuid"} <= table["/data/deep"]["options"]
    assert "nodev" in table["/t"]["options"]
    assert table["/t"]["type"] == "tmpfs"
    assert (live.root / "t").stat().st_mode & 0o7777 == 0o1770
    assert live.stored() == [*before[1], one, two, tmpfs]
    result = live.call("remove", one, two, tmpfs)
    assert (result.returncode, result.stderr) == (0, "")
    assert (live.table_ids(), live.stored()) == before
    assert (source / "file").read_text() == "of the host\n"


@pytest.mark.parametrize("status", ["created", "paused"])
def test_of_one_that_does_not_run(status: str, bundle: BundleFactory, pyrunc: Pyrunc, source: Path) -> None:
    live = Live(pyrunc, bundle("cat /data/file; exec sleep 1000"), start=status == "paused")
    if status == "paused":
        pyrunc.ok("pause", live.id)
    live.add(bind(source, "/data"))
    assert "/data" in live.table()
    live.remove("/data")
    live.add(bind(source, "/data"))
    assert pyrunc.state(live.id)["status"] == status
    if status == "created":
        pyrunc.ok("start", live.id)
        wait_until(lambda: live.result.stdout == "of the host\n", "what the container reads")


def test_a_file_as_argument(live: Live, source: Path, folder: Path) -> None:
    listed = folder / "mounts.json"
    listed.write_text(json.dumps([bind(source, "/data")]))
    for verb, there in (("add", True), ("remove", False)):
        live.pyrunc.ok("mounts", verb, live.id, listed)
        assert ("/data" in live.table()) == there


def test_from_a_program(live: Live, source: Path) -> None:
    container = Container(str(live.pyrunc.root), live.id)
    container.add_mounts([bind(source, "/data")])
    assert "/data" in live.table()
    container.remove_mounts([{"destination": "/data"}])
    assert "/data" not in live.table()
    with pytest.raises(PyruncError, match="/data is not a mount point"):
        container.remove_mounts([{"destination": "/data"}])
    assert os.listdir("/") != []  # this process is still where it was


def test_nothing_to_do(live: Live) -> None:
    live.add()
    live.remove()


@pytest.mark.usefixtures("mounted_below")
def test_trees(live: Live, source: Path) -> None:
    live.add(bind(source, "/tree", "rbind", "rro"))
    table = live.table()
    assert "ro" in table["/tree/below"]["options"]
    live.remove("/tree")
    assert not any(path.startswith("/tree") for path in live.table())
    result = live.call("add", bind(source, "/one", "bind"))
    if "user" in live.pyrunc.state(live.id).get("namespaces", "") or result.returncode:
        assert "use rbind" in result.stderr
        assert "/one" not in live.table()
    else:
        assert "/one/below" not in live.table()


@pytest.mark.usefixtures("mounted_below")
def test_what_the_host_protects_stays_so(bundle: BundleFactory, pyrunc: Pyrunc, source: Path) -> None:
    """In a user namespace, where the container's root may remount."""
    subprocess.run(["mount", "-o", "remount,bind,ro,nosuid", source / "below"], check=True)
    live = Live(pyrunc, in_userns(bundle(SLEEP)))
    live.add(bind(source / "below", "/data", "rbind"))
    assert {"ro", "nosuid"} <= live.table()["/data"]["options"]
    remounted = pyrunc("exec", "--cap", "CAP_SYS_ADMIN", live.id, "mount", "-o", "remount,bind,rw", "/data")
    assert remounted.returncode != 0
    assert "ro" in live.table()["/data"]["options"]
    told = live.refused("add", bind(source / "below", "/more", "rbind", "rw"))
    assert "cannot clear ro: locked by the user namespace that the mount comes from" in told


@pytest.mark.parametrize(("options", "kind"), [((), "master"), (("rprivate",), ""), (("rshared",), "shared master")])
def test_propagation(options: tuple[str, ...], kind: str, bundle: BundleFactory, pyrunc: Pyrunc, source: Path) -> None:
    subprocess.run(["mount", "--bind", source, source], check=True)
    try:
        subprocess.run(["mount", "--make-shared", source], check=True)
        live = Live(pyrunc, bundle(SLEEP))
        live.add(bind(source, "/data", "rbind", *options))
        assert [word.split(":")[0] for word in live.table()["/data"]["propagation"]] == kind.split()
        subprocess.run(["mount", "-t", "tmpfs", "later", source / "below"], check=True)
        try:
            assert ("/data/below" in live.table()) == ("master" in kind)
        finally:
            subprocess.run(["umount", source / "below"], check=True)
    finally:
        subprocess.run(["umount", source], check=True)


def test_removing_leaves_the_hosts_mounts(bundle: BundleFactory, pyrunc: Pyrunc, source: Path) -> None:
    """With mounts that are tied to the host's in both directions, as engines ask for."""
    subprocess.run(["mount", "--bind", source, source], check=True)
    try:
        subprocess.run(["mount", "--make-rshared", source], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "below", source / "below"], check=True)
        try:
            made = bundle(SLEEP)
            made.config["linux"]["rootfsPropagation"] = "rshared"
            live = Live(pyrunc, made.save())
            live.add(bind(source, "/data", "rbind", "rshared"))
            assert live.table()["/data/below"]["propagation"][0].startswith("shared:")
            live.remove("/data")
            assert not any(path.startswith("/data") for path in live.table())
            assert os.path.ismount(source / "below")
        finally:
            subprocess.run(["umount", source / "below"], check=True)
    finally:
        subprocess.run(["umount", source], check=True)


def test_idmapped(live: Live, source: Path) -> None:
    for path in (source, source / "file"):
        os.chown(path, 0, 0)
    maps = {key: [{"containerID": 0, "hostID": 100000, "size": 65536}] for key in ("uidMappings", "gidMappings")}
    live.add({**bind(source, "/data", "bind", "idmap"), **maps})
    assert (live.root / "data/file").stat().st_uid == 100000


def test_own_file_systems(live: Live) -> None:
    """Which see the namespaces of the container."""
    live.add(
        {"destination": "/queues", "type": "mqueue", "source": "q"},
        {"destination": "/lower", "type": "tmpfs", "source": "t", "options": ["ro"]},
        {"destination": "/lower/below", "type": "tmpfs", "source": "t"},
    )
    table = live.table()
    assert table["/queues"]["type"] == "mqueue"
    assert "ro" in table["/lower"]["options"]
    assert "rw" in table["/lower/below"]["options"]


def test_overlay_of_the_host(bundle: BundleFactory, pyrunc: Pyrunc, source: Path, folder: Path) -> None:
    """Its options are paths of the host, and not of the container, which has others there."""
    made = bundle(SLEEP)
    hostile = made.rootfs / str(source).lstrip("/")
    hostile.mkdir(parents=True)
    (hostile / "file").write_text("of the container\n")
    live = Live(pyrunc, made)
    other = folder / "other"
    other.mkdir()
    live.add({"destination": "/o", "type": "overlay", "source": "o", "options": [f"lowerdir={source}:{other}"]})
    assert live.exec("cat", "/o/file").stdout == "of the host\n"


def test_joined_mount_namespace(bundle: BundleFactory, pyrunc: Pyrunc, source: Path, holder: Any) -> None:
    """The root is that of the container's process there, and not the namespace's."""
    held = holder("mount")
    made = bundle(SLEEP)
    for entry in made.config["linux"]["namespaces"]:
        if entry["type"] == "mount":
            entry["path"] = f"/proc/{held.pid}/ns/mnt"
    live = Live(pyrunc, made.save())
    live.add(bind(source, "/data"))
    assert live.exec("cat", "/data/file").stdout == "of the host\n"
    live.remove("/data")
    assert live.exec("cat", "/data/file").returncode == 1


def test_stacked_mounts_go_one_by_one(live: Live, source: Path) -> None:
    live.add(bind(source, "/data"), {"destination": "/data", "type": "tmpfs", "source": "t"})
    live.remove("/data")
    assert live.exec("cat", "/data/file").stdout == "of the host\n"
    live.remove("/data")
    assert "/data" not in live.table()
    live.add(bind(source, "/data"), {"destination": "/data", "type": "tmpfs", "source": "t"})
    assert "/data is not a mount point" in live.refused("remove", *({"destination": "/data"} for _ in range(3)))
    live.remove("/data", "/data")
    assert "/data" not in live.table()


KEPT = [
    ("/", "/ cannot be removed: it is the root of the container"),
    ("/proc", "/proc cannot be removed: what is mounted on /proc and in it stays"),
    ("//proc/./kcore/", "/proc/kcore cannot be removed: what is mounted on /proc and in it stays"),
    ("/sys/firmware", "/sys/firmware cannot be removed: it is one of linux.maskedPaths"),
    ("/usr", "/usr cannot be removed: it is one of linux.readonlyPaths"),
]


@pytest.mark.parametrize(("destination", "message"), KEPT)
def test_what_protects_the_host_stays(destination: str, message: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(SLEEP)
    (made.rootfs / "usr").mkdir(exist_ok=True)
    made.config["linux"]["maskedPaths"] = ["/proc/kcore", "/sys/firmware"]
    made.config["linux"]["readonlyPaths"] = ["/usr/."]
    live = Live(pyrunc, made.save())
    assert message in live.refused("remove", {"destination": destination})


def test_removing_through_a_link_is_refused(live: Live, source: Path) -> None:
    live.add(bind(source, "/real/data"))
    live.exec("ln", "-s", "real", "/link")
    assert "/link/data is reached through a link" in live.refused("remove", {"destination": "/link/data"})
    assert "/nowhere does not exist" in live.refused("remove", {"destination": "/nowhere"})


def test_a_mount_of_the_configuration_can_go(live: Live) -> None:
    assert any(mount["destination"] == "/dev/shm" for mount in live.stored())
    live.remove("/dev/shm")
    assert "/dev/shm" not in live.table()
    assert all(mount["destination"] != "/dev/shm" for mount in live.stored())


def test_without_a_mount_namespace(bundle: BundleFactory, pyrunc: Pyrunc, source: Path) -> None:
    made = bundle(SLEEP)
    linux = made.config["linux"]
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "mount"]
    for name in ("maskedPaths", "readonlyPaths"):
        linux.pop(name, None)
    del made.config["mounts"]
    made.config["root"].pop("readonly", None)
    container_id, _ = pyrunc.create(made.save())
    result = pyrunc("mounts", "add", container_id, "-", input=json.dumps([bind(source, "/data")]))
    assert result.returncode == 1
    assert "cannot add mounts to a container without a mount namespace" in result.stderr


def test_of_a_stopped_one(live: Live, source: Path) -> None:
    live.pyrunc.ok("kill", live.id, "KILL")
    live.pyrunc.wait_status(live.id, "stopped")
    for verb, words in (("add", "add mounts to"), ("remove", "remove mounts from")):
        result = live.call(verb, bind(source, "/data"))
        assert result.stderr == f"pyrunc mounts failed: {live.id}: cannot {words} a stopped container\n"
