"""Options of create and run that other runtimes have: another configuration file, and no cgroups."""

import json
from pathlib import Path

import pytest

from tests.support import leaks, processes
from tests.support.bundles import BundleFactory
from tests.support.inside import probe
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root
WITHOUT = ("--cgroup-manager", "disabled")


@pytest.mark.parametrize("option", ["--config", "-f"])
def test_config(option: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """The file stands for the bundle's own; paths in it are relative to the bundle all the same."""
    made = bundle(["/bin/echo", "other"])
    (made.path / "config.json").rename(folder / "other.json")
    result = pyrunc("run", "--bundle", made, option, "other.json", pyrunc.new_id(), cwd=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "other\n", "")
    container_id, result = pyrunc.create(made, option, str(folder / "other.json"))
    assert pyrunc.state(container_id)["bundle"] == str(made)
    (folder / "other.json").unlink()
    assert pyrunc.ok("exec", container_id, "echo", "fine").stdout == "fine\n"


def test_config_that_is_not_there(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Named with its path; the bundle's own is not taken instead."""
    for name, reason in (("absent.json", "no such file or directory"), (".", "not a regular file")):
        result = pyrunc.run(bundle(["/bin/true"]), "--config", str(folder / name))
        assert result.returncode == 1
        assert str(folder / name) in result.stderr
        assert reason in result.stderr
    assert pyrunc.containers() == []


def test_life_without_cgroups(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Its processes stay where the caller is, and the commands that need no cgroup work."""
    made = probe(bundle)
    made.config["linux"]["resources"].pop("pids", None)
    made.save()
    seen = pyrunc.ok(*WITHOUT, "run", "--bundle", made, pyrunc.new_id()).json()
    assert seen["cgroups"] == Path("/proc/self/cgroup").read_text().splitlines()
    made.config["process"]["args"] = ["/bin/sleep", "1000"]
    made.save()
    container_id = pyrunc.new_id()
    pyrunc.ok(*WITHOUT, "create", "--bundle", made, container_id)
    pid = pyrunc.state(container_id)["pid"]
    assert [path for path in leaks.cgroups() if container_id in path] == []
    pyrunc.ok("start", container_id)
    assert pyrunc.ok("exec", container_id, "echo", "fine").stdout == "fine\n"
    assert json.loads(pyrunc.ok("ps", "--format", "json", container_id).stdout) == [pid]
    result = pyrunc("pause", container_id)
    assert result.returncode == 1
    assert "cgroup" in result.stderr
    pyrunc.ok("kill", "--all", container_id, "KILL")
    processes.wait_gone(pid)
    pyrunc.ok("delete", container_id)


def test_limits_without_cgroups(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """What cannot be limited is not made."""
    made = bundle(["/bin/true"])
    made.config["linux"]["resources"] = {"pids": {"limit": 5}}
    made.save()
    result = pyrunc(*WITHOUT, "run", "--bundle", made, pyrunc.new_id())
    assert result.returncode == 1
    assert "linux.resources.pids: the container has no cgroups that could be limited" in result.stderr
    assert pyrunc.containers() == []
