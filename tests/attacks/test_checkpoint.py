"""What a container that may mount makes of the host's mounts before its checkpoint, for the restore to make more of."""

import os
import shutil
from pathlib import Path

import pytest

from pyrunc.checkpoint import externals
from pyrunc.checkpoint.dump import Dump
from pyrunc.checkpoint.options import CheckpointOptions
from pyrunc.state import StateDirectory
from tests.support import processes
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

NOTHING = ""
LINK = "umount /data && rmdir /data && mkdir /own && mount -t tmpfs own /own && ln -s own /data &&"
OTHER = "umount /data && mount -t tmpfs own /data &&"


def told(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path, what: str) -> dict[str, str]:
    """What CRIU would be told of the host's mounts (place -> name) in a container that has first done that with a
    read-only one on /data."""
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    made = bundle(f"{what} echo ready; exec sleep 1000")
    for kind in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][kind].append("CAP_SYS_ADMIN")
    made.config["process"]["noNewPrivileges"] = False
    linux = made.config["linux"]
    linux["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        linux[kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    mounts = [mount for mount in made.config["mounts"] if mount["type"] != "cgroup"]
    made.config["mounts"] = [*mounts, {"destination": "/data", "source": str(source), "options": ["rbind", "ro"]}]
    container_id, output = pyrunc.create(made.save())
    pyrunc.ok("start", container_id)
    processes.wait_until(lambda: output.stdout == "ready\n", "the container's mounts")
    with StateDirectory.open(str(pyrunc.root), container_id) as state:
        record = state.load()
    fields = Dump(record, made.config, CheckpointOptions(image_path=str(folder / "images"))).fields
    assert not os.path.exists(folder / "images")
    return {entry["key"]: entry["val"] for entry in fields["ext_mnt"]}


def test_mounts(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """The host's directory is mounted, at the restore, where CRIU is told that it was, and as what is there now: in the
    place of the container's own, that can be written to."""
    first = told(pyrunc, bundle, folder, NOTHING)
    assert first["/data"] == "/data"
    assert first["/proc/keys"] == "/dev/null"
    del first["/data"]
    for what in (LINK, OTHER):
        assert told(pyrunc, bundle, folder, what) == first


def test_mounts_can_fail(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(externals, "is_same", lambda _status, _source: True)
    assert told(pyrunc, bundle, folder, LINK)["/own"] == "/data"
    assert told(pyrunc, bundle, folder, OTHER)["/data"] == "/data"
