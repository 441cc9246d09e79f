"""Paths in a root full of links: what the kernel finds in a chroot, and never anything else.

An input is a JSON document: {"tree": [[path, what]], "paths": [...]}, what being null for a directory, true for a file
and a text for a link.  Of each path is asked what is there, and it is made as a directory and as a file, in two copies
of the tree: here, and by an oracle in a chroot.  Paths that begin with "proc:" are looked up in procfs, for its links.
"""

import json
import os
import shutil
import tempfile
from errno import ELOOP
from pathlib import Path
from random import Random
from typing import Any

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.paths import make_directory, open_in_root, open_or_make_directory, open_or_make_file
from tests.fuzz.oracle import Oracle
from tests.fuzz.target import Target
from tests.support import leaks

NAMES = ("a", "b", "c", "d")
MAGIC = ("cwd", "exe", "root", "fd", "ns", "map_files")
PROC = ("self", "thread-self", "1", "2", "sys", "..", ".", "mounts", "0", "task", "fdinfo", "net", *MAGIC)
MANY_LINKS = 13
"""From here on a look-up may come to too many links, and the next may not: one that the kernel begins again, since
something else on the machine was renamed or mounted, goes on counting, up to three times the links to 40."""
LIMITS = {"tree": 80, "paths": 6, "text": 400}


class PathsTarget(Target):
    """Trees and paths."""

    name = "paths"
    needs_root = True

    def setup(self) -> None:
        """A folder in memory, and the oracle."""
        self.folder = Path(tempfile.mkdtemp(prefix=leaks.prefix(), dir="/dev/shm"))
        self.oracle = Oracle()
        self.proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
        self.proc_device = os.stat("/proc").st_dev
        self.descriptors = len(os.listdir("/proc/self/fd"))

    def close(self) -> None:
        """Removes both."""
        os.close(self.proc)
        self.oracle.close()
        shutil.rmtree(self.folder)

    def seeds(self) -> list[bytes]:
        """Links of every kind; a chain of as many as are followed, and more."""
        tree = [
            ["a", None],
            ["a/b", None],
            ["a/f", True],
            ["l", "a/b"],
            ["m", "/a"],
            ["a/up", "../.."],
            ["n", "nowhere/x"],
        ]
        chain = [["0", None]] + [[str(number + 1), str(number)] for number in range(42)]
        paths = [
            "/l/../f",
            "m/b/new",
            "a/up/a/up/../../x",
            "n/y",
            "a/f/x",
            "/",
            "",
            "a/../../..",
            "proc:self/cwd",
            "proc:self",
        ]
        return [
            json.dumps({"tree": tree, "paths": paths[:5]}).encode(),
            json.dumps({"tree": tree, "paths": paths[5:]}).encode(),
            json.dumps({"tree": [["a", "b"], ["b", "a"], ["s", "s/x"]], "paths": ["a", "b/x", "s", "s/y"]}).encode(),
            json.dumps({"tree": chain, "paths": ["39", "40/x", "41", "42/x"]}).encode(),
            json.dumps(
                {"tree": [["a", "/b/c"], ["b", "d"], ["d", "../e/"]], "paths": ["a/x", "b/../f", "d/."]}
            ).encode(),
        ]

    def mutate(self, data: bytes, random: Random) -> bytes:
        """Another entry, another path, a part exchanged."""
        document = usable(data)
        tree, paths = document["tree"], document["paths"]
        for _ in range(random.choice((1, 2, 4, 8))):
            how = random.randrange(6)
            if how == 0 and tree:
                del tree[random.randrange(len(tree))]
            elif how == 1 and paths:
                paths[random.randrange(len(paths))] = some_path(random)
            elif how == 2 and tree:
                tree[random.randrange(len(tree))][1] = some_path(random)
            elif how == 3:
                paths.append("proc:" + "/".join(random.choice(PROC) for _ in range(random.randrange(1, 6))))
            else:
                what = random.choice((None, None, True, some_path(random), some_path(random)))
                tree.append([some_path(random, up=False), what])
        del paths[: -LIMITS["paths"]]
        return json.dumps(document).encode()

    def check(self, data: bytes) -> str:
        """One tree and its paths."""
        document = usable(data)
        labels = {self.in_procfs(path[5:]) for path in document["paths"] if path.startswith("proc:")}
        here, there = self.folder / "here", self.folder / "there"
        steps = [
            (what, path)
            for what in ("look", "directory", "file")
            for path in document["paths"]
            if not path.startswith("proc:")
        ]
        try:
            fresh = False
            for what, path in steps:
                if not fresh:
                    shutil.rmtree(here, ignore_errors=True)
                    shutil.rmtree(there, ignore_errors=True)
                    links = grow(here, document["tree"])
                    grow(there, document["tree"])
                labels.add(self.compare(what, here, there, path, links))
                fresh = listing(here) == listing(there)
        finally:
            shutil.rmtree(here, ignore_errors=True)
            shutil.rmtree(there, ignore_errors=True)
        assert os.listdir(self.folder) == [], "something was made outside the root"
        assert len(os.listdir("/proc/self/fd")) == self.descriptors, "a descriptor is left"
        return " ".join(sorted(labels))

    def compare(self, what: str, here: Path, there: Path, path: str, links: int) -> str:
        """Looks or makes in both copies, which are the same before."""
        before = listing(here)
        root = os.open(here, os.O_PATH | os.O_DIRECTORY)
        try:
            found = self.act(what, root, str(here), path)
            strict = self.strict(root, str(here), path) if what == "look" else None
        finally:
            os.close(root)
        good, expected = self.oracle.ask(what, str(there), path)
        if links >= MANY_LINKS and ELOOP in (found, expected):
            return f"{what}: many links"
        if isinstance(found, str):
            assert good, f"{what} {path!r}: found {found!r}, the oracle says {os.strerror(expected)}"
            status = os.stat(f"{there}{found}", follow_symlinks=False)
            assert (status.st_dev, status.st_ino) == expected, (
                f"{what} {path!r}: {found!r} is not what the oracle found"
            )
            differs = listing(here) ^ listing(there)
            assert not differs, f"{what} {path!r} made other things: {differs}"
        else:
            assert not good, f"{what} {path!r}: {os.strerror(found)}, the oracle found it"
            assert found == expected, f"{what} {path!r}: {os.strerror(found)}, the oracle says {os.strerror(expected)}"
        assert what != "look" or listing(here) == before, f"looking for {path!r} made something"
        assert strict is None or strict == found, f"without links {strict!r}, with them {found!r}"
        return f"{what}: {'found' if good else os.strerror(expected)}"

    def act(self, what: str, root: int, top: str, path: str) -> "str | int":
        """Where pyrunc finds or makes it, below the root; or the errno."""
        try:
            if what == "look":
                fd = open_in_root(root, path)
            elif what == "directory":
                os.close(open_or_make_directory(root, path)[0])
                fd = make_directory(root, path)  # now it is there
            else:
                fd = open_or_make_file(root, path)
        except SystemCallError as error:
            return error.errno or 0
        return below(fd, top)

    def strict(self, root: int, top: str, path: str) -> "str | None":
        """The same where no link may be on the way; None where there is one."""
        try:
            return below(open_in_root(root, path, strict=True), top)
        except SystemCallError:
            return None

    def in_procfs(self, path: str) -> str:
        """procfs as a root: its links that lead anywhere are not followed, all others as in a chroot."""
        try:
            fd = open_in_root(self.proc, path)
        except PyruncError as error:
            raise AssertionError(f"{path}: {error}") from error
        except SystemCallError as error:
            good, _ = self.oracle.ask("look", "/proc", path)
            passes = any(part in MAGIC or part.isdigit() for part in path.split("/"))
            own = "self" in path  # the oracle is another process
            assert not good or passes or own, f"{path}: {error}, the oracle found it"
            return f"procfs: {os.strerror(error.errno or 0)}"
        device = os.fstat(fd).st_dev
        os.close(fd)
        assert device == self.proc_device, f"{path} leads out of procfs"
        return "procfs: found"


