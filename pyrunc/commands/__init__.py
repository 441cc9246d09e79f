"""One module a command: run(invocation) reads its options, calls the container and prints."""

import posix

from pyrunc import pathnames
from pyrunc.errors import PyruncError, reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def write(text: str) -> None:
    """Writes text to stdout, all of it.  Raises PyruncError, for a full disk must not look like success."""
    data = text.encode("utf-8", "surrogateescape")
    try:
        while data:
            data = data[posix.write(1, data) :]
    except OSError as error:
        raise PyruncError(f"write stdout: {reason_of(error.errno or 0)}", errno=error.errno or 0) from error


def bundle_of(invocation: "Invocation") -> str:
    """The absolute bundle directory: --bundle, or the current directory."""
    try:
        return pathnames.abspath(invocation.options.text("bundle") or ".")
    except OSError as error:
        raise PyruncError(f"the current directory: {reason_of(error.errno or 0)}", errno=error.errno or 0) from error


def rootless_of(invocation: "Invocation") -> str:
    """--rootless as "true", "false" or "auto"."""
    from pyrunc.options import TRUE

    value = invocation.settings.text("rootless")
    if value in ("", "auto"):
        return "auto"
    return "true" if value in TRUE else "false"
