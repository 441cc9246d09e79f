"""The runtime, the builder or the helper is killed at every step: `delete --force` clears all of it (a sample; `make
faults` has them all)."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.bundles import BundleFactory
from tests.support.faults import Victim, assert_survived, sampled
from tests.support.faults_bundles import NAMES
from tests.support.faults_points import ERROR, KILL_RUNTIME
from tests.support.rootfs import RootTemplate
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

SEED = 1
SECONDS = 1.2


@pytest.mark.parametrize("name", NAMES)
def test_kills(name: str, folder: Path, root_template: RootTemplate) -> None:
    """SIGKILL right before and right after a step."""
    until = time.monotonic() + SECONDS
    with Victim(name, folder, root_template) as victim:
        cases = [case for case in victim.cases() if case.action != ERROR]
        assert_survived(victim, sampled(cases, SEED), until)


def test_before_the_process_is_noted(folder: Path, root_template: RootTemplate) -> None:
    """The helper, born in its cgroup, dies with the runtime and is in nobody's record: its cgroup is removed, too."""
    with Victim("docker", folder, root_template) as victim:
        cases = [
            case
            for case in victim.cases()
            if case.command == "create" and case.action == KILL_RUNTIME and "state, append" in case.point.name
        ]
        assert_survived(victim, cases)


@pytest.mark.parametrize("whom", ["runtime", "helper", "hook"])
def test_while_a_start_container_hook_runs(whom: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """pyrunc-init runs these hooks: they end with it, and it ends with them.

    `start` has done its part when pyrunc-init has read its message: a kill from outside after that is the container's
    end, as it is a moment later, when the program runs.
    """
    made = bundle(("/bin/sleep", "1000"))
    made.config["root"]["readonly"] = False
    script = "echo $$ > /running.new; mv /running.new /running; exec sleep 1000"
    made.config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    made.save()
    container_id, _ = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    start = pyrunc.popen("start", container_id)
    processes.wait_until((made.rootfs / "running").exists, "the hook")
    hook = processes.children(pid)[0]
    os.kill({"runtime": start.pid, "helper": pid, "hook": hook}[whom], signal.SIGKILL)
    assert start.wait(20) == {"runtime": -signal.SIGKILL, "helper": 0, "hook": 1}[whom]
    pyrunc.ok("delete", "--force", container_id)
    assert not processes.alive(hook)
    assert pyrunc.containers() == []
