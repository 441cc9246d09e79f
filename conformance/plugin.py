"""The pytest side: which runtime is checked, the checks as they are or once for each way to break it, the outcomes."""

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.broken_runtime import __file__ as wrapper
from conformance.command import Runtime
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome
from conformance.requirement import Break, Requirement, requirement_of
from tests.support import leaks
from tests.support.bundles import BundleFactory

outcomes: list[Outcome] = []
broken: dict[str, Break] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """--oci, --prove and --outcomes."""
    parser.addoption("--oci", metavar="COMMAND", default="build/pyrunc", help="the runtime, with its global options")
    parser.addoption("--prove", action="store_true", help="run each check against runtimes that break it, instead")
    parser.addoption("--outcomes", metavar="FILE", help="write the outcomes as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known."""
    config.addinivalue_line("markers", "requirement(requirement): the requirement that this test checks")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With --prove: once for each way to break."""
    mark = next(metafunc.definition.iter_markers("requirement"), None)
    if mark is None or not metafunc.config.getoption("--prove"):
        return
    requirement: Requirement = mark.args[0]
    metafunc.fixturenames.append("defect")
    names = [f"{one.kind} {one.command} {one.pointer}".strip() for one in requirement.breaks]
    metafunc.parametrize("defect", requirement.breaks, ids=names)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of their numbers, which are unique."""
    seen: dict[int, str] = {}
    for item in items:
        requirement, name = requirement_of(item), item.nodeid.partition("[")[0]
        if seen.setdefault(requirement.number, name) != name:
            raise pytest.UsageError(f"check {requirement.number} is both {seen[requirement.number]} and {name}")
    items.sort(key=lambda item: requirement_of(item).number)


@pytest.fixture
def defect(request: pytest.FixtureRequest) -> "Break | None":
    """The way the runtime is broken; None when it is not."""
    return None if not hasattr(request, "param") else request.param


@pytest.fixture
def oci(
    request: pytest.FixtureRequest, folder: Path, bundle: BundleFactory, defect: "Break | None"
) -> Iterator[Runtime]:
    """The runtime: oci("create", ...), oci.run(...), oci.bundle(...), with a state root of this check's own."""
    command: str = request.config.getoption("--oci")
    real = Runtime(shlex.split(command), folder, bundle)
    if defect is None:
        yield real
        failures = real.delete_all()
        assert not failures, failures
        return
    mark = folder / "mark"
    environment = {
        "CONFORMANCE_RUNTIME": command,
        "CONFORMANCE_BREAK": json.dumps(defect.as_dict()),
        "CONFORMANCE_MARK": str(mark),
    }
    yield Runtime([sys.executable, "-I", "-S", wrapper], folder, bundle, environment)
    real.delete_all()
    request.node.user_properties.append(("applied", mark.exists()))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Notes the outcome; against a broken runtime a failure is what is wanted."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
    proving = item.config.getoption("--prove")
    if proving and report.when == "call" and report.failed:
        broken[item.nodeid] = requirement_of(item).breaks[0]
        report.outcome = "passed"
        report.longrepr = None
    if proving and report.when == "teardown":
        judge_proof(item, report)
    if report.when == "call" or (report.when in ("setup", "teardown") and not report.passed):
        note(item, report, proving)


def judge_proof(item: pytest.Item, report: pytest.TestReport) -> None:
    """A proof holds when the defect came to bear and the check failed."""
    applied = dict(item.user_properties).get("applied")
    if applied is None or (item.nodeid in broken and applied):
        return
    report.outcome = "failed"
    report.longrepr = "the defect never came to bear" if not applied else "the check passed in spite of the defect"


def note(item: pytest.Item, report: pytest.TestReport, proving: bool) -> None:
    """Adds the outcome, or corrects it when the clean-up after a check failed."""
    requirement = requirement_of(item)
    result = SKIP if report.skipped else (PASS if report.passed else FAIL)
    title = requirement.text + (f" [broken: {item.name.partition('[')[2]}" if proving else "")
    made = Outcome(
        requirement.number,
        requirement.level,
        requirement.section,
        title,
        result,
        "" if result == PASS else reason_of(report),
        round(report.duration, 3),
    )
    if outcomes and outcomes[-1].number == made.number and outcomes[-1].title == made.title:
        if outcomes[-1].result == PASS:
            outcomes[-1] = made
        return
    outcomes.append(made)


def reason_of(report: pytest.TestReport) -> str:
    """Why a check failed or was left out, in a line or some."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr)


def remove_cgroups() -> None:
    """Removes what runtimes have left of this run's cgroups; that they do is a check's failure."""
    for hierarchy in leaks.cgroup_hierarchies():
        for folder, _, _ in os.walk(hierarchy, topdown=False):
            if leaks.prefix() in folder:
                with contextlib.suppress(OSError):  # its processes are another failure
                    os.rmdir(folder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the outcomes."""
    remove_cgroups()
    path = session.config.getoption("--outcomes")
    if path:
        text = json.dumps([vars(one) for one in outcomes])
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        with open(fd, "w") as file:
            file.write(text)