def below(fd: int, top: str) -> str:
    """The path of a descriptor below the root; closes it."""
    path = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    assert path == top or path.startswith(f"{top}/"), f"{path} is outside {top}"
    return path[len(top) :] or "/"


def usable(data: bytes) -> dict[str, Any]:
    """The document of an input, with nothing in it that is not as it must be."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = {}
    document = document if isinstance(document, dict) else {}
    tree = document.get("tree")
    paths = document.get("paths")
    entries = [entry for entry in tree if isinstance(entry, list) and len(entry) == 2] if isinstance(tree, list) else []
    good = [
        [path, what if isinstance(what, str) and is_text(what) and what else what is True or None]
        for path, what in entries
    ]
    return {
        "tree": [entry for entry in good if is_text(entry[0])][: LIMITS["tree"]],
        "paths": [path for path in paths if is_text(path)][: LIMITS["paths"]] if isinstance(paths, list) else [],
    }


def is_text(value: object) -> bool:
    """Whether it is a text that can be (a part of) a path."""
    return isinstance(value, str) and "\0" not in value and len(value) < LIMITS["text"] and value.isascii()


def some_path(random: Random, up: bool = True) -> str:
    """A few parts."""
    parts = [random.choice(NAMES + (("..", "..", ".", "") if up else ())) for _ in range(random.randrange(1, 6))]
    return ("/" if random.randrange(3) == 0 else "") + "/".join(parts) + ("/" if random.randrange(9) == 0 else "")


def grow(top: Path, tree: list[list[Any]]) -> int:
    """Makes the tree, leaving out what is in the way of what came before; how many links it has."""
    top.mkdir()
    links = 0
    for path, what in tree:
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        place = top
        for part in parts[:-1]:
            place /= part
            if not os.path.lexists(place):
                place.mkdir()
            if place.is_symlink() or not place.is_dir():
                break
        else:
            if not parts or os.path.lexists(place / parts[-1]):
                continue
            if isinstance(what, str):
                (place / parts[-1]).symlink_to(what)
                links += 1
            elif what:
                (place / parts[-1]).touch()
            else:
                (place / parts[-1]).mkdir()
    return links


def listing(top: Path) -> set[str]:
    """Everything in a tree, without following links; of a folder with a slash."""
    found = set()
    waiting = [str(top)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                folder = entry.is_dir(follow_symlinks=False)
                found.add(entry.path[len(str(top)) :] + ("/" if folder else ""))
                if folder:
                    waiting.append(entry.path)
    return found
