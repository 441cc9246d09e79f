"""A container's group in resctrl, on a folder that looks like it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc import resctrl, resctrl_stats
from pyrunc.container import Container
from pyrunc.errors import PyruncError
from pyrunc.record import Record, timestamp
from pyrunc.resctrl import Group, find_root
from pyrunc.state import StateDirectory
from tests.support.resctrl import Tree

ID = "pyrunc-test-one"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(tmp_path / "resctrl", monkeypatch)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    record = Record(id=ID, ociVersion="1.3.0", bundle="/b", rootfs="/b/r", created=timestamp(), owner=0)
    with StateDirectory.create(str(tmp_path / "root"), ID, record.dump()) as made:
        yield made


def make(tree: Tree, state: StateDirectory, **settings: Any) -> None:
    Group(settings, ID, str(tree.path)).make(state)


def refused(tree: Tree, state: StateDirectory, words: str, **settings: Any) -> None:
    """It fails, and what there is is as it was."""
    before = tree.groups()
    with pytest.raises(PyruncError, match=words):
        make(tree, state, **settings)
    resctrl.remove(state)
    assert tree.groups() == before
    assert not tree.written


def test_a_group_of_its_own(tree: Tree, state: StateDirectory) -> None:
    make(tree, state, l3CacheSchema="L3:0=f0\nMB:0=50", memBwSchema="MB:0=20", schemata=["L2:0=1", "L3:1=f"])
    resctrl.attach(state, 42)
    assert tree.written == [
        (f"{ID}/schemata", "L3:0=f0\nMB:0=20\n"),
        (f"{ID}/schemata", "L2:0=1\nL3:1=f\n"),
        (f"{ID}/tasks", "42"),
    ]
    resctrl.remove(state)
    assert tree.groups() == set()
    resctrl.remove(state)  # there is nothing more to do


def test_without_schemata_none_are_written(tree: Tree, state: StateDirectory) -> None:
    make(tree, state)
    assert tree.groups() == {ID}
    assert not tree.written


def test_its_own_group_is_there_already(tree: Tree, state: StateDirectory) -> None:
    (tree.path / ID).mkdir()
    tree.populate(tree.path / ID)
    refused(tree, state, f"{ID} exists already")


def test_closid_that_is_made(tree: Tree, state: StateDirectory) -> None:
    make(tree, state, closID="gold", l3CacheSchema="L3:0=f0")
    assert tree.groups() == {"gold"}
    resctrl.remove(state)
    assert tree.groups() == set()


def test_closid_stays_while_others_are_in_it(tree: Tree, state: StateDirectory) -> None:
    make(tree, state, closID="gold", schemata=["L3:0=f0"])
    (tree.path / "gold/tasks").write_text("77\n")
    resctrl.remove(state)
    assert tree.groups() == {"gold"}


def test_closid_that_was_there_stays(tree: Tree, state: StateDirectory) -> None:
    (tree.path / "gold").mkdir()
    tree.populate(tree.path / "gold")
    make(tree, state, closID="gold")
    resctrl.attach(state, 42)
    assert tree.written == [("gold/tasks", "42")]
    resctrl.remove(state)
    assert tree.groups() == {"gold"}


def test_closid_without_schemata_must_be_there(tree: Tree, state: StateDirectory) -> None:
    refused(tree, state, "gold does not exist", closID="gold")


def test_closid_that_agrees(tree: Tree, state: StateDirectory) -> None:
    """What is there is compared and not written again; the lines of `schemata` are written in any case."""
    (tree.path / "gold").mkdir()
    tree.populate(tree.path / "gold")
    make(tree, state, closID="gold", l3CacheSchema="L3:0=0fffff", memBwSchema="MB:0=91", schemata=["L2:0=1"])
    assert tree.written == [("gold/schemata", "L2:0=1\n")]


def test_closid_that_differs(tree: Tree, state: StateDirectory) -> None:
    (tree.path / "gold").mkdir()
    tree.populate(tree.path / "gold")
    refused(
        tree, state, 'gold/schemata exists, and does not agree with "L3:0=f"', closID="gold", l3CacheSchema="L3:0=f"
    )


def test_the_root_group(tree: Tree, state: StateDirectory) -> None:
    make(tree, state, closID="/", enableMonitoring=True)
    resctrl.attach(state, 42)
    assert tree.groups() == {f"mon_groups/{ID}"}
    assert tree.written == [("tasks", "42"), (f"mon_groups/{ID}/tasks", "42")]
    resctrl.remove(state)
    assert tree.groups() == set()
    assert (tree.path / "schemata").exists()


def test_monitoring_in_a_shared_group(tree: Tree, state: StateDirectory) -> None:
    (tree.path / "gold").mkdir()
    tree.populate(tree.path / "gold")
    make(tree, state, closID="gold", enableMonitoring=True)
    assert tree.groups() == {"gold", f"gold/mon_groups/{ID}"}
    resctrl.remove(state)
    assert tree.groups() == {"gold"}


def test_a_monitoring_group_is_there_already(tree: Tree, state: StateDirectory) -> None:
    (tree.path / "mon_groups" / ID).mkdir()
    tree.populate(tree.path / "mon_groups" / ID)
    refused(tree, state, f"mon_groups/{ID} exists already", closID="/", enableMonitoring=True)


def test_the_kernels_words(tree: Tree, state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file refuses the value, as /dev/full does, and info tells why."""
    (tree.path / "info/last_cmd_status").write_text("unknown resource name 'L4'\n")
    make(tree, state)
    (tree.path / ID / "schemata").unlink()
    (tree.path / ID / "schemata").symlink_to("/dev/full")
    with pytest.raises(PyruncError) as caught:
        resctrl.write_schemata(str(tree.path), str(tree.path / ID), ["L4:0=f"])
    assert str(caught.value) == (
        f"linux.intelRdt: write 'L4:0=f' to {tree.path}/{ID}/schemata: no space left on device "
        "(unknown resource name 'L4')"
    )


