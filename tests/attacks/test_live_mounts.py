"""mounts add and mounts remove where the image, a volume or the running container wants them to hit something else."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import leaks
from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.runtime import Pyrunc, Result
from tests.support.swapper import swapping

pytestmark = pytest.mark.root

SECONDS = 2.0
SLEEP = ("/bin/sleep", "1000")
ADMIN = ["CAP_SYS_ADMIN"]


def started(pyrunc: Pyrunc, made: Bundle) -> str:
    container_id, _ = pyrunc.create(made.save())
    pyrunc.ok("start", container_id)
    return container_id


def mounts(pyrunc: Pyrunc, verb: str, container_id: str, *entries: Any) -> Result:
    return pyrunc("mounts", verb, container_id, "-", input=json.dumps(entries), timeout=20.0)


def places(pid: "int | str") -> list[str]:
    return [line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]


def own_places() -> list[str]:
    """Of the host, without what other tests mount meanwhile."""
    return [place for place in places("self") if leaks.PREFIX not in place or leaks.prefix() in place]


def with_admin(made: Bundle) -> Bundle:
    """The container's root may mount, unmount, and put anything anywhere."""
    for kind in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][kind] = [*made.config["process"]["capabilities"][kind], *ADMIN]
    made.config["process"]["noNewPrivileges"] = False
    return made


def test_links_of_the_image(bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary, folder: Path) -> None:
    """They end in the container, also those that lead nowhere there; none leads into /proc."""
    made = bundle(SLEEP)
    for name, target in (("out", canary.link), ("abs", str(canary.path)), ("proc-link", "proc"), ("loop", "loop")):
        (made.rootfs / name).symlink_to(target)
    container_id = started(pyrunc, made)
    before = own_places()
    for destination in ("/out", "/out/new", "/abs/file"):
        mount = {"destination": destination, "source": "/etc", "options": ["rbind"]}
        if destination == "/abs/file":
            mount["source"] = "/etc/hostname"
        result = mounts(pyrunc, "add", container_id, mount)
        assert result.returncode == 0, result
    inside = places(pyrunc.state(container_id)["pid"])
    assert {str(canary.path), f"{canary.path}/new", f"{canary.path}/file"} <= set(inside)
    tmpfs = {"type": "tmpfs", "source": "t"}
    for destination, reason in (("/proc-link/sys", "is inside /proc"), ("/loop/x", "too many levels")):
        result = mounts(pyrunc, "add", container_id, {"destination": destination, **tmpfs})
        assert result.returncode == 1
        assert reason in result.stderr
    assert own_places() == before
    assert canary.intact


