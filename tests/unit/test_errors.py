"""The words of an error: what is known is said once."""

import pytest

from pyrunc.errors import PyruncError, SystemCallError, from_os_error


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("", "/a/b: no such file or directory"),
        ("do something", "do something: /a/b: no such file or directory"),
        ("read /a/b", "read /a/b: no such file or directory"),
        ("read /x/a/b", "read /x/a/b: /a/b: no such file or directory"),
        ("read /a/b now", "read /a/b now: /a/b: no such file or directory"),
    ],
)
def test_the_path_is_named_once(operation: str, expected: str) -> None:
    error = FileNotFoundError(2, "No such file or directory", "/a/b")
    made = from_os_error(error, operation=operation, place="root.path")
    assert str(made) == f"root.path: {expected}"
    assert made.errno == 2


def test_a_name_below_an_open_directory_is_named_once() -> None:
    error = FileNotFoundError(2, "No such file or directory", "b")
    assert str(from_os_error(error, operation="read /a/b")) == "read /a/b: no such file or directory"
    assert str(from_os_error(error, operation="read /a/bb")) == "read /a/bb: b: no such file or directory"


def test_a_system_call_keeps_its_name() -> None:
    error = SystemCallError(1, "mount", "/a", "tmpfs")
    assert str(from_os_error(error, operation="mount /a")) == "mount /a: mount /a: operation not permitted (tmpfs)"


def test_outer_layers_fill_in_what_is_unknown() -> None:
    error = PyruncError("cause", operation="inner")
    assert str(error.at("outer", "place")) == "place: inner: cause"
