"""What an ordinary user's configuration may say, and what is made of /etc/subuid and of sysctls."""

from errno import EACCES, ENOSPC, EPERM, EUSERS
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunc import rootless, subids
from pyrunc.errors import PyruncError

ME = 1000
OWN = [{"containerID": 0, "hostID": ME, "size": 1}]
RANGES = [*OWN, {"containerID": 1, "hostID": 100000, "size": 100}]


def config(maps: "list[dict[str, int]]", mounts: "list[dict[str, Any]] | None" = None, **user: Any) -> dict[str, Any]:
    """A configuration with a user namespace."""
    linux = {"namespaces": [{"type": "user"}], "uidMappings": maps, "gidMappings": maps}
    return {"linux": linux, "mounts": mounts or [], "process": {"user": user}}


def tmpfs(*options: str) -> dict[str, Any]:
    return {"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": [*options]}


def pointers(asked: "dict[str, Any]") -> list[str]:
    """Where something is refused."""
    return [pointer for pointer, *_ in rootless.refusals(asked, ME)]


def test_a_user_namespace_is_needed() -> None:
    with pytest.raises(PyruncError) as caught:
        rootless.check({"linux": {"namespaces": [{"type": "pid"}]}}, ME)
    assert str(caught.value) == "linux.namespaces: rootless container requires user namespaces"
    assert "pyrunc spec --rootless" in caught.value.hint
    assert pointers({}) == ["/linux/namespaces"]


def test_a_joined_one_is_left_to_the_kernel() -> None:
    asked = config(OWN, [tmpfs("uid=5")], additionalGids=[1])
    asked["linux"]["namespaces"] = [{"type": "user", "path": "/x"}]
    assert pointers(asked) == []


@pytest.mark.parametrize(
    ("options", "maps", "refused"),
    [
        (["uid=0", "gid=0", "mode=755"], OWN, 0),
        (["uid=1"], OWN, 1),
        (["uid=1", "gid=100"], RANGES, 0),
        (["uid=101", "gid=101"], RANGES, 2),
        (["uid=", "gid=x", "uid", "xuid=5"], OWN, 0),
        (["uid=\u0665"], OWN, 0),
    ],
)
def test_ids_of_mount_options(options: "list[str]", maps: Any, refused: int) -> None:
    """What is no number is left for the file system to refuse."""
    assert pointers(config(maps, [tmpfs(*options)])) == ["/mounts/0/options"] * refused


def test_groups_need_more_than_the_users_own() -> None:
    assert pointers(config(OWN, additionalGids=[0])) == ["/process/user/additionalGids"]
    assert pointers(config(RANGES, additionalGids=[0])) == []
    assert pointers(config(OWN, additionalGids=[])) == []


@pytest.mark.parametrize("extra", [{"options": ["ridmap"]}, {"options": ["idmap"]}, {"uidMappings": OWN}])
def test_no_idmapped_mounts(extra: "dict[str, Any]") -> None:
    made = config(RANGES, [tmpfs(), {**tmpfs(), **extra}])
    assert pointers(made) == ["/mounts/1"]
    for entry in made["linux"]["namespaces"]:
        entry["path"] = "/proc/1/ns/user"
    assert pointers(made) == ["/mounts/1"]


@pytest.mark.parametrize(
    ("maps", "own"),
    [
        ([(0, ME, 1)], True),
        ([(5, ME, 1)], True),
        ([(0, ME, 2)], False),
        ([(0, ME + 1, 1)], False),
        ([(0, ME, 1), (1, 100000, 1)], False),
        ([], False),
    ],
)
def test_what_a_user_may_map_himself(maps: "list[tuple[int, int, int]]", own: bool) -> None:
    assert rootless.is_own(maps, ME) == own


@pytest.mark.parametrize(
    ("errno", "values", "words"),
    [
        (ENOSPC, {"user/max_user_namespaces": 0}, "user.max_user_namespaces is 0"),
        (EUSERS, {}, "32 deep"),
        (EPERM, {"kernel/unprivileged_userns_clone": 0}, "kernel.unprivileged_userns_clone is 0"),
        (
            EACCES,
            {"kernel/unprivileged_userns_clone": 1, "kernel/apparmor_restrict_unprivileged_userns": 1},
            "AppArmor restricts user namespaces",
        ),
        (EPERM, {}, "a chroot"),
    ],
)
def test_why_there_is_no_user_namespace(
    errno: int, values: "dict[str, int]", words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rootless, "number", values.get)
    monkeypatch.setattr(rootless.posix, "geteuid", lambda: ME)
    error = PyruncError("make a user namespace: no", errno=errno)
    rootless.explain(error)
    assert words in error.hint
    for reason, hint in (("make namespaces: no", "user.max_pid_namespaces"), ("join namespace: no", "")):
        error = PyruncError(reason, errno=ENOSPC)
        rootless.explain(error)
        assert hint in error.hint
        assert bool(hint) == bool(error.hint)


def test_a_namespace_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    hints = []
    for uid in (0, ME):
        monkeypatch.setattr(rootless.posix, "geteuid", lambda uid=uid: uid)
        error = PyruncError("join namespace: operation not permitted", errno=EPERM)
        rootless.explain(error)
        hints.append(error.hint)
    joined = "without root only namespaces can be joined that belong to the container's user namespace"
    assert hints == ["", joined]


def test_a_hint_that_is_there_stays() -> None:
    error = PyruncError("x", errno=EPERM, hint="mine")
    rootless.explain(error)
    assert error.hint == "mine"


def test_numbers_of_sysctls() -> None:
    assert (rootless.number("kernel/cap_last_cap") or 0) > 30
    assert rootless.number("kernel/pyrunc_test_none") is None


def test_ranges_of_a_user(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_bytes(b"a:1:2\nme:100000:65536\n1000:300000:5\nme:x:1\nme:7\nme:-1:5\n# me:1:1\nme:9:\xd9\xa5\n\nme:8:9")
    assert subids.ranges_of(str(file), ("me", "1000")) == [(100000, 65536), (300000, 5), (8, 9)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20))), st.integers(0, 50), st.integers(1, 20))
def test_covered(ranges: "list[tuple[int, int]]", first: int, size: int) -> None:
    sets = [set(range(start, start + count)) for start, count in ranges]
    assert subids.covered(first, size, ranges) == any(set(range(first, first + size)) <= one for one in sets)


def test_a_program_that_succeeds_and_one_that_does_not() -> None:
    assert subids.run("/bin/true", ["true"]) is None
    assert subids.run("/bin/false", ["false"]) == "false: exit status 1"
    script = "echo one; echo; echo two >&2; exit 3"
    assert subids.run("/bin/sh", ["sh", "-c", script]) == "one; two"
    assert subids.run("/bin/sh", ["sh", "-c", "kill -9 $$"]) == "sh: exit status 137"


def test_a_program_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subids.helper, "PATIENCE", 0.2)
    assert subids.run("/bin/sleep", ["sleep", "1000"]) == "sleep: has not ended after 0.2 s"


def test_much_output_is_cut() -> None:
    words = subids.run("/bin/sh", ["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; exit 1"])
    assert words == "x" * subids.MAX_WORDS
