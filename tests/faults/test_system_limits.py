"""No descriptors, no processes, no memory: each limit in turn, from nothing to where the command works."""

import resource
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.ordinary_user import given, ordinary_user
from tests.support.runtime import Pyrunc, Result
from tests.support.system_faults import (
    FULL,
    SLEEP,
    Trial,
    address_space,
    bundle_of,
    in_cgroup,
    runtime_cgroup,
    soft_limit,
)

pytestmark = [pytest.mark.root, pytest.mark.timeout(600 if FULL else 60)]

VERBS = ("create", "exec", "start", "run", "delete", "kill", "state", "pause", "update") if FULL else ("create",)
KINDS = ("plain", "rich") if FULL else ("rich",)
STEP = 1 if FULL else 5
MANY = 64  # descriptors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS if FULL else ("create", "exec"))
def test_no_descriptors(verb: str, kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Each number of descriptors, until two are enough; with three, Python itself does not start."""
    trial = Trial(pyrunc, bundle_of(kind, verb, bundle))

    def meet(number: int) -> Result:
        fault = f"{number} descriptors"
        result = trial.meet(fault, *trial.prepare(verb), preexec_fn=soft_limit(resource.RLIMIT_NOFILE, number))
        if result.returncode and "too many open files" not in result.stderr.lower():
            trial.wrong.append(f"{fault}: another reason: {result.stderr}")
        trial.clean(fault)
        return result

    trial.end_when_it_works(map(meet, range(4, MANY, STEP)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_no_processes(verb: str, kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Each number of processes in the runtime's cgroup, from its own one on."""
    trial = Trial(pyrunc, bundle_of(kind, verb, bundle))
    with runtime_cgroup("pids", f"{pyrunc.root.name}-pids") as directory:
        for number in range(1, 6):
            fault = f"{number} processes"
            (directory / "pids.max").write_text(str(number))
            result = trial.meet(fault, *trial.prepare(verb), preexec_fn=in_cgroup(directory))
            trial.clean(fault)
        assert result.returncode == 0, "five are enough for every command"
    assert trial.failed or verb not in ("create", "run", "exec")
    trial.end()


@pytest.mark.parametrize("verb", ["create", "run", "exec"] if FULL else ["create"])
def test_no_processes_for_a_user(verb: str, bundle: BundleFactory, runtime: Path, folder: Path) -> None:
    """RLIMIT_NPROC, which does not count for root."""
    with ordinary_user(runtime, folder) as user:
        made = given(bundle(SLEEP if verb != "run" else ("/bin/true",), rootless=True), ranges=True)
        trial = Trial(user, made)
        for number in range(1, 20, 1 if FULL else 2):
            fault = f"RLIMIT_NPROC {number}"
            command = trial.prepare(verb)
            user.outer = ["prlimit", f"--nproc={number}"]
            result = trial.meet(fault, *command)
            user.outer = []
            trial.clean(fault)
            if result.returncode == 0:
                break
        assert result.returncode == 0
        assert trial.failed
        trial.end()


def test_a_container_of_one_process(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """pids.limit 1: its program runs and can start nothing; what is put into it is not counted, by the kernel."""
    made = bundle("/bin/true; sleep 1000")
    made.config["linux"]["resources"]["pids"] = {"limit": 1}
    trial = Trial(pyrunc, made.save())
    created = pyrunc.ok("create", "--bundle", made, trial.id)
    trial.meet("pids.max 1", "start", trial.id)
    pyrunc.wait_status(trial.id, "stopped")
    assert "fork" in created.stderr
    trial.meet("pids.max 1", "exec", trial.id, "/bin/true")
    trial.clean("pids.max 1")
    trial.end()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_no_address_space(verb: str, kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """RLIMIT_AS from what Python needs to start, to where the command works."""
    trial = Trial(pyrunc, bundle_of(kind, verb, bundle))

    def meet(number: int) -> Result:
        fault = f"{number / 2} MiB of address space"
        allowed = {"killed_is_fine": True, "unnamed_is_fine": True}
        result = trial.meet(fault, *trial.prepare(verb), preexec_fn=address_space(number << 19), **allowed)
        trial.clean(fault)
        return result

    trial.end_when_it_works(map(meet, range(25, 80, STEP)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_no_memory(verb: str, kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """A small memory cgroup for the runtime: the kernel kills it, or what it has started, somewhere on its way."""
    trial = Trial(pyrunc, bundle_of(kind, verb, bundle))
    with runtime_cgroup("memory", f"{pyrunc.root.name}-memory") as directory:
        for number in range(2, 60, 2 * STEP):
            fault = f"{number / 2} MiB of memory"
            set_limit(directory, number << 19)
            command = trial.prepare(verb)
            result = trial.meet(fault, *command, preexec_fn=in_cgroup(directory), killed_is_fine=True)
            trial.clean(fault)
            if result.returncode == 0:
                break
        assert result.returncode == 0
    assert trial.failed
    trial.end()


def set_limit(directory: Path, size: int) -> None:
    """The limit of a memory cgroup; what it has cached goes first."""
    old = directory / "memory.limit_in_bytes"
    if old.exists():
        (directory / "memory.force_empty").write_text("0")
        old.write_text(str(size))
    else:
        (directory / "memory.max").write_text(str(size))
        (directory / "memory.swap.max").write_text("0")
