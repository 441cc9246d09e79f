"""Each fuzzer of tests/fuzz for a moment, always with the same inputs, and whatever once found something.

`make fuzz` runs them for long, and by coverage.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import run as fuzz
from tests.fuzz.loops import Score, changed, generate, run
from tests.fuzz.target import Finding, Target, observe, regressions, targets

TARGETS = targets()
SECONDS = 1.5


@pytest.fixture(scope="module", params=TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A fuzzer, set up."""
    found = TARGETS[request.param]
    if found.needs_root and os.geteuid() != 0:
        pytest.skip("needs root")
    found.setup()
    yield found
    found.close()


def test_for_a_moment(target: Target) -> None:
    """Nothing is found, and the seeds are good for more than one way through the code."""
    score = Score(SECONDS)
    (generate if target.strategy is not None else changed)(target, score, 1)
    for finding in target.finish():
        score.add(finding)
    assert not score.findings, "\n".join(finding.text for finding in score.findings.values())
    assert score.executions >= len(target.seeds())
    assert len(score.labels) > 1


def test_what_once_found_something(target: Target) -> None:
    """It does so no more."""
    found = {path.name: observe(target, path.read_bytes()) for path in regressions(target.name)}
    bad = {name: outcome.text for name, outcome in found.items() if isinstance(outcome, Finding)}
    assert not bad, "\n".join(f"{name}: {text}" for name, text in bad.items())


def test_the_runner(tmp_path: Path) -> None:
    """It drives a fuzzer for a moment, in a process of its own, and says what came of it."""
    outcomes = fuzz.run(["json"], tmp_path, 0.5, 1, 1)
    assert outcomes["json"].executions > 10
    assert not outcomes["json"].findings
    outcomes["json"].findings["abc"] = "KeyError: 5"
    heading, line, found = fuzz.table(outcomes).splitlines()
    assert heading.split()[:3] == ["fuzzer", "executions", "a"]
    assert line.split()[0] == "json"
    assert found == "json: found abc: KeyError: 5"


class Broken(Target):
    """Finds everything that there is to find."""

    seconds = 0.4

    def check(self, data: bytes) -> str:
        if data == b"hang":
            while True:
                pass
        if data == b"memory":
            return str(len(bytearray(250 << 20)))
        raise KeyError(data)


def test_findings_are_found_and_kept(tmp_path: Path) -> None:
    """An exception, a hang and too much memory; each once, with its input."""
    score = Score(5, tmp_path)
    for data in (b"hang", b"memory", b"other", b"another"):
        run(Broken(), score, data)
    score.write()
    kinds = sorted(finding.summary.partition(":")[0].rpartition(".")[2] for finding in score.findings.values())
    assert kinds == ["Hang", "KeyError", "MemoryError"]
    assert sorted(path.read_bytes() for path in (tmp_path / "found").iterdir() if not path.suffix) == [
        b"hang",
        b"memory",
        b"other",
    ]
    assert '"executions": 4' in (tmp_path / "score.json").read_text()
