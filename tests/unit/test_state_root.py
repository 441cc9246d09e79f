"""Names of containers, and which directories may hold their state."""

import os
import posix
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunc import state_root
from pyrunc.errors import PyruncError

GOOD = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-", min_size=1, max_size=1024)


def refusal(id: str) -> str:
    with pytest.raises(PyruncError) as caught:
        state_root.validate_id(id)
    return caught.value.reason


@given(GOOD.filter(lambda id: not id.startswith(".")))
def test_runcs_ids_are_accepted(id: str) -> None:
    state_root.validate_id(id)


@given(st.text())
def test_no_other_id_is_accepted_and_none_leaves_the_root(id: str) -> None:
    refused = None
    try:
        state_root.validate_id(id)
    except PyruncError as error:
        refused = error
    if refused is None:
        assert id.isascii()
        assert os.path.normpath(f"/root/{id}") == f"/root/{id}" != "/root"
        assert "/" not in id
    else:
        assert "invalid container ID format" in refused.reason or not id
        assert refused.reason.isprintable()


@given(GOOD, st.characters(exclude_characters="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-"))
def test_one_wrong_character_is_enough(id: str, wrong: str) -> None:
    for place in (0, len(id) // 2, len(id)):
        assert "invalid container ID format" in refusal(id[:place] + wrong + id[place:])


@pytest.mark.parametrize("id", [".", "..", ".x", "...", "a/b", "../x", "/", "a\0b", "a\n", " a", "ä", "٣", "x" * 1025])
def test_wrong_ids(id: str) -> None:
    assert refusal(id) == f"invalid container ID format: {id!r}"


def test_the_empty_id() -> None:
    assert refusal("") == "container id cannot be empty"


# The default root


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the module believe that it runs as user 1000."""
    monkeypatch.setattr(posix, "geteuid", lambda: 1000)


@pytest.mark.root
def test_roots_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert state_root.default_root() == "/run/pyrunc"
    # A root shell of a user's login has the user's XDG_RUNTIME_DIR still.
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert state_root.default_root() == "/run/pyrunc"


@pytest.mark.root
@pytest.mark.parametrize(("name", "expected"), [("me", "/x/pyrunc"), ("root", "/run/pyrunc")])
def test_root_in_a_user_namespace(monkeypatch: pytest.MonkeyPatch, name: str, expected: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/x")
    monkeypatch.setenv("USER", name)
    monkeypatch.setattr(state_root, "in_user_namespace", lambda: True)
    assert state_root.default_root() == expected


@pytest.mark.usefixtures("user")
def test_a_users_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert state_root.default_root() == "/run/user/1000/pyrunc"


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize(("value", "words"), [("", "is not set"), ("run/user", "is not an absolute path")])
def test_a_user_without_a_place(monkeypatch: pytest.MonkeyPatch, value: str, words: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    with pytest.raises(PyruncError, match=words) as caught:
        state_root.default_root()
    assert "--root" in caught.value.hint


# Opening it


def opened(root: object, *, make: bool = True) -> None:
    os.close(state_root.open_root(str(root), make=make))


def test_a_missing_root_is_made_with_its_parents(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        opened(tmp_path / "a/b/root")
    finally:
        os.umask(before)
    expected = 0o711 if os.geteuid() == 0 and not state_root.in_user_namespace() else 0o1700
    assert (tmp_path / "a/b/root").stat().st_mode & 0o7777 == expected


def test_the_mode_of_an_existing_root_stays(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(mode=0o750)
    opened(f"{tmp_path}/root//")
    assert (tmp_path / "root").stat().st_mode & 0o7777 == 0o750


def test_a_missing_root_is_not_made_for_a_reader(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "root", make=False)
    assert state_root.container_ids(f"{tmp_path}/root") == []
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_root_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root").chmod(mode)
    with pytest.raises(PyruncError, match="can be written by others") as caught:
        opened(tmp_path / "root")
    assert caught.value.hint.startswith("chmod go-w")


@pytest.mark.root
def test_a_root_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    os.chown(tmp_path / "root", 1234, 0)
    with pytest.raises(PyruncError, match="belongs to user 1234, not to 0"):
        opened(tmp_path / "root")


@pytest.mark.root
def test_a_link_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "root").symlink_to(tmp_path / "real")
    opened(tmp_path / "root")
    opened(f"{tmp_path}/root/")
    os.chown(tmp_path / "root", 1234, 0, follow_symlinks=False)
    for root in (f"{tmp_path}/root", f"{tmp_path}/root/"):
        with pytest.raises(PyruncError, match="is a symbolic link of user 1234"):
            opened(root)


def test_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to(tmp_path / "missing")
    with pytest.raises(PyruncError, match="no such file or directory"):
        opened(tmp_path / "root")


def test_a_file_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    for root in (tmp_path / "root", tmp_path / "root/below"):
        with pytest.raises(PyruncError, match=f"open the state root {root}.*: not a directory"):
            opened(root)


def test_the_list_of_ids(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden", "no id"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("a")
    assert state_root.container_ids(str(tmp_path)) == ["a", "b"]
