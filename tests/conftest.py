"""Fixtures of all tests, and the check at the end that nothing stays behind on the machine.

`runtime` (the command), `pyrunc` (calls it), `bundle` (makes bundles), `holder` (namespaces to join), `root_template`.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support import folders, leaks, processes
from tests.support.bundles import BundleFactory
from tests.support.namespaces import NamespaceHolder
from tests.support.rootfs import RootTemplate
from tests.support.runtime import Pyrunc
from tests.support.units import WithSystemd

CHECKOUT = Path(__file__).resolve().parent.parent
before_run: dict[str, set[str]] = {}
left_behind: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """--leaks: what the check at the end looks at."""
    parser.addoption(
        "--leaks",
        choices=["own", "all"],
        default="own",
        help="what must not stay behind: this run's own objects, or all of pyrunc's (when nobody else works with it)",
    )
    parser.addoption("--runtime", metavar="PATH", help="the pyrunc command to test (default: build/pyrunc)")


def is_worker(config: pytest.Config) -> bool:
    """Whether this is one of xdist's workers: the first process alone looks for what was left."""
    return hasattr(config, "workerinput")


def pytest_configure() -> None:
    """No time limit for an example of a property: what it takes depends on what else the machine does."""
    hypothesis.settings.register_profile("no deadline", deadline=None)
    hypothesis.settings.load_profile("no deadline")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Adopts orphans and looks at the machine before the first test.

    What is run in the background ignores SIGINT and SIGQUIT, and by nohup SIGHUP; what tests signal would inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    leaks.token()
    processes.become_subreaper()
    if not is_worker(session.config):
        before_run.update(leaks.picture())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Looks again after the last test; what is new fails the run."""
    leaks.remove_corpus_parents()
    if is_worker(session.config) or not before_run:
        return
    processes.reap_adopted(set())
    left, others = leaks.lasting(before_run, session.config.getoption("--leaks"))
    left_behind.extend(others + left)
    if left and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure() -> None:
    """Says what was left behind, as the very last: it is why a run fails whose tests all passed."""
    for line in left_behind:
        print(line, file=sys.stderr)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what the machine or the user cannot do, with the reason."""
    pure_v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    apparmor = Path("/sys/kernel/security/apparmor").exists()
    systemd = Path("/run/systemd/system").exists()
    impossible = {
        "root": (os.geteuid() != 0, "needs root"),
        "cgroup1": (pure_v2, "needs cgroup v1 hierarchies, this host is pure cgroup v2"),
        "systemd": (not systemd, "needs systemd as process 1 (make test-vm has it)"),
        "apparmor": (not apparmor, "needs a host with AppArmor (make test-vm has it)"),
        "no_apparmor": (apparmor, "needs a host without AppArmor"),
        "cgroup2": (not pure_v2, "needs pure cgroup v2, this host has v1 hierarchies (make test-vm has v2)"),
    }
    for item in items:
        for name, (is_so, reason) in impossible.items():
            if is_so and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """After each test: its processes are gone and its mounts, too.  What is left is ended and fails that test.

    So does a signal that it left blocked: no later test could be timed out.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    before = leaks.own_mounts_and_processes()
    running = set(processes.descendants(os.getpid()))
    yield
    leaks.settle()
    processes.reap_adopted(running)
    left = leaks.own_mounts_and_processes() - before
    processes.end([pid for pid in processes.descendants(os.getpid()) if pid not in running])
    left |= {f"blocked signal {number}" for number in signal.pthread_sigmask(signal.SIG_SETMASK, mask) - mask}
    assert not left, "left behind by this test: " + "; ".join(sorted(left))


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """The folder of all that this process's tests make: short (sockets have short paths), and open to mapped users.

    Not in /tmp, which is often a mount of its own with nosuid and nodev, as binds of it would be, too.
    """
    folder = Path(tempfile.mkdtemp(prefix=leaks.prefix(), dir="/var/tmp"))
    folder.chmod(0o755)
    folders.make_private(folder)
    yield folder
    folders.remove(folder)


@pytest.fixture(scope="session")
def runtime(request: pytest.FixtureRequest) -> Path:
    """The absolute path of the `pyrunc` command; built where it is not there yet."""
    named = request.config.getoption("--runtime")
    path = Path(named).absolute() if named else CHECKOUT / "build" / "pyrunc"
    if not path.exists():
        subprocess.run(["make", "-s", "-C", CHECKOUT, f"VENV={sys.prefix}", "build"], check=True)
    return path


@pytest.fixture(scope="session")
def root_template(session_folder: Path) -> RootTemplate:
    """Makes root file systems of busybox and the probe."""
    return RootTemplate(session_folder)


@pytest.fixture
def folder(session_folder: Path) -> Iterator[Path]:
    """A folder of this test's own with a short path, mode 755; removed with all that is in it."""
    path = Path(tempfile.mkdtemp(prefix="t", dir=session_folder))
    path.chmod(0o755)
    yield path
    folders.remove(path)


@pytest.fixture
def bundle(folder: Path, root_template: RootTemplate) -> BundleFactory:
    """bundle(args, ...) and bundle.from_corpus(name, ...) make bundles."""
    return BundleFactory(folder, root_template)


@pytest.fixture
def pyrunc(runtime: Path, folder: Path) -> Iterator[Pyrunc]:
    """pyrunc("run", ...) calls the command with a state root of this test's own; what it left is deleted by force."""
    command = Pyrunc(runtime, folder / f"root-{folder.name}", folder / "output")
    yield command
    failures = command.delete_all()
    assert not failures, failures
    assert command.containers() == []


@pytest.fixture
def systemd(runtime: Path, folder: Path) -> Iterator[WithSystemd]:
    """The command with --systemd-cgroup; no unit of it is left afterwards."""
    command = WithSystemd(runtime, folder / f"root-{folder.name}", folder / "output")
    yield command
    assert not command.delete_all()
    assert command.containers() == []
    assert command.units(f"-{folder.name}-") == []


@pytest.fixture
def holder() -> Iterator[Callable[..., NamespaceHolder]]:
    """holder(kinds...) starts a process that holds namespaces of those kinds (default: network, ipc, uts, pid)."""
    holders: list[NamespaceHolder] = []

    def hold(*kinds: str) -> NamespaceHolder:
        holders.append(NamespaceHolder(kinds) if kinds else NamespaceHolder())
        return holders[-1]

    yield hold
    for held in holders:
        held.close()
