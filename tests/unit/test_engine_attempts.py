"""What counts of an engine's operations: beside the control, at the second try, when the engine does not start."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.engine import catalogue
from conformance.engine.attempt import END, Attempts
from conformance.engine.base import Engine
from conformance.engine.operation import CannotRun, Operation
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome

OURS, CONTROL = Path("/ours"), Path("/control")
Step = Callable[[Path, int], None]
Both = tuple[list[Outcome], list[Outcome]]


def nothing(_runtime: Path, _attempt: int) -> None:
    """All is well."""


def fails(runtime: "Path | None" = None, until: int = 99) -> Step:
    """A step that fails with a runtime (or all) up to that engine of its."""

    def step(given: Path, attempt: int) -> None:
        if runtime in (None, given) and attempt <= until:
            raise AssertionError(f"wrong in engine {attempt}")

    return step


def cannot(_runtime: Path, _attempt: int) -> None:
    """It is not there."""
    raise CannotRun("not installed")


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Both]:
    """The outcomes of an engine with these steps for its start, its only operation and its end."""
    made: list[Path] = []

    class Made(Engine):
        """Counts how many there have been for its runtime."""

        name = "made"
        steps: "dict[str, Step]" = {}

        def __init__(self, folder: Path, runtime: Path, image: Path) -> None:
            super().__init__(folder, runtime, image)
            made.append(runtime)
            self.attempt = made.count(runtime)

        def start(self) -> None:
            """The first step."""
            Made.steps.get("start", nothing)(self.runtime, self.attempt)

        def stop(self) -> None:
            """The last step."""
            Made.steps.get("stop", nothing)(self.runtime, self.attempt)

    def act(engine: Made) -> None:
        Made.steps.get("act", nothing)(engine.runtime, engine.attempt)

    def run(seconds: float = 60, control: "Path | None" = CONTROL, **steps: Step) -> Both:
        Made.steps = steps
        monkeypatch.setattr(catalogue, "new", lambda _name, *rest: Made(*rest))
        attempts = Attempts(tmp_path, tmp_path / "image.tar", time.monotonic() + seconds)
        return attempts.compared("made", [Operation("made", "act", act, True)], OURS, control)

    return run


def results(outcomes: list[Outcome]) -> list[str]:
    """Of the operation and of the end."""
    assert [one.title for one in outcomes] == ["act", END]
    return [one.result for one in outcomes]


def test_all_is_well(compared: Callable[..., Both]) -> None:
    mine, theirs = compared()
    assert results(mine) == results(theirs) == [PASS, PASS]


def test_a_failure_of_the_runtime(compared: Callable[..., Both]) -> None:
    mine, theirs = compared(act=fails(OURS))
    assert (results(mine), results(theirs)) == ([FAIL, PASS], [PASS, PASS])
    assert mine[0].reason == "wrong in engine 1\nat the second try: wrong in engine 2"


def test_a_failure_that_does_not_come_again(compared: Callable[..., Both]) -> None:
    mine, _ = compared(act=fails(OURS, until=1))
    assert results(mine) == [PASS, PASS]
    assert mine[0].reason == "at the second try; at the first: wrong in engine 1"


def test_a_failure_of_both(compared: Callable[..., Both]) -> None:
    mine, theirs = compared(act=fails())
    assert (results(mine), results(theirs)) == ([SKIP, PASS], [FAIL, PASS])
    assert mine[0].reason == "cannot run here (not with the control either): wrong in engine 1"


def test_a_failure_without_a_control(compared: Callable[..., Both]) -> None:
    mine, theirs = compared(control=None, act=fails())
    assert (results(mine), theirs) == ([FAIL, PASS], [])


def test_an_engine_that_is_not_there(compared: Callable[..., Both]) -> None:
    mine, theirs = compared(start=cannot)
    assert (results(mine), results(theirs)) == ([SKIP, PASS], [SKIP, PASS])
    assert mine[0].reason == "not installed"


@pytest.mark.parametrize(
    ("step", "result"),
    [(fails(), SKIP), (fails(OURS), FAIL), (fails(OURS, until=1), PASS)],
    ids=["with both", "with ours", "once"],
)
def test_an_engine_that_does_not_start(compared: Callable[..., Both], step: Step, result: str) -> None:
    mine, _ = compared(start=step)
    assert results(mine) == [result, PASS]
    assert "made does not start: wrong in engine 1" in mine[0].reason


@pytest.mark.parametrize(("until", "result"), [(1, PASS), (99, FAIL)])
def test_what_is_left_in_the_end(compared: Callable[..., Both], until: int, result: str) -> None:
    mine, _ = compared(stop=fails(OURS, until))
    assert results(mine) == [PASS, result]


def test_when_the_time_is_over(compared: Callable[..., Both]) -> None:
    mine, theirs = compared(seconds=-1)
    assert results(mine) == results(theirs) == [SKIP, PASS]
    assert mine[0].reason == "no time was left"
