"""Resolving and making paths in a root that somebody else may write to."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyseccomp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.paths import make_directory, open_in_root, open_or_make_directory, open_or_make_file
from tests.support.swapper import build_swapper, swapping

pytestmark = pytest.mark.root


@pytest.fixture
def root(folder: Path) -> Iterator[int]:
    """A descriptor of folder/root, with the canary folder/canary beside it."""
    (folder / "root").mkdir()
    (folder / "canary").mkdir()
    fd = os.open(folder / "root", os.O_PATH)
    yield fd
    os.close(fd)
    assert list((folder / "canary").iterdir()) == []


def where(fd: int) -> str:
    """The path that a descriptor has now."""
    path = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    return path


def test_makes_what_is_missing(root: int, folder: Path) -> None:
    assert where(make_directory(root, "/a//b/./c")) == f"{folder}/root/a/b/c"
    assert stat.S_IMODE(os.stat(folder / "root/a/b").st_mode) == 0o755
    fd, made = open_or_make_directory(root, "/a/b/c")
    assert (where(fd), made) == (f"{folder}/root/a/b/c", False)
    fd, made = open_or_make_directory(root, "a/d", 0o700)
    assert (where(fd), made) == (f"{folder}/root/a/d", True)
    assert stat.S_IMODE(os.stat(folder / "root/a/d").st_mode) == 0o700
    assert where(open_or_make_file(root, "/f/g/h")) == f"{folder}/root/f/g/h"
    assert stat.S_ISREG(os.stat(folder / "root/f/g/h").st_mode)
    os.close(open_or_make_file(root, "/f/g"))  # whatever it is
    assert where(make_directory(root, "/")) == f"{folder}/root"


@pytest.mark.parametrize(
    ("link", "path", "result"),
    [
        ("../../canary", "/link/x", "/canary/x"),  # ".." ends at the root
        ("/run", "/link/x/y", "/run/x/y"),  # leads nowhere yet: made where it points
        ("run/deep", "/link", "/run/deep"),
        ("/proc/self/fd", "/link/x", "/proc/self/fd/x"),
    ],
)
def test_links_stay_in_the_root(root: int, folder: Path, link: str, path: str, result: str) -> None:
    os.symlink(link, folder / "root/link")
    assert where(make_directory(root, path)) == f"{folder}/root{result}"
    assert where(open_or_make_file(root, path + "/file")) == f"{folder}/root{result}/file"


def test_dangling_link_to_a_file(root: int, folder: Path) -> None:
    (folder / "root/etc").mkdir()
    os.symlink("../run/resolve/stub.conf", folder / "root/etc/resolv.conf")
    assert where(open_or_make_file(root, "/etc/resolv.conf")) == f"{folder}/root/run/resolve/stub.conf"


@pytest.mark.parametrize("make", [make_directory, open_or_make_file], ids=["directory", "file"])
def test_loops_end(root: int, folder: Path, make: Callable[[int, str], int]) -> None:
    os.symlink("b", folder / "root/a")
    os.symlink("a", folder / "root/b")
    os.symlink("self/x", folder / "root/self")
    for path in ("/a", "/b/x", "/self", "/self/y"):
        with pytest.raises(SystemCallError) as caught:
            make(root, path)
        assert caught.value.errno in (40, 2)


def test_a_file_in_the_way(root: int, folder: Path) -> None:
    (folder / "root/f").write_text("")
    for path in ("/f", "/f/x", "/f/x/y"):
        with pytest.raises(SystemCallError) as caught:
            make_directory(root, path)
        assert str(caught.value).endswith("not a directory")


def test_parents_of_what_is_missing(root: int) -> None:
    with pytest.raises(SystemCallError) as caught:
        make_directory(root, "/missing/../x")
    assert caught.value.errno == 2


@pytest.mark.parametrize("target", ["real", "/real", "../root/real", "nowhere", "link"])
def test_strict_follows_no_link(root: int, folder: Path, target: str) -> None:
    (folder / "root/real").mkdir()
    os.symlink(target, folder / "root/link")
    for path in ("/link", "/link/x"):
        with pytest.raises(SystemCallError):
            make_directory(root, path, strict=True)
    assert where(make_directory(root, "/real/x", strict=True)) == f"{folder}/root/real/x"


def test_magic_links_lead_nowhere(root: int) -> None:
    proc = os.open("/proc/self", os.O_PATH)
    try:
        for path in ("/cwd", "/exe", f"/fd/{root}", "/root/etc"):
            with pytest.raises(SystemCallError) as caught:
                open_in_root(proc, path)
            assert caught.value.errno == 40
    finally:
        os.close(proc)


def test_no_descriptor_is_left(root: int, folder: Path) -> None:
    (folder / "root/f").write_text("")
    os.symlink("a", folder / "root/a")
    before = os.listdir("/proc/self/fd")
    for path in ("/f/x", "/a", "/m/../x"):
        for make in (make_directory, open_or_make_file):
            with pytest.raises(SystemCallError):
                make(root, path)
    assert os.listdir("/proc/self/fd") == before


def test_racing_renames_make_nothing_outside(root: int, folder: Path, session_folder: Path) -> None:
    """CVE-2024-45310: the parent of what is to be made turns into a link to the outside, and back, all the time."""
    volume = folder / "root/vol"
    (volume / "a").mkdir(parents=True)
    os.symlink("../../canary", volume / "link")
    (folder / "root/canary").mkdir()
    made = 0
    begun = time.monotonic()
    with swapping(build_swapper(session_folder), volume / "a", volume / "link"):
        # For a second; on a machine that is slow or has one processor for both, longer.
        while made <= 50 or time.monotonic() < begun + 1:
            assert time.monotonic() < begun + 60, f"only {made} were made"
            try:
                os.close(make_directory(root, f"/vol/a/{made}/x"))
                os.close(open_or_make_file(root, f"/vol/a/{made}/y/f"))
                made += 1
            except SystemCallError as error:
                assert error.errno in (2, 11, 20, 40)


@pytest.mark.parametrize("errno", [1, 38], ids=["EPERM", "ENOSYS"])
def test_an_outer_filter_that_refuses_openat2(root: int, errno: int) -> None:
    """There is no weaker way to resolve a path: it is an error that says what is missing."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            refuse = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
            refuse.add_rule(pyseccomp.ERRNO(errno), "openat2")
            refuse.load()
            try:
                make_directory(root, "/x")
            except PyruncError as error:
                os.write(write, f"{error.reason}: {error.hint}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    reason = {1: "operation not permitted", 38: "function not implemented"}[errno]
    assert text.startswith(f"openat2 x: {reason}: openat2(2) is needed: Linux 5.14 or later")


NAMES = st.sampled_from(["a", "b", "c"])
PARTS = st.sampled_from(["a", "b", "c", "..", "."])
TARGETS = st.builds(
    lambda absolute, parts: ("/" if absolute else "") + "/".join(parts),
    st.booleans(),
    st.lists(PARTS, min_size=1, max_size=4),
)
TREES = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), st.none() | TARGETS), max_size=12)
PATHS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)


