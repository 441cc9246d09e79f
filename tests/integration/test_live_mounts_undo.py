"""mounts add and mounts remove do all of a list or nothing."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from pyrunc import live_mounts
from pyrunc.container import Container
from pyrunc.errors import PyruncError
from tests.support.bundles import BundleFactory
from tests.support.live import SLEEP, Live, bind, in_userns
from tests.support.processes import wait_until
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

FAILING = [
    (
        {"destination": "/x", "source": "/nowhere", "options": ["bind"]},
        "mounts[2] (/x): bind /nowhere on /x: open_tree",
    ),
    ({"destination": "/bin/sh/x", "type": "tmpfs", "source": "t"}, "mounts[2] (/bin/sh/x): mount tmpfs on /bin/sh/x:"),
    ({"destination": "/x", "type": "tmpfs", "options": ["size=many"]}, "Bad value for 'size'"),
    ({"destination": "/x", "type": "nonexistent", "source": "n"}, "mounts[2] (/x): mount nonexistent on /x: fsopen"),
    ({"destination": "/proc/self", "type": "tmpfs", "source": "t"}, '"/proc/self" cannot be mounted because it is'),
    ({"destination": "/x", "options": ["remount", "ro"]}, "mounts[2] (/x): remount changes a mount and adds none"),
    ({"destination": "/x", "type": "proc", "source": "p"}, "a mount of type proc can only be made when"),
    ({"destination": "", "type": "tmpfs"}, "the list of mounts: /2/destination: must not be empty"),
]


@pytest.mark.parametrize(("bad", "message"), FAILING)
def test_all_are_added_or_none(bad: dict[str, Any], message: str, live: Live, source: Path) -> None:
    tmpfs = {"destination": "/data/below", "type": "tmpfs", "source": "t"}
    assert message in live.refused("add", bind(source, "/data"), tmpfs, bad)
    live.add(bind(source, "/data"), tmpfs)


@pytest.mark.usefixtures("mounted_below")
def test_all_are_removed_or_none(bundle: BundleFactory, pyrunc: Pyrunc, source: Path) -> None:
    live = Live(pyrunc, in_userns(bundle(SLEEP)))
    live.add(bind(source, "/data"), {"destination": "/t", "type": "tmpfs", "source": "t"})
    live.exec("touch", "/t/file")
    assert "/bin is not a mount point" in live.refused("remove", {"destination": "/bin"}, {"destination": "/t"})
    # In a user namespace it is locked.
    told = live.refused("remove", {"destination": "/data/below"}, {"destination": "/t"})
    assert "mounts[0] (/data/below): unmount /data/below: /data/below came along with the mount that it is in" in told
    assert live.exec("ls", "/t").stdout == "file\n"
    live.remove("/t", "/data")


def test_undone_when_the_state_cannot_be_written(live: Live, source: Path) -> None:
    live.add(bind(source, "/old"))
    blocker = live.pyrunc.root / live.id / ".config.json.new"
    blocker.mkdir()
    assert "write" in live.refused("add", bind(source, "/data"))
    assert "write" in live.refused("remove", {"destination": "/old"}, {"destination": "/dev/shm"})
    blocker.rmdir()
    live.remove("/old")


def test_undone_when_the_runtime_is_killed(live: Live, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the last moment: everything is mounted and not yet recorded."""
    before = live.table_ids(), live.stored()

    def killed(started: Any, *_: object) -> None:
        started.read_report()
        assert "/data" in live.table()
        os.kill(os.getpid(), 9)

    monkeypatch.setattr(live_mounts, "commit", killed)
    child = os.fork()
    if child == 0:
        try:
            Container(str(live.pyrunc.root), live.id).add_mounts([bind(source, "/data")])
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 9
    wait_until(lambda: live.table_ids() == before[0], "the mount to be undone")
    assert live.stored() == before[1]
    # The fork had the lock with it, and has ended.
    monkeypatch.undo()
    live.add(bind(source, "/data"))


def test_it_ends_when_it_is_held_up(live: Live, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a file system of the container that never answers."""
    monkeypatch.setattr(live_mounts, "PATIENCE", 1)
    monkeypatch.setattr(live_mounts, "work_inside", lambda *_: time.sleep(30))
    began = time.monotonic()
    with pytest.raises(PyruncError, match="the builder was killed before it was done"):
        Container(str(live.pyrunc.root), live.id).add_mounts([bind(source, "/data")])
    assert time.monotonic() - began < 15
    monkeypatch.undo()
    live.add(bind(source, "/data"))