def test_out_of_groups(tree: Tree, state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails after the note was written, all is removed."""

    def fail(path: str) -> None:
        raise PyruncError("no space left on device")

    monkeypatch.setattr(resctrl, "make_directory", fail)
    refused(tree, state, "no space left", enableMonitoring=True)


def test_delete_after_a_kill(tree: Tree, state: StateDirectory) -> None:
    """`create` was killed when the group had been made and before there was a process."""
    make(tree, state, enableMonitoring=True, l3CacheSchema="L3:0=f")
    root = str(Path(state.path).parent)
    state.close()
    Container(root, ID).delete(force=True)
    assert tree.groups() == set()
    assert not Path(root, ID).exists()


def test_a_lock_that_somebody_holds(tree: Tree, state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resctrl, "LOCK_PATIENCE", 0.05)
    with resctrl.Lock(str(tree.path)), pytest.raises(PyruncError, match=r"lock .*resource temporarily unavailable"):
        make(tree, state)
    make(tree, state)


def test_change_and_back(tree: Tree, state: StateDirectory) -> None:
    make(tree, state)
    put_back = resctrl.change(state, {"l3CacheSchema": "L3:0=f"})
    assert tree.written == [(f"{ID}/schemata", "L3:0=f\n")]
    put_back()
    assert tree.written[1:] == [(f"{ID}/schemata", "L3:0=fffff;1=fffff\n")]


def test_all_threads_are_moved(tree: Tree, state: StateDirectory) -> None:
    import os

    make(tree, state)
    resctrl.attach_all(state, lambda: [os.getpid(), 2**22 + 1])
    assert {text for file, text in tree.written if file == f"{ID}/tasks"} >= set(os.listdir("/proc/self/task"))


def test_figures(tree: Tree, state: StateDirectory) -> None:
    """runc's shape: what is 0 or not there is left out, the domains are a list."""
    make(tree, state, l3CacheSchema="L3:0=f;1=f0")
    (tree.path / ID / "schemata").write_text("    MB:0= 20;1= 70\n    L3:0=0000f;1=000f0\n")
    assert resctrl_stats.collect(resctrl.load(state)) == {
        "l3_cache_info": {"cbm_mask": "fffff", "min_cbm_bits": 1, "num_closids": 16},
        "l3_cache_schema_root": "L3:0=fffff;1=fffff",
        "l3_cache_schema": "L3:0=0000f;1=000f0",
        "mem_bw_info": {"bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8},
        "mem_bw_schema_root": "MB:0=100;1=100",
        "mem_bw_schema": "MB:0= 20;1= 70",
        "mbm_stats": [{"mbm_total_bytes": 300, "mbm_local_bytes": 200}, {"mbm_local_bytes": 7}],
        "cmt_stats": [{"llc_occupancy": 4096}, {}],
    }


def test_figures_of_the_monitoring_group(tree: Tree, state: StateDirectory) -> None:
    make(tree, state, closID="/", enableMonitoring=True)
    (tree.path / f"mon_groups/{ID}/mon_data/mon_L3_00/llc_occupancy").write_text("8192\n")
    assert resctrl_stats.collect(resctrl.load(state))["cmt_stats"] == [{"llc_occupancy": 8192}, {}]


MOUNTINFO = """\
23 30 0:21 / /mnt/a\r rw - tmpfs tmpfs rw
24 30 0:22 / /proc rw - proc proc rw
40 30 0:35 /group /mnt/part rw - resctrl resctrl rw
41 30 0:35 / /mnt/a\\040b rw,relatime shared:5 - resctrl resctrl rw,cdp
"""


def test_where_resctrl_is_mounted(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    assert find_root(str(tmp_path / "mountinfo")) == "/mnt/a b"
    (tmp_path / "mountinfo").write_text(MOUNTINFO.split("\n")[0] + "\n")
    with pytest.raises(PyruncError, match="no resctrl file system is mounted"):
        find_root(str(tmp_path / "mountinfo"))
