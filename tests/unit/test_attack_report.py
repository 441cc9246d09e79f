"""The list of attacks is complete, and how verdicts are counted and shown."""

import ast
from pathlib import Path

import pytest

from conformance.report import page
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome, Run
from tests.attacks.entries import ENTRIES
from tests.attacks.runner import WORDS, overview, reason, verdict
from tests.support.attack import BreakIn, broken_if, last_line

ATTACKS = Path(__file__).parent.parent / "attacks"


def attacks() -> list[tuple[list[str], bool]]:
    """Of each attack: its entries, and whether there is a weakened copy that it succeeds against."""
    found = []
    for path in sorted(ATTACKS.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "attack":
                entries = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                found.append((entries, any(keyword.arg == "weak" for keyword in node.keywords)))
    return found


def test_each_entry_has_an_attack_that_can_succeed() -> None:
    assert list(ENTRIES) == [f"S{number}" for number in range(1, 27)]
    assert {entry for entries, _ in attacks() for entry in entries} == set(ENTRIES)
    assert {entry for entries, weak in attacks() if weak for entry in entries} == set(ENTRIES)


def run(*results: str) -> Run:
    outcomes = [Outcome(7, "S7", "file.py", f"test {n}", result, f"<{result}>") for n, result in enumerate(results)]
    return Run("/bin/x", "x 1", "Linux", outcomes)


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ((PASS, PASS), (PASS, "held (2)")),
        ((PASS, SKIP), (PASS, "held (1, 1 cannot run here)")),
        ((PASS, FAIL, FAIL), (FAIL, "broken (2, 1 held)")),
        ((SKIP,), (SKIP, "cannot run here (1)")),
        ((), (SKIP, "cannot run here (0)")),
    ],
)
def test_verdicts(results: tuple[str, ...], words: tuple[str, str]) -> None:
    """One success is enough; what could not be run says nothing of what could."""
    assert verdict(run(*results), "S7") == words


def test_page() -> None:
    made = run(PASS, FAIL)
    assert reason(made, "S7") == "<fail>"
    text = page.written([made], "Attacks", words=WORDS, what="attack", overview=lambda runs: overview(runs, ["S7"]))
    assert "broken (1, 1 held)" in text
    assert "&lt;fail&gt;" in text
    assert "<fail>" not in text


def test_broken_if() -> None:
    for nothing in (False, "", [], set(), None, 0):
        broken_if(nothing, "x")
    with pytest.raises(BreakIn, match=r"^x: \['a'\]$"):
        broken_if(["a"], "x")


def test_last_line() -> None:
    assert last_line("") == "no message"
    assert last_line('a\n{"msg": "b", "level": "error"}\n\n') == "b"
    assert last_line("a\nb: c\n") == "b: c"
