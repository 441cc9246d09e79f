"""Making, filling, stopping, killing and removing real cgroups, on whichever version the host has."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc import cgroups
from pyrunc.cgroups import CgroupPlan, detect, plan_cgroup
from pyrunc.cgroups.members import remove_tree
from pyrunc.errors import PyruncError
from pyrunc.operations.base import perform_all
from tests.support.bundles import BundleFactory
from tests.support.leaks import prefix
from tests.support.processes import alive, wait_until
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

FORK_BOMB = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0)
"""


@pytest.fixture
def name() -> Iterator[str]:
    """A cgroupsPath of this test; everything below its first part is gone afterwards."""
    top = f"/{prefix()}cgroups"
    yield f"{top}/parent/container"
    left = {name: mount + top for name, mount in detect().hierarchies.items()}
    cgroups.remove(left, timeout=10.0)
    assert not [path for path in left.values() if os.path.exists(path)]


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def make(name: str, **resources: Any) -> CgroupPlan:
    plan = plan_cgroup({"linux": {"cgroupsPath": name, "resources": resources}}, "id", detect())
    perform_all(plan.create, None)  # type: ignore[arg-type]
    perform_all(plan.limits, None)  # type: ignore[arg-type]
    return plan


def test_life(name: str, sleeper: "subprocess.Popen[bytes]") -> None:
    plan = make(name)
    assert plan.made == plan.paths
    cgroups.attach(plan.paths, sleeper.pid)
    memberships = Path(f"/proc/{sleeper.pid}/cgroup").read_text().splitlines()
    placed = [line for line in memberships if line.endswith(name)]
    assert len(placed) == len(set(plan.paths.values()))
    assert cgroups.processes(plan.paths) == [sleeper.pid]
    cgroups.kill_all(plan.paths)
    assert sleeper.wait(10) == -9
    cgroups.remove(plan.paths, timeout=10.0)
    assert not [path for path in plan.paths.values() if os.path.exists(path)]
    assert all(os.path.isdir(os.path.dirname(path)) for path in plan.paths.values()), "parents stay, as with runc"
    cgroups.remove(plan.paths, timeout=0.0)  # what is not there is no error
    assert cgroups.processes(plan.paths) == []
    assert not cgroups.is_frozen(plan.paths)


def test_default_place() -> None:
    """Without cgroupsPath: below the caller's own cgroup (v1), beside it (v2), named by the id."""
    plan = plan_cgroup({}, f"{prefix()}default", detect())
    perform_all(plan.create, None)  # type: ignore[arg-type]
    try:
        assert all(os.path.isdir(path) for path in plan.paths.values())
    finally:
        cgroups.remove(plan.made)


def test_removing_kills(name: str, sleeper: "subprocess.Popen[bytes]") -> None:
    plan = make(name)
    cgroups.attach(plan.paths, sleeper.pid)
    cgroups.remove(plan.paths, timeout=10.0)
    assert sleeper.wait(10) == -9


def test_a_cgroup_in_use_is_refused(name: str, sleeper: "subprocess.Popen[bytes]") -> None:
    first = make(name)
    cgroups.attach(first.paths, sleeper.pid)
    second = plan_cgroup({"linux": {"cgroupsPath": name}}, "id", detect())
    with pytest.raises(PyruncError) as caught:
        perform_all(second.create, None)  # type: ignore[arg-type]
    assert "container's cgroup is not empty: 1 process(es) found" in str(caught.value)
    assert second.made == {}, "nothing of the first container's is the second's to remove"
    cgroups.remove(second.made)
    assert alive(sleeper.pid)


def test_an_empty_cgroup_is_taken(name: str) -> None:
    make(name)
    second = make(name)
    assert second.made == {}
    cgroups.remove(second.paths)


def test_a_frozen_cgroup_is_refused(name: str) -> None:
    first = make(name)
    cgroups.freeze(first.paths)
    with pytest.raises(PyruncError, match="container's cgroup unexpectedly frozen"):
        make(name)
    cgroups.thaw(first.paths)
    make(name)


