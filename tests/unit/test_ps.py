"""`ps`: JSON, and what is picked from the output of the host's ps."""

from collections.abc import Iterator

import pytest

from pyrunc import cli
from pyrunc.errors import PyruncError
from tests.support.stand_in import StandIn, in_place_of_container

Captured = pytest.CaptureFixture[str]

OUTPUT = """\
UID        PID  PPID CMD
root         1     0 init
root        12     1 sh -c  12
root       120    12 PID 12
root        21    12 sleep 120
"""


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    with in_place_of_container(monkeypatch) as stand_in:
        yield stand_in


def select(output: str, pids: list[int]) -> str:
    from pyrunc.commands.ps import select as select_lines

    return select_lines(output, pids)


@pytest.mark.parametrize(
    ("pids", "lines"), [([], []), ([12], [2]), ([120, 21, 999], [3, 4]), ([1, 12, 120, 21], [1, 2, 3, 4])]
)
def test_lines_are_picked_by_the_pid_column_and_kept_as_they_are(pids: list[int], lines: list[int]) -> None:
    all_lines = OUTPUT.splitlines(keepends=True)
    assert select(OUTPUT, pids) == "".join([all_lines[0], *(all_lines[number] for number in lines)])


@pytest.mark.parametrize("output", ["", "\n", "COMMAND\nsh\n", "PIDS PPID\n1 2\n"])
def test_without_a_pid_column(output: str) -> None:
    with pytest.raises(PyruncError, match="couldn't find PID field in ps output"):
        select(output, [1])


@pytest.mark.parametrize("line", ["a b 12", "12", "x -1", "x \u0661"])
def test_a_pid_column_that_holds_something_else(line: str) -> None:
    with pytest.raises(PyruncError, match="unable to parse pid"):
        select(f"CMD PID\n{line}\n", [12])


@pytest.mark.parametrize(("pids", "printed"), [([7, 9], "[7,9]\n"), ([], "null\n")])
@pytest.mark.parametrize("argv", ["ps --format json c1", "ps -f=json c1", "ps -f json c1 -o pid"])
def test_json(container: type[StandIn], pids: list[int], printed: str, argv: str, capfd: Captured) -> None:
    container.answers["processes"] = pids
    assert cli.main(argv.split()) == 0
    assert capfd.readouterr() == (printed, "")
