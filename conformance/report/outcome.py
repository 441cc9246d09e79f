"""The outcome of one check, and of a whole run against one runtime."""

from dataclasses import asdict, dataclass, field
from typing import Any

PASS = "pass"
FAIL = "fail"
SKIP = "skip"


@dataclass
class Point:
    """One line of a program's own report.  result: PASS, FAIL or SKIP; reason: what the program says of it."""

    result: str
    title: str
    reason: str = ""


@dataclass
class Outcome:
    """One line of a report.

    number, level, section, title: the requirement's
    result:  PASS, FAIL or SKIP
    reason:  why it failed or was left out
    seconds: how long it took
    points:  the lines that it is made of, where a program has reported them
    """

    number: int
    level: str
    section: str
    title: str
    result: str
    reason: str = ""
    seconds: float = 0.0
    points: list[Point] = field(default_factory=list)


@dataclass
class Run:
    """All outcomes of one runtime.  version: what it says of itself; proof: of checks run against broken runtimes."""

    runtime: str
    version: str
    host: str
    outcomes: list[Outcome] = field(default_factory=list)

    def count(self, result: str, level: str = "") -> int:
        """How many outcomes are of that result (and level)."""
        return sum(one.result == result and level in ("", one.level) for one in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
