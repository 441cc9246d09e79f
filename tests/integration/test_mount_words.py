"""Every word of a mount's options (config.md, "Linux mount options") on the real kernel, as mountinfo shows it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc.operations.build import Build
from tests.support.filesystem import run_mounts

pytestmark = pytest.mark.root

ON = {"ro", "nosuid", "nodev", "noexec", "nodiratime", "nosymfollow"}
# word -> what is shown besides, on a mount that has none of ON; what is not shown any more, on one that has all
ADDED = {word: {word} for word in ON}
REMOVED = {"rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec", "diratime": "nodiratime"}
REMOVED["symfollow"] = "nosymfollow"
# word -> the access times shown when the source has noatime; strictatime is shown by no word, "norelatime" says nothing
CHOSEN = {
    "noatime": {"noatime"},
    "atime": {"relatime"},
    "relatime": {"relatime"},
    "norelatime": {"noatime"},
    "strictatime": set(),
    "nostrictatime": {"relatime"},
}


@pytest.fixture
def sources(folder: Path) -> Iterator[str]:
    """Beside an empty rootfs: plain/ has none of the attributes, strict/ has all of them; each with a mount below."""
    (folder / "rootfs").mkdir()
    made = []
    for name, options in (
        ("plain", "rw,relatime"),
        ("strict", "ro,nosuid,nodev,noexec,nodiratime,noatime,nosymfollow"),
    ):
        for place in (folder / name, folder / name / "below"):
            place.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "words", place], check=True)
            made.append((place, options))
    for place, options in made:
        subprocess.run(["mount", "-o", f"remount,bind,{options}", place], check=True)
    yield str(folder / "rootfs")
    for place, _ in reversed(made):
        subprocess.run(["umount", place], check=True)


def table_of(rootfs: str, entries: dict[str, tuple[str, list[str]]]) -> dict[str, set[str]]:
    """Binds a source for each name with these options; the attributes of each mount, "rw" left out."""
    mounts = [
        {"destination": f"/{name}", "source": source, "options": options} for name, (source, options) in entries.items()
    ]
    found = run_mounts(rootfs, *mounts)
    return {place.lstrip("/"): set(entry["options"]) - {"rw"} for place, entry in found.items()}


@pytest.mark.parametrize("tree", [False, True])
def test_attributes(sources: str, tree: bool) -> None:
    """Each word alone changes what it names and nothing else; with an r before it, in the whole tree."""
    entries: dict[str, tuple[str, list[str]]] = {}
    for word in [*ADDED, *REMOVED, *CHOSEN]:
        spoken = f"r{word}" if tree else word
        entries[f"plain-{word}"] = ("plain", ["rbind", spoken])
        entries[f"strict-{word}"] = ("strict", ["rbind", spoken])
    table = table_of(sources, entries)
    for word in [*ADDED, *REMOVED, *CHOSEN]:
        plain = ADDED.get(word, set()) | ({"relatime"} if word == "norelatime" else CHOSEN.get(word, {"relatime"}))
        strict = ON - {REMOVED.get(word, "")} | CHOSEN.get(word, {"noatime"})
        for name, changed, was in (("plain", plain, {"relatime"}), ("strict", strict, ON | {"noatime"})):
            assert table[f"{name}-{word}"] == changed, word
            assert table[f"{name}-{word}/below"] == (changed if tree else was), word


def test_flags_of_the_file_system(sources: str) -> None:
    words = ("sync", "async", "dirsync", "mand", "nomand", "lazytime", "nolazytime")
    words += ("iversion", "noiversion", "silent", "loud", "defaults")
    mounts = [
        {"destination": f"/{word}", "type": "tmpfs", "source": "t", "options": [word, "size=1m"]} for word in words
    ]
    table = run_mounts(sources, *mounts)
    shown = {word for word in words if word in table[f"/{word}"]["superblock"]}
    assert shown - {"mand"} == {"sync", "dirsync", "lazytime"}
    assert all("size=1024k" in table[f"/{word}"]["superblock"] for word in words)


def owners(_: Build) -> Any:
    return {place: os.stat(place).st_uid for place in ("/one/file", "/one/below/file", "/all/file", "/all/below/file")}


def test_idmap_and_ridmap(sources: str, folder: Path) -> None:
    """The first maps the ids of the top mount, the second those of the whole tree."""
    for place in (folder / "plain/file", folder / "plain/below/file"):
        place.write_text("")
        os.chown(place, 1000, 1000)
    maps = {key: [{"containerID": 1000, "hostID": 5000, "size": 1}] for key in ("uidMappings", "gidMappings")}
    found = run_mounts(
        sources,
        {"destination": "/one", "source": "plain", "options": ["rbind", "idmap"], **maps},
        {"destination": "/all", "source": "plain", "options": ["rbind", "ridmap"], **maps},
        look=owners,
    )
    assert found == {"/one/file": 5000, "/one/below/file": 1000, "/all/file": 5000, "/all/below/file": 5000}


def test_idmapped_file_system(sources: str) -> None:
    """What root makes in it belongs to the id that the mapping has for root, on the file system itself."""
    maps = {key: [{"containerID": 0, "hostID": 5000, "size": 1}] for key in ("uidMappings", "gidMappings")}

    def look(_: Build) -> Any:
        return os.stat("/t").st_uid

    tmpfs = {"destination": "/t", "type": "tmpfs", "source": "t", "options": ["idmap"], **maps}
    assert run_mounts(sources, tmpfs, look=look) == 5000
