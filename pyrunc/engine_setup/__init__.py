"""`pyrunc setup`: the configuration files of engines, with pyrunc in them and without it again.

Each engine's module plans: the text of its file in, the new text out (None: no file), and nothing is touched.
They tell by the text itself what setup wrote there, so nothing is kept elsewhere, and taking it out gives the file
that was there before, character for character.  files.py reads and replaces.
"""

import json
from typing import NamedTuple

from pyrunc.errors import PyruncError

NAME = "pyrunc"


class Wanted(NamedTuple):
    """What is to be written.

    command: the absolute path of pyrunc;  default: whether it is to be the engine's default runtime
    systemd: whether systemd is process 1
    """

    command: str
    default: bool
    systemd: bool


class Planned(NamedTuple):
    """The file's new text (None: no file), and what there is to say about it."""

    text: str | None
    notes: tuple[str, ...] = ()


def differs(what: str, engine: str) -> PyruncError:
    """What is there in pyrunc's place is not what would be written, and is not overwritten."""
    hint = f"nothing was changed; what setup wrote is removed by pyrunc setup {engine} --undo, other things by hand"
    return PyruncError(f"{what} is there already and differs", hint=hint)


def changed(what: str) -> PyruncError:
    """What setup wrote is no longer what it wrote."""
    return PyruncError(f"{what} was changed since setup wrote it", hint="nothing was changed; remove it by hand")


def quoted(text: str) -> str:
    """A string as JSON has it, and TOML as a basic string.  Raises PyruncError for what they cannot hold."""
    if "\x7f" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise PyruncError(f"the path of the command cannot stand in a configuration: {text!r}")
    return json.dumps(text, ensure_ascii=False)
