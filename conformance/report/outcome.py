"""The outcome of one check, and of a whole run against one runtime."""

from dataclasses import asdict, dataclass, field
from typing import Any

PASS = "pass"
FAIL = "fail"
SKIP = "skip"


@dataclass
class Outcome:
    """One line of a report.

    number, level, section, title: the requirement's
    result:  PASS, FAIL or SKIP
    reason:  why it failed or was left out
    seconds: how long it took
    """

    number: int
    level: str
    section: str
    title: str
    result: str
    reason: str = ""
    seconds: float = 0.0


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

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Run":
        """The reverse of as_dict."""
        outcomes = [Outcome(**one) for one in values["outcomes"]]
        return cls(values["runtime"], values["version"], values["host"], outcomes)
