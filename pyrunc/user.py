"""Numeric users and groups from the command line.  Names are never looked up in the image (CVE-2016-3697)."""

from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# 2**32-1 is (uid_t)-1, which the system calls read as "leave it as it is".
MAX_ID = 2**32 - 2


def parse_user(text: str) -> "tuple[int, int | None]":
    """The uid and gid of "uid[:gid]", gid None where none is given.  Raises PyruncError for anything else."""
    uid, colon, gid = text.partition(":")
    return _parse_id(uid, "user", text), _parse_id(gid, "user", text) if colon else None


def parse_gids(texts: "Iterable[str]") -> "list[int]":
    """Group ids, one a string.  Raises PyruncError for anything but a number in range."""
    return [_parse_id(text, "group", text) for text in texts]


def _parse_id(digits: str, what: str, whole: str) -> int:
    # Not int() alone: it takes " 7", "+7", "1_000" and the digits of every script.  Not isdigit() alone either.
    if digits.isascii() and digits.isdigit() and len(digits) <= 10:
        value = int(digits)
        if value <= MAX_ID:
            return value
    form = "uid[:gid] in decimal numbers" if what == "user" else "a decimal number"
    raise PyruncError(f'invalid {what} "{whole}"', hint=f"it must be {form} from 0 to {MAX_ID}")
