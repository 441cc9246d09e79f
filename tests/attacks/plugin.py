"""The pytest side of tests/attacks/run: which runtime is attacked, and the verdicts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.plugin import reason_of
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome
from tests.support.attack import BreakIn, attack_of, is_pyrunc, version_of

outcomes: dict[str, list[Outcome]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """--attacked, --prove and --outcomes."""
    parser.addoption("--attacked", metavar="COMMAND", help="the runtime, with its global options")
    parser.addoption("--prove", action="store_true", help="run the attacks against weakened copies of pyrunc instead")
    parser.addoption("--entries", metavar="NAMES", default="", help="only these entries: S7,S16")
    parser.addoption("--outcomes", metavar="FILE", help="write the outcomes as JSON")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only what is an attack; what concerns pyrunc alone is left out for another runtime, and says so."""
    entries = set(filter(None, config.getoption("--entries").split(",")))
    foreign = not is_pyrunc(version_of(config.getoption("--attacked").split()[0]))
    kept = [
        item for item in items if (mark := attack_of(item)) and (not entries or not entries.isdisjoint(mark.entries))
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    for item in items:
        mark = attack_of(item)
        if foreign and mark and mark.inner:
            item.add_marker(pytest.mark.skip(reason=f"concerns pyrunc only: {mark.inner}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Iterator[None]:
    """Notes the verdict: broken where the attack said so, held where it came to its end, else undecided."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
    if report.when != "call" and report.passed:
        return
    if report.when == "teardown" and item.nodeid in outcomes:
        return  # what a runtime leaves behind is no attack's success
    broken = call.excinfo is not None and call.excinfo.errisinstance(BreakIn)
    proving = item.config.getoption("--prove")
    result, reason = (FAIL if broken else PASS if report.passed else SKIP), ""
    if proving and not report.skipped:
        result, reason = (FAIL, "") if report.passed else (PASS, reason_of(report))
    elif broken:
        assert call.excinfo is not None
        reason = str(call.excinfo.value)
    elif not report.passed:
        reason = reason_of(report)
    mark = attack_of(item)
    assert mark is not None
    title = item.name.replace("[strong]", "").replace("[strong-", "[")
    outcomes[item.nodeid] = [
        Outcome(int(entry[1:]), entry, Path(item.path).name, title, result, reason, round(report.duration, 3))
        for entry in mark.entries
    ]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the outcomes."""
    path = session.config.getoption("--outcomes")
    if path:
        Path(path).write_text(json.dumps([vars(one) for found in outcomes.values() for one in found]))
