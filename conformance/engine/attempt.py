"""One engine with one runtime or with two: all operations, their outcomes, and a second try of what failed."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from conformance.engine import catalogue
from conformance.engine.base import Engine
from conformance.engine.operation import CannotRun, Operation
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome

END = "the end: no process and no cgroup is left"
FAILURES = (AssertionError, OSError, ValueError, LookupError, subprocess.SubprocessError)


class Attempts:
    """All that one lane does.

    folder:   for the engines' state
    image:    a tar file of the root file system that containers get
    deadline: of time.monotonic(); operations that would begin later are left out, but for second tries
    """

    def __init__(self, folder: Path, image: Path, deadline: float) -> None:
        self.folder = folder
        self.image = image
        self.deadline = deadline

    def compared(
        self, name: str, wanted: Sequence[Operation], runtime: Path, control: "Path | None"
    ) -> tuple[list[Outcome], list[Outcome]]:
        """What the engine does with the runtime, and with the control, which comes first.

        What fails with the runtime alone is tried once more, in a fresh engine: they all have their time-outs, which
        a busy machine can exceed.
        """
        theirs = [] if control is None else self.engine(name, wanted, control, self.deadline)
        mine = self.engine(name, wanted, runtime, self.deadline)
        if control is not None:
            count(mine, theirs)
            failed = {one.title for one in mine if one.result == FAIL}
            again = [one for one in wanted if one.name in failed or failed == {END}]
            if failed:
                second = self.engine(name, again, runtime, float("inf"))
                correct(mine, {one.title: one for one in second})
        return mine, theirs

    def engine(self, name: str, wanted: Sequence[Operation], runtime: Path, deadline: float) -> list[Outcome]:
        """All these operations and the end of one engine."""
        folder = self.folder / "e"
        folder.mkdir(mode=0o755)
        engine = catalogue.new(name, folder, runtime, self.image)
        try:
            outcomes = self.operations(engine, wanted, deadline)
        finally:
            end = performed(engine, Operation(name, END, lambda one: one.stop(), True), len(wanted) + 1)
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():  # something still writes there
                folder.rename(self.folder / f"left-{time.monotonic_ns()}")
        return [*outcomes, end]

    def operations(self, engine: Engine, wanted: Sequence[Operation], deadline: float) -> list[Outcome]:
        """The operations, or none of them where the engine cannot run."""
        late = "no time was left"
        try:
            if time.monotonic() > deadline:
                raise CannotRun(late)
            engine.start()
        except CannotRun as error:
            return same(engine, wanted, SKIP, str(error))
        except FAILURES as error:
            return same(engine, wanted, FAIL, f"{engine.name} does not start: {error}")
        outcomes = []
        for number, one in enumerate(wanted, 1):
            if time.monotonic() > deadline:
                outcomes.append(Outcome(number, engine.name, "", one.name, SKIP, late))
            else:
                outcomes.append(performed(engine, one, number))
        return outcomes


def same(engine: Engine, wanted: Sequence[Operation], result: str, reason: str) -> list[Outcome]:
    """The same outcome for all operations."""
    tell(engine, "start", result, reason, 0)
    return [Outcome(number, engine.name, "", one.name, result, reason) for number, one in enumerate(wanted, 1)]


def performed(engine: Engine, one: Operation, number: int) -> Outcome:
    """One operation."""
    began = time.monotonic()
    result, reason = PASS, ""
    try:
        one.action(engine)
    except CannotRun as error:
        result, reason = SKIP, str(error)
    except FAILURES as error:
        result, reason = FAIL, str(error) or "the answer was another one"
    seconds = round(time.monotonic() - began, 3)
    tell(engine, one.name, result, reason, seconds)
    return Outcome(number, one.engine, "", one.name, result, reason, seconds)


def tell(engine: Engine, what: str, result: str, reason: str, seconds: float) -> None:
    """A line for who watches the run."""
    why = f": {reason.splitlines()[0]}" if reason else ""
    sys.stderr.write(f"{engine.name}: {what}: {result} ({engine.runtime.name}, {seconds:.2f} s){why}\n")


def count(mine: Sequence[Outcome], theirs: Sequence[Outcome]) -> None:
    """An operation that the control does not pass here says nothing about the runtime."""
    for one, other in zip(mine, theirs, strict=True):
        if one.result == FAIL and other.result != PASS:
            one.result = SKIP
            one.reason = f"cannot run here (not with the control either): {other.reason}"


def correct(mine: Sequence[Outcome], second: "dict[str, Outcome]") -> None:
    """What has failed and passes at the second try has passed, and says so."""
    for one in mine:
        again = second.get(one.title)
        if one.result == FAIL and again is not None and again.result == PASS:
            one.result, one.seconds = PASS, again.seconds
            one.reason = f"at the second try; at the first: {one.reason}"
        elif one.result == FAIL and again is not None:
            one.reason += f"\nat the second try: {again.reason}"
