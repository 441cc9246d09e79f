"""What is left of a scope when something fails, is killed, or was there before."""

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import leaks, processes
from tests.support.bundles import BundleFactory
from tests.support.units import WithSystemd, read, scope

pytestmark = [pytest.mark.root, pytest.mark.cgroup2, pytest.mark.systemd]

SLEEP = ("/bin/sleep", "1000")
SEED = 4711


def test_a_failed_unit_of_that_name_is_forgotten(bundle: BundleFactory, systemd: WithSystemd) -> None:
    container_id = systemd.new_id()
    command = ["systemd-run", "--quiet", "--scope", f"--unit={scope(container_id)}", "-p", "RuntimeMaxSec=100ms"]
    subprocess.run([*command, "sleep", "100"], timeout=60)
    processes.wait_until(
        lambda: systemd.show(scope(container_id), "ActiveState") == {"ActiveState": "failed"}, "the unit to fail"
    )
    systemd.ok("create", "--bundle", bundle(SLEEP), container_id)
    systemd.ok("delete", "--force", container_id)
    assert systemd.units(container_id) == []


def test_a_unit_of_that_name_that_lives_is_left_alone(bundle: BundleFactory, systemd: WithSystemd) -> None:
    container_id = systemd.new_id()
    unit = scope(container_id)
    with subprocess.Popen(["systemd-run", "--quiet", "--scope", f"--unit={unit}", "sleep", "100"]) as other:
        processes.wait_until(lambda: systemd.units(container_id), "the unit")
        result = systemd("create", "--bundle", bundle(SLEEP), container_id)
        assert result.returncode == 1
        assert (
            f"linux.cgroupsPath: start unit {unit}: StartTransientUnit: Unit {unit} was already loaded" in result.stderr
        )
        assert systemd.units(container_id) == [unit]
        assert systemd.containers() == []
        assert other.poll() is None
        other.kill()


def test_a_unit_that_failed_is_forgotten_with_its_container(bundle: BundleFactory, systemd: WithSystemd) -> None:
    """Here it fails because systemd ends it after a time."""
    made = bundle(SLEEP)
    made.config["annotations"] = {f"org.systemd.property.{name}Sec": "1" for name in ("RuntimeMax", "TimeoutStop")}
    container_id, _ = systemd.create(made.save())
    systemd.ok("start", container_id)
    systemd.wait_status(container_id, "stopped", timeout=30)
    processes.wait_until(
        lambda: systemd.show(scope(container_id), "ActiveState") == {"ActiveState": "failed"}, "the unit to fail"
    )
    systemd.ok("delete", container_id)
    assert systemd.units(container_id) == []


@pytest.mark.parametrize("stage", ["limit", "hook", "program", "property"])
def test_a_create_that_fails_leaves_no_unit(stage: str, bundle: BundleFactory, systemd: WithSystemd) -> None:
    made = bundle(("/nonexistent",) if stage == "program" else SLEEP)
    if stage == "limit":
        made.config["linux"]["resources"]["cpu"] = {"cpus": "4000"}
    if stage == "hook":
        made.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    if stage == "property":
        made.config["annotations"] = {"org.systemd.property.CollectMode": "'never'"}
    container_id = systemd.new_id()
    result = systemd("run", "--bundle", made.save(), container_id)
    assert result.returncode == 1, result
    assert systemd.units(container_id) == []
    assert systemd.containers() == []
    assert not Path(f"/sys/fs/cgroup/system.slice/{scope(container_id)}").exists()


def test_processes_left_by_the_first_are_killed(bundle: BundleFactory, systemd: WithSystemd) -> None:
    made = bundle("setsid sleep 1000 & setsid sleep 1000 & exec sleep 1000")
    made.config["linux"]["namespaces"] = [
        entry for entry in made.config["linux"]["namespaces"] if entry["type"] != "pid"
    ]
    made.config["mounts"] = [entry for entry in made.config["mounts"] if entry["type"] != "proc"]
    made.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    container_id, _ = systemd.create(made.save())
    systemd.ok("start", container_id)
    directory = f"/system.slice/{scope(container_id)}"
    processes.wait_until(lambda: len(read(directory, "cgroup.procs").split()) == 3, "three processes")
    pids = [int(word) for word in read(directory, "cgroup.procs").split()]
    os.kill(systemd.state(container_id)["pid"], 9)
    systemd.wait_status(container_id, "stopped")
    systemd.ok("delete", container_id)
    assert not [pid for pid in pids if processes.alive(pid)]
    assert systemd.units(container_id) == []


def test_create_killed_at_any_moment(bundle: BundleFactory, systemd: WithSystemd) -> None:
    """`delete --force` leaves neither unit nor cgroup, and the id can be used again at once."""
    dice = random.Random(SEED)
    made = bundle(SLEEP)
    container_id = systemd.new_id()
    begin = time.monotonic()
    systemd.ok("create", "--bundle", made, container_id)
    length = time.monotonic() - begin
    systemd.ok("delete", "--force", container_id)
    for round in range(12):
        container_id = systemd.new_id()
        process = systemd.popen("create", "--bundle", made, container_id, stdout=-3, stderr=-3)
        time.sleep(dice.uniform(0.1, 1.05) * length)
        process.kill()
        process.wait()
        systemd.ok("delete", "--force", container_id)
        if round % 2:
            processes.wait_until(lambda name=container_id: systemd.units(name) == [], "the unit to go")
            assert [path for path in leaks.cgroups() if container_id in path] == []
        systemd.ok("create", "--bundle", made, container_id)
        systemd.ok("delete", "--force", container_id)
        assert systemd.units(container_id) == []
        assert [path for path in leaks.cgroups() if container_id in path] == []


def test_delete_killed(bundle: BundleFactory, systemd: WithSystemd) -> None:
    made = bundle(SLEEP)
    for moment in (0.1, 0.2, 0.3, 0.5):
        container_id, _ = systemd.create(made)
        process = systemd.popen("delete", "--force", container_id, stdout=-3, stderr=-3)
        time.sleep(moment)
        process.kill()
        process.wait()
        systemd.ok("delete", "--force", container_id)
        assert systemd.units(container_id) == []


def test_without_the_bus(bundle: BundleFactory, systemd: WithSystemd) -> None:
    """`create` says which bus it missed; what was made before can be killed and deleted, with a warning."""
    container_id, _ = systemd.create(bundle(SLEEP))
    nowhere = {"PATH": "/usr/bin:/bin", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
    result = systemd("create", "--bundle", bundle(SLEEP), systemd.new_id(), env=nowhere)
    assert result.returncode == 1
    words = "connect to the system bus: unix:path=/nonexistent: no such file or directory\nhint: is the message bus"
    assert words in result.stderr
    result = systemd.ok("delete", "--force", container_id, env=nowhere)
    assert f"the unit {scope(container_id)} may be left" in result.stderr
    processes.wait_until(lambda: systemd.units(container_id) == [], "systemd to take the empty scope away")