def grow(top: Path, tree: list[tuple[list[str], str | None]]) -> None:
    """Makes directories (None) and links below top, leaving out what is in the way of earlier ones."""
    for parts, target in tree:
        path = top
        for part in parts[:-1]:
            path /= part
            if not os.path.lexists(path):
                path.mkdir()
            if path.is_symlink():
                break
        else:
            path /= parts[-1]
            if not os.path.lexists(path):
                if target is None:
                    path.mkdir()
                else:
                    path.symlink_to(target)


def in_chroot(top: Path, path: str) -> tuple[int, int] | int:
    """What the path is to a process whose root is top: (device, inode), or the errno."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chroot(top)
            os.chdir("/")
            try:
                status = os.stat(path)
                answer = f"{status.st_dev} {status.st_ino}"
            except OSError as error:
                answer = str(error.errno)
            os.write(write, answer.encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        numbers = [int(word) for word in pipe.read().split()]
    os.waitpid(child, 0)
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def here(root: int, path: str) -> tuple[int, int] | int:
    """The same by open_in_root()."""
    try:
        fd = open_in_root(root, path)
    except SystemCallError as error:
        return error.errno or 0
    status = os.stat(fd)
    os.close(fd)
    return status.st_dev, status.st_ino


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES, path=PATHS)
def test_trees_of_links_against_chroot(folder: Path, tree: list[tuple[list[str], str | None]], path: str) -> None:
    """CVE-2019-18837: what the kernel finds in a chroot is what is found here; what is made is found there."""
    number = len(list(folder.iterdir()))
    top = folder / str(number) / "top"
    top.mkdir(parents=True)
    grow(top, tree)
    root = os.open(top, os.O_PATH)
    try:
        assert here(root, path) == in_chroot(top, path)
        try:
            fd = make_directory(root, path)
        except SystemCallError:
            pass
        else:
            status = os.stat(fd)
            os.close(fd)
            assert in_chroot(top, path) == (status.st_dev, status.st_ino)
        assert os.listdir(folder / str(number)) == ["top"], "something was made outside the root"
    finally:
        os.close(root)


def test_a_chain_of_links(root: int, folder: Path) -> None:
    (folder / "root/0").mkdir()
    for number in range(1, 42):
        os.symlink(str(number - 1), folder / "root" / str(number))
    assert here(root, "/40") == in_chroot(folder / "root", "/40")
    assert here(root, "/41") == in_chroot(folder / "root", "/41") == 40
