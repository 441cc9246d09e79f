"""From options to mount_setattr(2) calls: as few as possible, in an order that gives what was asked for."""

import pytest

from pyrunc.operations.mount import changes
from pyrunc.operations.options import parse_options

RDONLY, NOSUID, ATIME, NOATIME = 1, 2, 0x70, 0x10
REC, PRIVATE, SLAVE, SHARED = 0x4000, 1 << 18, 1 << 19, 1 << 20


@pytest.mark.parametrize(
    ("words", "inherited", "expected"),
    [
        ([], 0, []),
        (["bind"], SLAVE | REC, [(False, 0, 0, SLAVE)]),
        (["rbind"], SLAVE | REC, [(True, 0, 0, SLAVE)]),
        (["rbind", "rprivate"], SLAVE | REC, [(True, 0, 0, PRIVATE)]),
        (["rbind", "rslave"], SLAVE | REC, [(True, 0, 0, SLAVE)]),
        # A private copy stays private when it is made a slave of what it has no tie to.
        (["rbind", "rslave"], PRIVATE | REC, [(True, 0, 0, PRIVATE), (True, 0, 0, SLAVE)]),
        (["rbind", "rshared"], SLAVE | REC, [(True, 0, 0, SLAVE), (True, 0, 0, SHARED)]),
        (["rbind", "rshared"], 0, [(True, 0, 0, SHARED)]),
        (["rbind", "private"], SLAVE | REC, [(True, 0, 0, SLAVE), (False, 0, 0, PRIVATE)]),
        (["rbind", "ro", "rprivate"], SLAVE | REC, [(True, 0, 0, PRIVATE), (False, RDONLY, 0, 0)]),
        (["bind", "ro", "rprivate"], SLAVE | REC, [(False, RDONLY, 0, PRIVATE)]),
        (["bind", "ro", "nosuid", "noatime"], SLAVE | REC, [(False, RDONLY | NOSUID | NOATIME, ATIME, SLAVE)]),
        (["rbind", "rro"], SLAVE | REC, [(True, RDONLY, 0, SLAVE)]),
        (["rbind", "rro", "rw"], SLAVE | REC, [(True, RDONLY, 0, SLAVE), (False, 0, RDONLY, 0)]),
        (["bind", "rro", "rw"], SLAVE | REC, [(False, 0, RDONLY, SLAVE)]),
        (["bind", "rnoatime", "strictatime"], SLAVE | REC, [(False, 0x20, ATIME, SLAVE)]),
    ],
)
def test_calls(words: list[str], inherited: int, expected: list[tuple[bool, int, int, int]]) -> None:
    assert changes(parse_options(words), inherited) == expected
