"""exec --user and --additional-gids: strict decimal numbers and nothing else."""

import pytest

from pyrunc.errors import PyruncError
from pyrunc.user import MAX_ID, parse_gids, parse_user

BAD_NUMBERS = [
    "",
    " ",
    "root",
    "-1",
    "+1",
    " 7",
    "7 ",
    "7\n",
    "1_000",
    "0x10",
    "1e3",
    "1.0",
    "٣",
    "²",
    "\uff11",  # FULLWIDTH DIGIT ONE
    "4294967295",
    "4294967296",
    "8589934593",
    "00000000001",
    "9" * 5000,
    "1\0",
]


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("0", (0, None)),
        ("0:0", (0, 0)),
        ("1000", (1000, None)),
        ("1000:2000", (1000, 2000)),
        ("007:010", (7, 10)),
        (f"{MAX_ID}:{MAX_ID}", (4294967294, 4294967294)),
    ],
)
def test_good_users(text: str, user: "tuple[int, int | None]") -> None:
    assert parse_user(text) == user


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize("form", ["{}", "{}:0", "0:{}"])
def test_bad_users_are_refused(form: str, number: str) -> None:
    text = form.format(number)
    with pytest.raises(PyruncError) as caught:
        parse_user(text)
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["1:2:3", "1:", ":1", ":", "1,2"])
def test_bad_forms_are_refused(text: str) -> None:
    with pytest.raises(PyruncError):
        parse_user(text)


def test_groups() -> None:
    assert parse_gids([]) == []
    assert parse_gids(["0", "27", str(MAX_ID)]) == [0, 27, MAX_ID]


@pytest.mark.parametrize("number", [*BAD_NUMBERS, "1:2", "1,2"])
def test_bad_groups_are_refused(number: str) -> None:
    with pytest.raises(PyruncError):
        parse_gids(["0", number])