def test_sources_are_the_hosts(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Whatever the container has at the same path, with a user namespace or without."""
    source = folder / "source"
    source.mkdir()
    (source / "file").write_text("host\n")
    made = bundle(SLEEP)
    twin = made.rootfs / str(source).lstrip("/")
    twin.parent.mkdir(parents=True)
    twin.symlink_to("/etc")
    container_id = started(pyrunc, made)
    bind = {"destination": "/data", "source": str(source), "options": ["rbind"]}
    assert mounts(pyrunc, "add", container_id, bind).returncode == 0
    assert pyrunc.ok("exec", container_id, "cat", "/data/file").stdout == "host\n"


def test_race(bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary, folder: Path, swapper: Path) -> None:
    """A directory on the way is exchanged with a link out of the root all the time."""
    volume = folder / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "link").symlink_to(canary.link)
    made = bundle(SLEEP)
    made.config["mounts"].append({"destination": "/vol", "source": str(volume), "options": ["rbind", "rprivate"]})
    container_id = started(pyrunc, made)
    added = [
        {"destination": "/vol/a/b", "type": "tmpfs", "source": "t"},
        {"destination": "/vol/a/c/d", "source": "/etc", "options": ["rbind"]},
        {"destination": "/vol/a/f", "source": "/etc/hostname", "options": ["bind"]},
    ]
    before = own_places()
    ended: list[int] = []
    end = time.monotonic() + SECONDS
    with swapping(swapper, volume / "a", volume / "link"):
        while time.monotonic() < end or len(ended) < 4:
            for verb in ("add", "remove"):
                result = mounts(pyrunc, verb, container_id, *added)
                assert "internal error" not in result.stderr
                ended.append(result.returncode)
    assert set(ended) <= {0, 1}
    assert own_places() == before
    assert canary.intact


def test_proc_of_the_container_is_forged(bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary, folder: Path) -> None:
    """Numbers of descriptors in it are links to other mounts, which an unmount by path would take."""
    source = folder / "source"
    source.mkdir()
    script = (
        "mkdir /victim && mount -t tmpfs victim /victim && mount -t tmpfs forged /proc && mkdir -p /proc/self/fd &&"
        " for i in $(seq 0 60); do ln -s /victim /proc/self/fd/$i; done;"
        " ln -s self /proc/thread-self; echo ready; exec sleep 1000"
    )
    made = with_admin(bundle(script))
    container_id, output = pyrunc.create(made.save())
    pyrunc.ok("start", container_id)
    pid = pyrunc.state(container_id)["pid"]
    end = time.monotonic() + 10
    while "ready" not in output.stdout:
        assert time.monotonic() < end, output
        time.sleep(0.01)
    before = places(pid)
    assert before.count("/proc") == 2, output
    added = [
        {"destination": "/data", "source": str(source), "options": ["rbind"]},
        {"destination": "/t", "type": "tmpfs", "source": "t"},
    ]
    assert mounts(pyrunc, "add", container_id, *added).returncode == 0
    bad = {"destination": "/x", "source": "/nowhere", "options": ["bind"]}
    file = {"destination": "/bin/sh/x", "type": "tmpfs", "source": "t"}
    for failing in (bad, file):
        assert mounts(pyrunc, "add", container_id, *added, failing).returncode == 1
    assert places(pid) == [*before, "/data", "/t"]
    assert mounts(pyrunc, "remove", container_id, *added).returncode == 0
    assert places(pid) == before


def test_mounted_over_what_is_to_go(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """A container that puts mounts over it all the time: removed, or told that it is not, and nothing else is gone."""
    script = "while :; do mount -t tmpfs over /data 2>/dev/null && umount /data; done"
    made = with_admin(bundle(script))
    (made.rootfs / "data").mkdir()
    container_id = started(pyrunc, made)
    pid = pyrunc.state(container_id)["pid"]
    others = {place for place in places(pid) if place != "/data"}
    for _ in range(5):
        tmpfs = {"destination": "/data", "type": "tmpfs", "source": "t"}
        assert mounts(pyrunc, "add", container_id, tmpfs).returncode == 0
        result = mounts(pyrunc, "remove", container_id, tmpfs)
        assert result.returncode in (0, 1), result
        assert "internal error" not in result.stderr
    assert {place for place in places(pid) if place != "/data"} == others


def test_a_link_put_where_a_mount_was(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The mask of /proc/version is behind it, and would be the container's to see."""
    made = bundle(SLEEP)
    made.config["linux"]["maskedPaths"] = ["/proc/version"]
    container_id = started(pyrunc, made)
    pid = pyrunc.state(container_id)["pid"]
    tmpfs = {"destination": "/vol/version", "type": "tmpfs", "source": "t"}
    assert mounts(pyrunc, "add", container_id, tmpfs).returncode == 0
    pyrunc.ok("exec", container_id, "sh", "-c", "mv /vol /old && ln -s proc /vol")
    result = mounts(pyrunc, "remove", container_id, tmpfs)
    assert result.returncode == 1
    assert "is reached through a link" in result.stderr
    assert "/proc/version" in places(pid)
    assert os.path.exists(f"/proc/{pid}")
