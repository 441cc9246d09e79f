"""What pyrunc tells, and where: errors once, on stderr and in the log; warnings and debug lines beside them.

Engines read the log.  containerd takes the last JSON object of level "error"; conmon and podman want the whole
file to be one JSON object.  So a JSON log gets the error and nothing else, unless --debug asks for more.  On
stderr the error is the bare message, its first line complete in itself.

The settings are the process's own, made by the command line.  A program that imports pyrunc and does not call
configure() gets warnings through its own `logging`.
"""

import posix
import sys
import time

from pyrunc.errors import PyruncError, reason_of

_STDERR = 2

_configured = False
_fd = -1
_json = False
_debug = False
_quiet = False
_write_error = ""


def configure(path: "str | None", format: str, debug: bool, level: str = "warning") -> None:
    """Opens the log, path None or "" being stderr.  Raises PyruncError when it cannot be opened.

    level: "debug" is as debug, "error" leaves out warnings
    """
    global _configured, _fd, _json, _debug, _quiet, _write_error
    if format not in ("text", "json"):
        raise PyruncError(f"invalid log-format: {format}")
    if level not in ("debug", "warning", "error"):
        raise PyruncError(f"invalid log-level: {level}")
    debug = debug or level == "debug"
    _quiet = level == "error" and not debug
    if _fd > _STDERR:
        posix.close(_fd)
    _configured, _fd, _json, _debug, _write_error = True, -1, format == "json", debug, ""
    if not path or path == "/dev/stderr":
        return
    try:
        _fd = posix.open(
            path, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_NOCTTY | posix.O_CLOEXEC, 0o644
        )
    except (OSError, ValueError) as error:
        errno = error.errno if isinstance(error, OSError) and error.errno else 0
        raise PyruncError(f"open {path}: {reason_of(errno) if errno else error}", errno=errno) from error


def stay_above(number: int) -> None:
    """Moves the log's descriptor out of the way of those below number.  Raises OSError."""
    global _fd
    if 0 <= _fd < number:
        from pyrunc.syscalls import F_DUPFD_CLOEXEC, fcntl

        old, _fd = _fd, fcntl(_fd, F_DUPFD_CLOEXEC, number)
        posix.close(old)


def is_debug() -> bool:
    """True under --debug."""
    return _debug


def error(message: str, details: "list[str] | tuple[str, ...]" = ()) -> None:
    """The error that ends a command.  details are further lines for a person: problems, a hint, a traceback.

    A log that cannot be written (a full disk) never hides the error: stderr gets it, and says so.
    """
    if _fd >= 0:
        _append(_line("error", message))
        if _debug and details:
            _append(_line("debug", "\n".join(details)))
    if _json and _fd < 0:
        _print(_line("error", message))
        return
    lines = [message, *details]
    if _write_error:
        lines.append(_write_error)
    _print("\n".join(lines))


def warn(message: str) -> None:
    """Something that the user should know although the command goes on."""
    if not _configured:
        logging = sys.modules.get("logging")
        if logging is not None:
            logging.getLogger("pyrunc").warning(message)
            return
    if _quiet:
        return
    if _fd >= 0:
        if _debug or not _json:
            _append(_line("warning", message))
    else:
        _print(_line("warning", message) if _json else f"warning: {message}")


def debug(message: str) -> None:
    """A step, told only under --debug."""
    if not _debug:
        return
    if _fd >= 0:
        _append(_line("debug", message))
    else:
        _print(_line("debug", message) if _json else f"debug: {message}")


def _line(level: str, message: str) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if _json:
        return f'{{"level":"{level}","msg":{quote(message)},"time":"{stamp}"}}'
    return f'time="{stamp}" level={level} msg={quote(message)}'


def quote(text: str) -> str:
    """text as a JSON string.  Bytes of a path that are not UTF-8 become U+FFFD: JSON cannot hold them."""
    characters = []
    for character in text:
        code = ord(character)
        if character in '"\\':
            characters.append("\\" + character)
        elif character == "\n":
            characters.append("\\n")
        elif character == "\t":
            characters.append("\\t")
        elif code < 0x20 or code == 0x7F:
            characters.append(f"\\u{code:04x}")
        elif 0xD800 <= code <= 0xDFFF:
            characters.append("\ufffd")
        else:
            characters.append(character)
    return '"' + "".join(characters) + '"'


def printable(text: str) -> str:
    """text without control characters, which names from an image could use to write on the user's terminal."""
    if text.isprintable():
        return text
    characters = []
    for character in text:
        code = ord(character)
        if character in "\n\t" or not (code < 0x20 or 0x7F <= code < 0xA0):
            characters.append(character)
        else:
            characters.append(f"\\x{code:02x}")
    return "".join(characters)


def _print(text: str) -> None:
    data = (printable(text) + "\n").encode("utf-8", "surrogateescape")
    try:
        while data:
            data = data[posix.write(_STDERR, data) :]
    except OSError:
        # Nobody listens on stderr any more; the exit status still tells.
        return


def _append(line: str) -> None:
    global _write_error
    data = (line + "\n").encode("utf-8", "replace")
    try:
        # One write a line: processes that share the log do not cut into each other's lines.
        if posix.write(_fd, data) < len(data):
            _write_error = "the log could not be written: no space left on device"
    except OSError as error:
        _write_error = f"the log could not be written: {reason_of(error.errno or 0)}"
