"""A few dozen lives of containers, some at once, by the command and by the library (`make soak` runs thousands)."""

from pathlib import Path

import pytest

from tests.soak import run
from tests.soak.command import Soak

pytestmark = pytest.mark.root


def test_a_short_soak(runtime: Path, folder: Path) -> None:
    """Nothing fails, stays or grows."""
    report = run.soak(runtime, folder, 40, 5)
    assert not report["wrong"], run.shown(report)
    assert report["cycle"]["all"] > 0
    assert len(report["library"]["early"]) == 3


def test_what_fails_is_told(folder: Path) -> None:
    """A command that does nothing is no runtime; a report says so, and of everything else that is wrong."""
    soak = Soak(Path("/bin/false"), folder / "state", folder, [(folder, folder)])
    soak.run(2)
    assert not soak.cycles
    assert len(soak.failures) == 2
    assert "create" in soak.failures[0]
    figures = {"descriptors": 9, "threads": 2, "resident (kB)": 4096}
    report = {
        "cycles": 1000,
        "failures": soak.failures,
        "left": ["mount left behind: x"],
        "cycle": {"first": 10.0, "last": 13.0},
        "descriptors": [3, 4],
        "host before": {"SUnreclaim (kB)": 0},
        "host after": {"SUnreclaim (kB)": 5000},
        "library": {"failures": ["x"], "early": dict.fromkeys(figures, 0), "late": figures},
    }
    assert len(run.wrong(report)) == 10
