"""filter_for: flags, and a cache that is used only when it can be trusted and never needed."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunc.errors import ConfigError
from pyrunc.security import compile, seccomp
from pyrunc.security.seccomp import (
    SECCOMP_FILTER_FLAG_LOG,
    SECCOMP_FILTER_FLAG_NEW_LISTENER,
    SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    filter_for,
    pack_entry,
    unpack_entry,
)

ALLOW_ALL = {"defaultAction": "SCMP_ACT_ALLOW"}
PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getppid", "foo"], "action": "SCMP_ACT_ERRNO"}]}
NOTIFYING = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getppid"], "action": "SCMP_ACT_NOTIFY"}]}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / ".seccomp"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> "list[object]":
    """What has been compiled so far, in order."""
    done: list[object] = []
    real = compile.compile_profile

    def counting(profile: "dict[str, Any]") -> compile.Compiled:
        done.append(profile)
        return real(profile)

    monkeypatch.setattr(compile, "compile_profile", counting)
    return done


def the_entry(cache: Path) -> Path:
    (entry,) = cache.iterdir()
    return entry


@pytest.mark.parametrize(
    ("profile", "flags", "expected"),
    [
        (ALLOW_ALL, None, SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        (ALLOW_ALL, [], 0),
        (ALLOW_ALL, ["TSYNC"], 0),
        (ALLOW_ALL, ["LOG", "SPEC_ALLOW"], SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        (NOTIFYING, None, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        (
            NOTIFYING,
            ["WAIT_KILLABLE_RECV"],
            SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
        ),
    ],
)
def test_flags(profile: "dict[str, Any]", flags: "list[str] | None", expected: int) -> None:
    if flags is not None:
        profile = {**profile, "flags": [f"SECCOMP_FILTER_FLAG_{flag}" for flag in flags]}
    loaded = filter_for(profile, None)
    assert loaded.flags == expected
    assert loaded.warnings == []


def test_wait_killable_without_a_listener_is_dropped_with_a_warning() -> None:
    loaded = filter_for({**ALLOW_ALL, "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}, None)
    assert loaded.flags == 0
    assert "WAIT_KILLABLE_RECV" in loaded.warnings[0]


def test_unknown_flags_are_refused() -> None:
    with pytest.raises(ConfigError, match=r'linux.seccomp.flags\[1\]: unknown seccomp flag "FOO"'):
        filter_for({**ALLOW_ALL, "flags": ["SECCOMP_FILTER_FLAG_LOG", "FOO"]}, None)


def test_the_second_time_nothing_is_compiled(cache: Path, compilations: "list[object]") -> None:
    first = filter_for(PROFILE, str(cache))
    second = filter_for(PROFILE, str(cache))
    assert len(compilations) == 1
    assert (first.program, first.flags, first.warnings) == (second.program, second.flags, second.warnings)
    assert "foo" in second.warnings[0]
    assert cache.stat().st_mode & 0o777 == 0o700
    assert the_entry(cache).stat().st_mode & 0o777 == 0o600


def test_what_does_not_matter_is_not_part_of_the_key(cache: Path, compilations: "list[object]") -> None:
    filter_for(PROFILE, str(cache))
    filter_for({**PROFILE, "flags": [], "listenerPath": "/x", "listenerMetadata": "y"}, str(cache))
    assert len(compilations) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"defaultAction": "SCMP_ACT_LOG"},
        {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 2},
        {"syscalls": [{"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}]},
        {"architectures": []},
    ],
)
def test_what_matters_is(other: "dict[str, Any]", cache: Path, compilations: "list[object]") -> None:
    filter_for(PROFILE, str(cache))
    filter_for({**PROFILE, **other}, str(cache))
    assert len(compilations) == 2
    assert len(list(cache.iterdir())) == 2


def test_two_profiles_of_one_name_do_not_meet(
    cache: Path, compilations: "list[object]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seccomp, "source_hash", lambda key, data: b"samehash")
    a, b = filter_for(PROFILE, str(cache)), filter_for(NOTIFYING, str(cache))
    assert a.program != b.program
    assert filter_for(PROFILE, str(cache)).program == a.program
    assert len(compilations) == 3


def truncate(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:-1])


def lengthen(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes() + b"\0")


def flip(entry: Path) -> None:
    data = bytearray(entry.read_bytes())
    data[-20] ^= 1
    entry.write_bytes(data)


def blank(entry: Path) -> None:
    entry.write_bytes(b"")


def open_to_all(entry: Path) -> None:
    entry.chmod(0o666)


def link(entry: Path) -> None:
    entry.rename(entry.parent.parent / "elsewhere")
    entry.symlink_to(entry.parent.parent / "elsewhere")


def pipe(entry: Path) -> None:
    entry.unlink()
    os.mkfifo(entry, 0o600)


def give_away(entry: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(entry, 65534, 65534)


@pytest.mark.parametrize("spoil", [truncate, lengthen, flip, blank, open_to_all, link, pipe, give_away])
def test_a_spoilt_or_foreign_entry_is_compiled_anew_and_replaced(
    spoil: Any, cache: Path, compilations: "list[object]"
) -> None:
    good = filter_for(PROFILE, str(cache)).program
    spoil(the_entry(cache))
    assert filter_for(PROFILE, str(cache)).program == good
    assert len(compilations) == 2
    assert filter_for(PROFILE, str(cache)).program == good
    assert len(compilations) == 2


def test_a_directory_in_the_entrys_place_is_lived_with(cache: Path, compilations: "list[object]") -> None:
    good = filter_for(PROFILE, str(cache)).program
    the_entry(cache).unlink()
    os.mkdir(cache / seccomp.source_hash(0, seccomp._key(PROFILE)).hex())
    assert filter_for(PROFILE, str(cache)).program == good
    assert len(compilations) == 2


def directory_open_to_all(cache: Path) -> None:
    cache.chmod(0o777)


def directory_given_away(cache: Path) -> None:
    give_away(cache)


def directory_behind_a_link(cache: Path) -> None:
    real = cache.parent / "real"
    cache.rename(real)
    cache.symlink_to(real)


@pytest.mark.parametrize("spoil", [directory_open_to_all, directory_given_away, directory_behind_a_link])
def test_a_directory_that_others_could_write_to_is_not_used(
    spoil: Any, cache: Path, compilations: "list[object]"
) -> None:
    good = filter_for(PROFILE, str(cache)).program
    the_entry(cache).unlink()
    spoil(cache)
    for count in (2, 3):
        assert filter_for(PROFILE, str(cache)).program == good
        assert len(compilations) == count
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("where", ["missing/parent", "file", "/proc/self/fdinfo/x"])
def test_a_cache_that_cannot_be_made_is_done_without(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert filter_for(PROFILE, str(tmp_path / where)).program == filter_for(PROFILE, None).program


def test_another_libseccomp_makes_its_entries_stale(
    cache: Path, compilations: "list[object]", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = tmp_path / "libseccomp.so.2"
    library.write_bytes(b"one")
    monkeypatch.setattr(compile, "library_path", lambda: str(library))
    for count in (1, 1):
        filter_for(PROFILE, str(cache))
        assert len(compilations) == count
    library.write_bytes(b"another")
    for count in (2, 2):
        filter_for(PROFILE, str(cache))
        assert len(compilations) == count
    library.unlink()
    filter_for(PROFILE, str(cache))
    assert len(compilations) == 3


def test_the_oldest_entries_make_room(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "_MAX_ENTRIES", 3)
    for number in range(6):
        filter_for({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": number}, str(cache))
        for entry in cache.iterdir():
            os.utime(entry, ns=(0, entry.stat().st_mtime_ns - 10**9))
    assert len(list(cache.iterdir())) == 3
    names = {entry.name for entry in cache.iterdir()}
    filter_for({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5}, str(cache))
    assert {entry.name for entry in cache.iterdir()} == names


def test_many_at_once(cache: Path) -> None:
    good = filter_for(PROFILE, None).program
    programs: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: programs.append(filter_for(PROFILE, str(cache)).program)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert programs == [good] * 8
    assert not [entry for entry in cache.iterdir() if entry.name.startswith(".")]


@given(st.tuples(st.binary(), st.binary(), st.integers(1, 50), st.binary()))
def test_entries_come_back_as_they_were(parts: "tuple[bytes, bytes, int, bytes]") -> None:
    key, stamp, length, notes = parts
    whole = (key, stamp, b"\6" * 8 * length, notes)
    assert unpack_entry(pack_entry(whole)) == list(whole)


@given(st.binary(max_size=200))
def test_anything_else_is_no_entry(data: bytes) -> None:
    assert unpack_entry(data) is None
    sound = pack_entry((b"key", b"stamp", b"\6" * 16, b""))
    assert unpack_entry(data + sound) is None or not data
    assert unpack_entry(sound + data) is None or not data


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    entry = bytearray(pack_entry((b"key", b"stamp", b"\6" * 16, b"notes")))
    entry[place % len(entry)] ^= change
    assert unpack_entry(bytes(entry)) is None
