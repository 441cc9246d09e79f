"""Every mount option of the runtime spec's tables (config.md, "Linux mount options"), alone and in company."""

import pytest

from pyrunc.operations.options import MountOptions, parse_options

RDONLY, NOSUID, NODEV, NOEXEC, ATIME, NODIRATIME, NOSYMFOLLOW = 1, 2, 4, 8, 0x70, 0x80, 0x200000
NOATIME, STRICTATIME = 0x10, 0x20
REC, UNBINDABLE, PRIVATE, SLAVE, SHARED = 0x4000, 1 << 17, 1 << 18, 1 << 19, 1 << 20

ATTRIBUTES = {
    "ro": (RDONLY, 0),
    "rw": (0, RDONLY),
    "nosuid": (NOSUID, 0),
    "suid": (0, NOSUID),
    "nodev": (NODEV, 0),
    "dev": (0, NODEV),
    "noexec": (NOEXEC, 0),
    "exec": (0, NOEXEC),
    "nodiratime": (NODIRATIME, 0),
    "diratime": (0, NODIRATIME),
    "nosymfollow": (NOSYMFOLLOW, 0),
    "symfollow": (0, NOSYMFOLLOW),
    "relatime": (0, ATIME),
    "norelatime": (0, 0),
    "noatime": (NOATIME, ATIME),
    "atime": (0, ATIME),
    "strictatime": (STRICTATIME, ATIME),
    "nostrictatime": (0, ATIME),
}


def fields(options: MountOptions) -> dict[str, object]:
    """What is not as in an empty list of options."""
    plain = MountOptions()
    return {
        name: getattr(options, name)
        for name in MountOptions.__slots__
        if getattr(options, name) != getattr(plain, name)
    }


@pytest.mark.parametrize(("word", "expected"), ATTRIBUTES.items())
def test_attribute(word: str, expected: tuple[int, int]) -> None:
    options = parse_options([word])
    assert (options.set, options.clear) == expected
    assert fields(options).keys() <= {"set", "clear"}


@pytest.mark.parametrize(("word", "expected"), ATTRIBUTES.items())
def test_attribute_of_the_tree(word: str, expected: tuple[int, int]) -> None:
    options = parse_options(["r" + word])
    assert (options.tree_set, options.tree_clear) == expected
    assert fields(options).keys() <= {"tree_set", "tree_clear"}


@pytest.mark.parametrize(
    ("word", "expected"),
    {
        "sync": {"sync": 0x10},
        "async": {"sync": 0},
        "dirsync": {"dirsync": 0x80},
        "mand": {"mand": 0x40},
        "nomand": {"mand": 0},
        "silent": {"silent": 0x8000},
        "loud": {"silent": 0},
        "iversion": {"iversion": 0x800000},
        "noiversion": {"iversion": 0},
        "lazytime": {"lazytime": 0x2000000},
        "nolazytime": {"lazytime": 0},
    }.items(),
)
def test_flag_of_the_file_system(word: str, expected: dict[str, int]) -> None:
    assert fields(parse_options([word])) == {"superblock": expected}


@pytest.mark.parametrize(
    ("word", "flags"),
    {
        "private": PRIVATE,
        "rprivate": PRIVATE | REC,
        "shared": SHARED,
        "rshared": SHARED | REC,
        "slave": SLAVE,
        "rslave": SLAVE | REC,
        "unbindable": UNBINDABLE,
        "runbindable": UNBINDABLE | REC,
    }.items(),
)
def test_propagation(word: str, flags: int) -> None:
    assert fields(parse_options([word])) == {"propagation": [flags]}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["bind"], {"bind": True}),
        (["rbind"], {"bind": True, "recursive": True}),
        (["remount"], {"remount": True}),
        (["tmpcopyup"], {"tmpcopyup": True}),
        (["idmap"], {"idmap": True}),
        (["ridmap"], {"idmap": True, "idmap_tree": True}),
        (["defaults", ""], {}),
        (["size=64k", "newinstance"], {"data": [("size", "64k"), ("newinstance", None)]}),
        (["lowerdir=/a=b:/c"], {"data": [("lowerdir", "/a=b:/c")]}),
        (["rsync"], {"data": [("rsync", None)]}),
        (["copy-symlink"], {"data": [("copy-symlink", None)]}),
    ],
)
def test_other_words(words: list[str], expected: dict[str, object]) -> None:
    assert fields(parse_options(words)) == expected


@pytest.mark.parametrize(
    ("words", "set", "clear"),
    [
        (["ro", "rw"], 0, RDONLY),
        (["rw", "ro"], RDONLY, 0),
        (["nosuid", "noexec", "nodev", "ro"], RDONLY | NOSUID | NODEV | NOEXEC, 0),
        (["noatime", "strictatime"], STRICTATIME, ATIME),
        (["strictatime", "noatime"], NOATIME, ATIME),
        (["noatime", "relatime"], 0, ATIME),
        (["noatime", "atime"], 0, ATIME),
        (["strictatime", "nostrictatime"], 0, ATIME),
        # What was not chosen cannot be un-chosen.
        (["noatime", "norelatime"], NOATIME, ATIME),
        (["strictatime", "atime"], STRICTATIME, ATIME),
        (["relatime", "norelatime"], 0, 0),
        (["noatime", "nodiratime"], NOATIME | NODIRATIME, ATIME),
    ],
)
def test_the_last_word_counts(words: list[str], set: int, clear: int) -> None:
    options = parse_options(words)
    assert (options.set, options.clear) == (set, clear)
    options = parse_options(["r" + word for word in words])
    assert (options.tree_set, options.tree_clear) == (set, clear)


def test_words_for_fsconfig() -> None:
    options = parse_options(["sync", "nolazytime", "mand", "nomand", "dirsync", "loud", "noiversion"])
    assert options.superblock_words() == [("sync", None), ("nolazytime", None), ("nomand", None), ("dirsync", None)]
    assert not options.beyond_fsconfig


@pytest.mark.parametrize("word", ["silent", "iversion", "lowerdir=" + "x" * 256])
def test_what_only_mount_can_say(word: str) -> None:
    assert parse_options([word]).beyond_fsconfig


def test_what_fsconfig_can_just_say() -> None:
    assert not parse_options(["lowerdir=" + "x" * 255]).beyond_fsconfig
