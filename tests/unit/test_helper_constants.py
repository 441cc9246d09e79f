"""message.h, pyrunc/helper.py and docs/helper-protocol.md say the same."""

import re
from typing import Any

import pytest

from pyrunc import helper
from tests.support import protocol

CONSTANTS = protocol.constants()
PAGE = (protocol.CHECKOUT / "docs" / "helper-protocol.md").read_text()


def python_name(name: str) -> str:
    """The name in helper.py of a constant of message.h."""
    return name.removeprefix("MESSAGE_")


def test_the_header_is_read() -> None:
    """The tests below are about something."""
    assert CONSTANTS["MESSAGE_MAX_SIZE"] == 64 << 20
    assert CONSTANTS["TAG_CONSOLE_NAME"] == 133
    assert len([name for name in CONSTANTS if name.startswith("TAG_")]) > 40


@pytest.mark.parametrize("name", CONSTANTS)
def test_python_has_the_same_number(name: str) -> None:
    """Each constant of the header, in helper.py."""
    assert getattr(helper, python_name(name)) == CONSTANTS[name]


def test_python_has_no_more() -> None:
    """No number in helper.py that the helper does not know."""
    known = {python_name(name) for name in CONSTANTS} | {"HEADER_SIZE", "TYPE_CHECKING"}
    values: dict[str, Any] = vars(helper)
    assert {name for name, value in values.items() if name.isupper() and isinstance(value, int)} <= known | {
        "ECONNRESET",
        "EPIPE",
        "POLLIN",
    }


def test_numbers_are_used_once() -> None:
    """No two message types, and no two tags, share a number."""
    groups: dict[str, list[int]] = {}
    for name, value in CONSTANTS.items():
        if not name.startswith("MESSAGE_MA") and name != "MESSAGE_VERSION":
            groups.setdefault(name.split("_")[0], []).append(value)
    assert set(groups) == {"MESSAGE", "TAG", "FD", "WAIT"}
    assert all(len(values) == len(set(values)) for values in groups.values())


@pytest.mark.parametrize("name", [name for name in CONSTANTS if name.split("_")[0] in ("TAG", "FD", "WAIT")])
def test_the_page_has_it(name: str) -> None:
    """A row of the page begins with the number and the name of each tag, kind of descriptor and wait."""
    assert re.search(rf"^\| {CONSTANTS[name]} \| `{name.removeprefix('TAG_')}` \|", PAGE, flags=re.M)


@pytest.mark.parametrize("name", [name for name in CONSTANTS if CONSTANTS[name] < 100 and name.startswith("MESSAGE_")])
def test_the_page_has_the_message(name: str) -> None:
    """The same for the types of messages; the version is in the page's text."""
    if name == "MESSAGE_VERSION":
        assert f"version {CONSTANTS[name]}" in PAGE
    else:
        assert re.search(rf"^\| {CONSTANTS[name]} \| `{python_name(name)}` \|", PAGE, flags=re.M)
