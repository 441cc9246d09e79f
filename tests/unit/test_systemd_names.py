"""What systemd calls a container's unit and its slice, and where their cgroups are."""

from typing import Any

import pytest

from pyrunc.cgroups import plan_cgroup
from pyrunc.cgroups.layout import Layout
from pyrunc.cgroups.operations import EnableControllers, MakeCgroup
from pyrunc.cgroups.plan import CgroupPlan
from pyrunc.cgroups.systemd import SystemdFacts, directory_name, slice_path, unit_in, unit_of
from pyrunc.errors import PyruncError

V2 = Layout(2, {"unified": "/c"}, {"unified": "/user/session"})
HYBRID = Layout(
    1,
    {name: f"/c/{name}" for name in ("cpu", "memory", "devices", "freezer", "systemd", "unified")},
    dict.fromkeys(("cpu", "memory", "devices", "freezer", "systemd", "unified"), "/own"),
)
SYSTEM = SystemdFacts(254, "", "system")
USER = SystemdFacts(254, "/user.slice/user-1000.slice/user@1000.service", "user")


def plan(config: "dict[str, Any]", layout: Layout = V2, systemd: SystemdFacts = SYSTEM, id: str = "c1") -> CgroupPlan:
    return plan_cgroup(config, id, layout, systemd=systemd)


def at(path: str) -> "dict[str, Any]":
    return {"linux": {"cgroupsPath": path}}


@pytest.mark.parametrize(
    ("path", "id", "kind", "unit"),
    [
        ("system.slice:docker:1234", "c1", "system", ("system.slice", "docker-1234.scope")),
        ("machine.slice:libpod:a.b_c@d", "c1", "system", ("machine.slice", "libpod-a.b_c@d.scope")),
        (":docker:1234", "c1", "system", ("system.slice", "docker-1234.scope")),
        (":docker:1234", "c1", "user", ("user.slice", "docker-1234.scope")),
        ("a-b.slice::name", "c1", "system", ("a-b.slice", "name.scope")),
        ("", "c1", "system", ("system.slice", "pyrunc-c1.scope")),
        ("", "c1", "user", ("user.slice", "pyrunc-c1.scope")),
        ("", "a+b_-.c", "system", ("system.slice", "pyrunc-a\\x2bb_-.c.scope")),
    ],
)
def test_units(path: str, id: str, kind: str, unit: "tuple[str, str]") -> None:
    assert unit_of(path, id, kind) == unit


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/docker/x", 'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/docker/x"'),
        ("a:b", "slice:prefix:name"),
        ("a:b:c:d", "slice:prefix:name"),
        ("system.slice:docker:x.slice", "in a scope, not in a slice"),
        ("system.slice:docker:", "not a valid name"),
        ("system.slice:docker:a/b", "not a valid name"),
        ("system.slice:docker:a b", "not a valid name"),
        ("system.slice:docker:\u00e9", "not a valid name"),
        ("system.slice:docker:" + "x" * 250, "not a valid name"),
        ("system.slice::.x", "not a valid name"),
        ("system:docker:x", "invalid slice name: system"),
        (".slice:docker:x", "invalid slice name"),
        ("a--b.slice:docker:x", "invalid slice name"),
        ("-a.slice:docker:x", "invalid slice name"),
        ("a-.slice:docker:x", "invalid slice name"),
        ("a-..slice:docker:x", "invalid slice name"),
        ("../a.slice:docker:x", "invalid slice name"),
        ("a/b.slice:docker:x", "invalid slice name"),
    ],
)
def test_what_is_no_unit(path: str, words: str) -> None:
    with pytest.raises(PyruncError) as caught:
        plan(at(path))
    assert words in str(caught.value)
    assert caught.value.place == "linux.cgroupsPath"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("system.slice", "/system.slice"),
        ("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"),
        ("machine-libpod_pod_1a.slice", "/machine.slice/machine-libpod_pod_1a.slice"),
        ("-.slice", ""),
        ("memory-x.slice", "/_memory.slice/memory-x.slice"),
    ],
)
def test_slices(name: str, path: str) -> None:
    assert slice_path(name) == path


@pytest.mark.parametrize("unit", ["a.scope", "memory.scope", "cpu.max.scope", "_x.scope", "cgroup.scope", "cpux.scope"])
def test_the_name_comes_back_from_the_directory(unit: str) -> None:
    assert unit_in({"unified": f"/sys/fs/cgroup/system.slice/{directory_name(unit)}"}) == unit
    assert (directory_name(unit) == unit) == (unit in ("a.scope", "cpux.scope"))


def test_a_container_without_cgroups_has_no_unit() -> None:
    assert unit_in({}) == ""


def test_directories() -> None:
    assert plan(at("a-b.slice:docker:x")).paths == {"unified": "/c/a.slice/a-b.slice/docker-x.scope"}
    inside = "/c/user.slice/user-1000.slice/user@1000.service/user.slice/pyrunc-c1.scope"
    assert plan({}, systemd=USER).paths == {"unified": inside}
    hybrid = plan(at("-.slice:docker:x"), HYBRID).paths
    assert hybrid == {name: f"/c/{name}/docker-x.scope" for name in HYBRID.hierarchies}


def test_what_is_left_to_do() -> None:
    """Nothing is born in a scope, which needs a process first; what exists by then is the container's."""
    planned = plan(at("system.slice:docker:x"))
    assert planned.scope is not None
    assert planned.cgroup_fd_path is None
    assert [type(step) for step in planned.create] == [MakeCgroup, EnableControllers]
    assert all(step.ours for step in planned.create if isinstance(step, MakeCgroup))
    assert planned.made == {}
    planned.scope.started = True
    assert planned.made == planned.paths


def test_the_other_driver_takes_the_same_path_as_it_is() -> None:
    planned = plan_cgroup(at("a:b:c"), "c1", V2)
    assert planned.scope is None
    assert planned.paths == {"unified": "/c/user/a:b:c"}
