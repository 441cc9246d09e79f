"""The places that engines get others mounted on: what was not there is not there afterwards."""

from pathlib import Path

import pytest

from conformance import enclosure


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one of two places and one of two files."""
    (tmp_path / "run").mkdir()
    (tmp_path / "known").write_text("text\n")
    monkeypatch.setattr(enclosure, "PLACES", (str(tmp_path / "run"), str(tmp_path / "etc/below/place")))
    monkeypatch.setattr(enclosure, "FILES", (str(tmp_path / "known"), str(tmp_path / "new")))
    return tmp_path


def names(folder: Path) -> list[str]:
    """All that is in the folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_all_is_as_it_was(here: Path) -> None:
    before = names(here)
    with enclosure.places():
        assert names(here) == ["etc", "etc/below", "etc/below/place", "known", "new", "run"]
    assert names(here) == before
    assert (here / "known").read_text() == "text\n"


def test_also_after_an_error(here: Path) -> None:
    before = names(here)
    with pytest.raises(ValueError, match="wrong"), enclosure.places():
        raise ValueError("wrong")
    assert names(here) == before


def test_what_others_put_there_stays(here: Path) -> None:
    with enclosure.places():
        (here / "etc/below/theirs").touch()
        (here / "new").write_text("theirs\n")
    assert names(here) == ["etc", "etc/below", "etc/below/theirs", "known", "new", "run"]
