"""linux.intelRdt in a container's life, as a library, with a folder that looks like resctrl."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pyrunc.container import Container, list_containers
from pyrunc.errors import ContainerNotFound, PyruncError
from tests.support import leaks
from tests.support.bundles import Bundle, BundleFactory
from tests.support.resctrl import Tree

pytestmark = pytest.mark.root

SLEEP = ["/bin/sleep", "1000"]


@pytest.fixture
def root(folder: Path) -> Iterator[str]:
    """A state root; what a failing test left in it is deleted."""
    path = str(folder / "containers")
    yield path
    for state in list_containers(path):
        Container(path, str(state["id"])).delete(force=True)


@pytest.fixture
def tree(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(folder / "resctrl", monkeypatch)


@pytest.fixture
def id() -> str:
    return f"{leaks.prefix()}resctrl"


def with_group(made: Bundle, **settings: Any) -> Bundle:
    made.config["linux"]["intelRdt"] = settings
    return made.save()


def test_a_life(bundle: BundleFactory, root: str, tree: Tree, id: str, folder: Path) -> None:
    """Created, and another process in it; figures; other schemata; and nothing of it left."""
    container = Container.create(
        root, id, str(with_group(bundle(SLEEP), l3CacheSchema="L3:0=f0", enableMonitoring=True))
    )
    pid = container.state()["pid"]
    assert tree.groups() == {id, f"{id}/mon_groups/{id}"}
    assert tree.written == [
        (f"{id}/schemata", "L3:0=f0\n"),
        (f"{id}/tasks", str(pid)),
        (f"{id}/mon_groups/{id}/tasks", str(pid)),
    ]
    container.start()
    del tree.written[:]
    process = {"args": ["/bin/true"], "cwd": "/", "user": {"uid": 0, "gid": 0}}
    container.exec(process, detach=True, pid_file=str(folder / "pid"))
    second = (folder / "pid").read_text()
    os.waitpid(int(second), 0)  # in a program it is the program's child
    assert tree.written == [(f"{id}/tasks", second), (f"{id}/mon_groups/{id}/tasks", second)]
    assert container.stats()["intel_rdt"]["cmt_stats"] == [{"llc_occupancy": 4096}, {}]
    container.update({}, {"memBwSchema": "MB:0=50"})
    assert tree.written[2:] == [(f"{id}/schemata", "MB:0=50\n")]
    settings = container.config()["linux"]["intelRdt"]
    assert settings == {"l3CacheSchema": "L3:0=f0", "enableMonitoring": True, "memBwSchema": "MB:0=50"}
    container.delete(force=True)
    assert tree.groups() == set()


def test_update_gives_a_group_to_a_container_without_one(bundle: BundleFactory, root: str, tree: Tree, id: str) -> None:
    container = Container.create(root, id, str(bundle(SLEEP)))
    assert container.stats()["intel_rdt"] == {}
    container.update({}, {"l3CacheSchema": "L3:0=f"})
    assert tree.written == [(f"{id}/schemata", "L3:0=f\n"), (f"{id}/tasks", str(container.state()["pid"]))]
    container.delete(force=True)
    assert tree.groups() == set()


def test_update_changes_all_or_nothing(bundle: BundleFactory, root: str, tree: Tree, id: str) -> None:
    container = Container.create(root, id, str(with_group(bundle(SLEEP))))
    del tree.written[:]
    with pytest.raises(PyruncError, match="no-such-file"):
        container.update({"cpu": {"cpus": "no-such-file"}}, {"l3CacheSchema": "L3:0=f"})
    assert tree.written == [(f"{id}/schemata", "L3:0=f\n"), (f"{id}/schemata", "L3:0=fffff;1=fffff\n")]
    assert container.config()["linux"]["intelRdt"] == {}
    with pytest.raises(PyruncError, match="/linux/intelRdt/memBwSchema: must be one line"):
        container.update({}, {"memBwSchema": "L3:0=f"})
    container.delete(force=True)


@pytest.mark.parametrize("settings", [{}, {"closID": "/", "enableMonitoring": True}, {"schemata": ["a"]}])
def test_a_creation_that_fails_leaves_no_group(
    bundle: BundleFactory, root: str, tree: Tree, id: str, settings: "dict[str, Any]"
) -> None:
    made = with_group(bundle(SLEEP), **settings)
    made.config["mounts"].append({"destination": "/x", "type": "bind", "source": "/nowhere", "options": ["bind"]})
    with pytest.raises(PyruncError, match="/nowhere"):
        Container.create(root, id, str(made.save()))
    assert tree.groups() == set()
    assert json.dumps(list_containers(root)) == "[]"


def test_a_group_that_differs_is_found_before_anything_is_made(
    bundle: BundleFactory, root: str, tree: Tree, id: str
) -> None:
    with pytest.raises(PyruncError, match="does not agree"):
        Container.create(root, id, str(with_group(bundle(SLEEP), closID="/", l3CacheSchema="L3:0=1")))
    assert not tree.written
    assert list_containers(root) == []


def test_create_killed_at_any_moment(bundle: BundleFactory, root: str, tree: Tree) -> None:
    """Whatever was made of the group is found by `delete --force`."""
    made = str(with_group(bundle(SLEEP), l3CacheSchema="L3:0=f", enableMonitoring=True))
    delays = random.Random(1)
    for number in range(12):
        id = f"{leaks.prefix()}resctrl-{number}"
        child = os.fork()
        if not child:
            try:
                Container.create(root, id, made)
            finally:
                os._exit(0)
        time.sleep(delays.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with suppress(ContainerNotFound):
            Container(root, id).delete(force=True)
        assert tree.groups() == set()
    assert list_containers(root) == []
