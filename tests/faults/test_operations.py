"""Every step of a container's life is made to fail: the error names it, and nothing is left (a sample; `make faults`
has them all)."""

import time
from pathlib import Path

import pytest

from tests.support.faults import Victim, assert_survived, sampled
from tests.support.faults_bundles import NAMES
from tests.support.faults_points import ERROR
from tests.support.faults_strace import STRACE
from tests.support.rootfs import RootTemplate

pytestmark = pytest.mark.root

SEED = 1
SECONDS = 1.2


@pytest.mark.parametrize("name", NAMES)
def test_errors(name: str, folder: Path, root_template: RootTemplate) -> None:
    """An error in an operation, a hook, a message, the state directory or any other system call."""
    until = time.monotonic() + SECONDS
    with Victim(name, folder, root_template) as victim:
        cases = [case for case in victim.cases() if case.action == ERROR]
        assert_survived(victim, sampled(cases, SEED), until)


@pytest.mark.cgroup1
def test_a_cgroup_that_cannot_be_prepared(folder: Path, root_template: RootTemplate) -> None:
    """What v1's cpuset wants to be written before a cgroup is of use fails: the cgroup is removed, too."""
    with Victim("docker", folder, root_template) as victim:
        names = [f"{call} in pyrunc.cgroups.files, write_file" for call in ("open", "write")]
        cases = [case for case in victim.cases() if case.command == "create" and case.point.name in names]
        assert_survived(victim, [case for case in cases if case.action == ERROR and case.point.index <= 4])


@pytest.mark.skipif(not STRACE, reason="needs strace")
@pytest.mark.parametrize("name", ["docker", "podman-userns"])
def test_system_calls_of_pyrunc_init(name: str, folder: Path, root_template: RootTemplate) -> None:
    """Errors, and its death, from its first order to the program's exec."""
    until = time.monotonic() + SECONDS
    with Victim(name, folder, root_template) as victim:
        assert_survived(victim, sampled(victim.cases_inside(), SEED), until)


@pytest.mark.skipif(not STRACE, reason="needs strace")
def test_an_answer_that_cannot_be_sent(folder: Path, root_template: RootTemplate) -> None:
    """pyrunc-init ends then: nobody waits for an answer that never comes."""
    with Victim("docker", folder, root_template) as victim:
        cases = [case for case in victim.cases_inside() if case.point.name == "sendmsg" and case.action == ERROR]
        assert_survived(victim, cases)
