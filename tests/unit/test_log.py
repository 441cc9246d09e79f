"""What lands on stderr and in the log, in the shapes that engines read."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunc import log
from pyrunc.errors import PyruncError

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    log.configure(None, "text", False)
    log._configured = False


def test_json_log_is_one_object_of_runcs_shape(tmp_path: Path, capfd: Captured) -> None:
    path = tmp_path / "log.json"
    log.configure(str(path), "json", False)
    log.warn("only a warning")
    log.debug("a step")
    log.error('exec: "/x": no such file\nsecond', ["hint: do this"])
    entry = json.loads(path.read_text())
    assert list(entry) == ["level", "msg", "time"]
    assert entry["level"] == "error"
    assert entry["msg"] == 'exec: "/x": no such file\nsecond'
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry["time"])
    assert path.read_text().count("\n") == 1
    assert capfd.readouterr().err == 'exec: "/x": no such file\nsecond\nhint: do this\n'


def test_json_log_under_debug_has_every_line(tmp_path: Path, capfd: Captured) -> None:
    path = tmp_path / "log.json"
    log.configure(str(path), "json", True)
    log.debug("a step")
    log.warn("careful")
    log.error("broken", ["hint: do this"])
    levels = [json.loads(line)["level"] for line in path.read_text().splitlines()]
    assert levels == ["debug", "warning", "error", "debug"]
    assert capfd.readouterr().err == "broken\nhint: do this\n"


def test_text_log(tmp_path: Path, capfd: Captured) -> None:
    path = tmp_path / "log"
    log.configure(str(path), "text", False)
    log.warn("careful")
    log.error('a "quoted" thing')
    first, second = path.read_text().splitlines()
    assert re.fullmatch(r'time="[^"]+" level=warning msg="careful"', first)
    assert re.fullmatch(r'time="[^"]+" level=error msg="a \\"quoted\\" thing"', second)
    assert capfd.readouterr().err == 'a "quoted" thing\n'


def test_the_log_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    log.configure(str(path), "json", False)
    log.error("after")
    assert path.read_text().startswith("before\n{")


@pytest.mark.parametrize("path", [None, "", "/dev/stderr"])
def test_without_a_log_stderr_is_for_people(path: str | None, capfd: Captured) -> None:
    log.configure(path, "text", False)
    log.warn("careful")
    log.error("broken", ["hint: mend it"])
    assert capfd.readouterr().err == "warning: careful\nbroken\nhint: mend it\n"


def test_json_on_stderr(capfd: Captured) -> None:
    log.configure(None, "json", False)
    log.error("broken", ["hint: mend it"])
    assert json.loads(capfd.readouterr().err)["msg"] == "broken"


@pytest.mark.parametrize("text", ["plain", 'q"\\', "a\nb\tc", "\x00\x1b[31m\x7f", "\u00e9\U0001f600", "\u2028"])
def test_quote_is_json(text: str) -> None:
    assert json.loads(log.quote(text)) == text


def test_quote_has_no_half_characters() -> None:
    assert json.loads(log.quote(os.fsdecode(b"/a\xff"))) == "/a\ufffd"


def test_names_cannot_write_on_the_terminal(capfd: Captured) -> None:
    log.configure(None, "text", False)
    log.error("/rootfs/\x1b[2J\x9b1m\x07\r: no such file", ["two\tlines"])
    assert capfd.readouterr().err == "/rootfs/\\x1b[2J\\x9b1m\\x07\\x0d: no such file\ntwo\tlines\n"


def test_names_that_are_no_text_are_printed_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    log.configure(None, "text", False)
    log.error(os.fsdecode(b"/a\xff: is a directory"))
    assert capfdbinary.readouterr().err == b"/a\xff: is a directory\n"


def test_a_full_disk_does_not_hide_the_error(capfd: Captured) -> None:
    log.configure("/dev/full", "json", False)
    log.error("broken")
    assert capfd.readouterr().err == "broken\nthe log could not be written: no space left on device\n"


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(PyruncError) as caught:
        log.configure(str(tmp_path / "absent" / "log"), "text", False)
    assert str(caught.value) == f"open {tmp_path}/absent/log: no such file or directory"
    with pytest.raises(PyruncError, match=r"open a.b: (open: )?embedded null"):
        log.configure("a\0b", "text", False)
    with pytest.raises(PyruncError, match="invalid log-format: xml"):
        log.configure(None, "xml", False)
    with pytest.raises(PyruncError, match="invalid log-level: loud"):
        log.configure(None, "text", False, "loud")


def test_levels(tmp_path: Path, capfd: Captured) -> None:
    """Warnings can be left out, errors cannot; debug is as --debug."""
    for level, debug in (("error", False), ("warning", False), ("debug", True)):
        log.configure(None, "text", False, level)
        assert log.is_debug() == debug
        log.warn("a warning")
        log.error("an error")
        expected = [] if level == "error" else ["a warning"]
        said = capfd.readouterr().err.splitlines()
        assert [line.removeprefix("warning: ") for line in said] == [*expected, "an error"]
    log.configure(str(tmp_path / "log"), "text", False, "error")
    log.warn("a warning")
    assert (tmp_path / "log").read_text() == ""
    log.configure(None, "text", True, "error")
    assert log.is_debug()


def test_an_importing_program_gets_warnings_through_logging(caplog: pytest.LogCaptureFixture, capfd: Captured) -> None:
    log._configured = False
    log.warn("careful")
    assert caplog.messages == ["careful"]
    assert capfd.readouterr().err == ""


def test_the_log_is_closed_on_exec(tmp_path: Path) -> None:
    log.configure(str(tmp_path / "log"), "text", False)
    assert not os.get_inheritable(log._fd)


def test_the_log_makes_room_for_preserved_descriptors(tmp_path: Path) -> None:
    log.configure(str(tmp_path / "log"), "text", False)
    before = log._fd
    log.stay_above(before)
    assert log._fd == before
    log.stay_above(before + 1)
    assert log._fd > before
    assert not os.get_inheritable(log._fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(before)
    log.error("still written")
    assert "still written" in (tmp_path / "log").read_text()
