"""Ways in which a file of ours stops being ours alone."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534


def give_away(path: Path) -> None:
    """To another user."""
    os.chown(path, NOBODY, NOBODY)


def open_to_group(path: Path) -> None:
    """Writable by the group, which is not the owner's own."""
    os.chown(path, -1, NOBODY)
    path.chmod(path.stat().st_mode | 0o020)


def open_to_all(path: Path) -> None:
    """Writable by everybody."""
    path.chmod(path.stat().st_mode | 0o002)


def put_link(path: Path) -> None:
    """A symbolic link in its place."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def put_hard_link(path: Path) -> None:
    """A hard link in its place, to a file of somebody else's."""
    other = path.with_name("elsewhere")
    shutil.copy(path, other)
    give_away(other)
    path.unlink()
    path.hardlink_to(other)


def put_fifo(path: Path) -> None:
    """A named pipe in its place: opening it must not wait."""
    path.unlink()
    os.mkfifo(path, 0o600)


SPOIL: dict[Callable[[Path], None], str] = {
    give_away: "belongs to user 65534",
    open_to_group: "can be written by others",
    open_to_all: "can be written by others",
    put_link: "is a symbolic link",
    put_hard_link: "belongs to user 65534",
    put_fifo: "is not a plain file",
}
"""Each, and what pyrunc says of it."""