def test_freezing(name: str) -> None:
    plan = make(name)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        cgroups.attach(plan.paths, busy.pid)
        assert not cgroups.is_frozen(plan.paths)
        cgroups.freeze(plan.paths)
        assert cgroups.is_frozen(plan.paths)
        used = cpu_time(busy.pid)
        time.sleep(0.05)
        assert cpu_time(busy.pid) == used
        cgroups.freeze(plan.paths)  # again is no error
        cgroups.thaw(plan.paths)
        assert not cgroups.is_frozen(plan.paths)
        wait_until(lambda: cpu_time(busy.pid) > used, "the thawed process to run")
        cgroups.freeze(plan.paths)
        cgroups.kill_all(plan.paths)  # reaches frozen processes too
        assert busy.wait(10) == -9


def cpu_time(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_another_signal(name: str) -> None:
    plan = make(name)
    with subprocess.Popen(["sleep", "60"]) as one, subprocess.Popen(["sleep", "60"]) as two:
        cgroups.attach(plan.paths, one.pid)
        cgroups.attach(plan.paths, two.pid)
        cgroups.kill_all(plan.paths, 15)
        assert (one.wait(10), two.wait(10)) == (-15, -15)


@pytest.mark.parametrize("without", [(), ("unified",), ("unified", "freezer")], ids=["all", "freezer", "neither"])
def test_processes_that_fork_while_they_die(name: str, without: "tuple[str, ...]") -> None:
    """Also on hosts that have only v1's freezer, or not even that: those hierarchies are hidden."""
    layout = detect()
    if layout.version == 2 and without:
        pytest.skip("cgroup2 is all there is")
    for hidden in without:
        del layout.hierarchies[hidden]
    config = {"linux": {"cgroupsPath": name, "resources": {"pids": {"limit": 60}}}}
    plan = plan_cgroup(config, "id", layout)
    perform_all([*plan.create, *plan.limits], None)  # type: ignore[arg-type]
    with subprocess.Popen([sys.executable, "-c", f"import sys; sys.stdin.read()\n{FORK_BOMB}"], stdin=-1) as bomb:
        cgroups.attach(plan.paths, bomb.pid)
        assert bomb.stdin is not None
        bomb.stdin.close()
        wait_until(lambda: len(cgroups.processes(plan.paths)) > 40, "the processes to multiply")
        cgroups.remove(plan.paths, timeout=20.0)
        assert bomb.wait(10) == -9
    assert not [path for path in plan.paths.values() if os.path.exists(path)]


def test_a_very_deep_tree(name: str) -> None:
    """Deeper than a path (4096 bytes) and Python's stack (1000 calls) can be."""
    plan = make(name)
    directory = plan.paths.get("pids") or plan.paths["unified"]
    fd = os.open(directory, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("deeper", dir_fd=fd)
        below = os.open("deeper", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    with subprocess.Popen(["sleep", "60"]) as process:
        cgroups.attach({"any": f"{directory}/deeper/deeper"}, process.pid)
        assert cgroups.processes({"any": directory}) == [process.pid]
        assert not remove_tree(directory), "somebody is in it"
        cgroups.remove(plan.paths, timeout=20.0)
        assert process.wait(10) == -9


def test_what_cannot_be_removed_is_named(name: str) -> None:
    """Nobody is in it, but something is mounted on it: the name, and an end after the time limit."""
    plan = make(name)
    directory = next(iter(plan.paths.values()))
    subprocess.run(["mount", "--bind", directory, directory], check=True)
    try:
        with pytest.raises(PyruncError) as caught:
            cgroups.remove(plan.paths, timeout=0.05)
        assert f"unable to remove cgroup {directory} (processes unknown)" in str(caught.value)
    finally:
        subprocess.run(["umount", directory], check=True)


def test_a_process_that_is_not_there(name: str) -> None:
    with pytest.raises(PyruncError) as caught:
        cgroups.attach(make(name).paths, 2**22 - 1)
    assert "cgroup.procs: no such process" in str(caught.value)


def test_a_directory_elsewhere_is_not_taken_for_a_cgroup(tmp_path: Path) -> None:
    layout = cgroups.Layout(1, {"devices": str(tmp_path)}, {"devices": "/"})
    plan = plan_cgroup({"linux": {"cgroupsPath": "/x"}}, "id", layout)
    with pytest.raises(PyruncError, match="not on a cgroup file system"):
        perform_all(plan.create, None)  # type: ignore[arg-type]


def test_a_name_that_is_too_long(name: str) -> None:
    """It cannot be made; taking back what was not made is no second error."""
    plan = plan_cgroup({"linux": {"cgroupsPath": f"{name}/{'x' * 5000}"}}, "id", detect())
    with pytest.raises(PyruncError, match="file name too long"):
        perform_all(plan.create, None)  # type: ignore[arg-type]
    assert plan.made == {}
    cgroups.kill_all(plan.paths)
    cgroups.remove(plan.paths, timeout=0.0)


def test_links_are_not_followed(name: str, tmp_path: Path) -> None:
    plan = make(name)
    (tmp_path / "x").symlink_to(next(iter(plan.paths.values())))
    layout = cgroups.Layout(1, {"devices": str(tmp_path)}, {"devices": "/"})
    plan = plan_cgroup({"linux": {"cgroupsPath": "/x"}}, "id", layout)
    with pytest.raises(PyruncError, match=r"too many levels of symbolic links|not a directory"):
        perform_all(plan.create, None)  # type: ignore[arg-type]


def test_exec_into_a_cgroup_below(name: str, sleeper: "subprocess.Popen[bytes]") -> None:
    plan = make(name)
    paths = cgroups.exec_paths(plan.paths, ["below"])
    with pytest.raises(PyruncError, match="no such file or directory"):
        cgroups.attach(paths, sleeper.pid)
    for path in dict.fromkeys(paths.values()):
        os.mkdir(path)
    if "cpuset" in paths:  # a new one has no CPUs, and takes nobody
        for file in ("cpuset.cpus", "cpuset.mems"):
            Path(paths["cpuset"], file).write_text(Path(plan.paths["cpuset"], file).read_text())
    cgroups.attach(paths, sleeper.pid)
    assert cgroups.processes(paths) == cgroups.processes(plan.paths) == [sleeper.pid]


@pytest.mark.parametrize(
    ("linux", "expected"),
    [
        ({}, "paths: []"),
        ({"resources": {"devices": [{"allow": False, "access": "rwm"}]}}, "paths: []"),
        ({"resources": {"pids": {"limit": 5}}}, "rootless needs no limits + no cgrouppath"),
        ({"cgroupsPath": "/x"}, "rootless needs no limits + no cgrouppath"),
    ],
)
def test_a_user_without_rights(linux: "dict[str, Any]", expected: str) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            plan = plan_cgroup({"linux": linux}, f"{prefix()}user", detect(), rootless=True)
            perform_all([*plan.create, *plan.limits], None)  # type: ignore[arg-type]
            os.write(writer, f"paths: {list(plan.paths)}".encode())
        except PyruncError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as file:
        said = file.read()
    os.waitpid(pid, 0)
    assert expected in said


def test_a_limit_too_low_for_the_process_to_begin(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The kernel kills it when the limit is set; the error says that, and not what failed without the process.  On v1
    the limit is refused instead, where the process has taken more before."""
    made = bundle(("/bin/true",))
    made.config["linux"]["resources"]["memory"] = {"limit": 4096}
    container_id = pyrunc.new_id()
    result = pyrunc("create", "--bundle", made.save(), container_id)
    assert result.returncode == 1
    killed = "container init was OOM-killed (memory limit too low?)\n"
    refused = "unable to set memory limit to 4096 (current usage: "
    assert result.stderr == f"pyrunc create failed: {container_id}: {killed}" or refused in result.stderr
    assert pyrunc.containers() == []
    assert not [path for path in detect().hierarchies.values() if os.path.exists(f"{path}/{container_id}")]
