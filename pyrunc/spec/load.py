"""Reads config.json, process.json and resources.json: one JSON object from one regular file of bounded size."""

import posix

from pyrunc import fastjson, pathnames
from pyrunc.errors import ConfigError, from_os_error
from pyrunc.pathnames import S_IFMT, S_IFREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONFIG = "config.json"
MAX_SIZE = 8 << 20  # bytes; real ones have 4 to 20 kB


def load_config(bundle: str) -> "dict[str, Any]":
    """The config.json of a bundle directory, nulls dropped, not yet checked.

    Raises PyruncError if it cannot be read, ConfigError if it is no JSON object (config.md).
    """
    return load_bundle(bundle)[0]


def load_bundle(bundle: str, config: "str | None" = None) -> "tuple[dict[str, Any], bytes]":
    """As `load_config`, with the file's own bytes; config: a file to take instead of the bundle's."""
    path = config or pathnames.join(bundle, CONFIG)
    try:
        octets = read(path)
        return parse(octets, path), octets
    except FileNotFoundError as error:
        if config:
            raise from_os_error(error, operation=f"read {config}") from error
        # The sentence is runc's: callers know it.
        raise ConfigError(
            f"JSON specification file {CONFIG} not found",
            hint=f"{bundle} is no bundle; `pyrunc spec` writes a {CONFIG} to start from",
        ) from None


def load_file(path: str) -> "dict[str, Any]":
    """The JSON object in a file, nulls dropped.  Raises PyruncError or ConfigError."""
    try:
        return parse(read(path), path)
    except FileNotFoundError as error:
        raise from_os_error(error, operation=f"read {path}") from error


def read(path: str) -> bytes:
    """The bytes of a regular file of bounded size.  Raises FileNotFoundError, PyruncError or ConfigError."""
    try:
        # O_NONBLOCK: a FIFO must be refused, not waited for.
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK)
        try:
            return _read(descriptor, path)
        finally:
            posix.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise from_os_error(error, operation=f"read {path}") from error


def parse(octets: bytes, name: str) -> "dict[str, Any]":
    """The JSON object in octets, nulls dropped; `name` is for the error.  Raises ConfigError."""
    value = parse_value(octets, name)
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: must hold a JSON object")
    return value


def parse_value(octets: bytes, name: str) -> object:
    """The JSON value in octets, nulls dropped; `name` is for the error.  Raises ConfigError."""
    if len(octets) > MAX_SIZE:
        raise ConfigError(f"{name}: larger than {MAX_SIZE >> 20} MiB")
    try:
        return fastjson.loads(octets.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 at byte {error.start}") from None
    except fastjson.JSONError as error:
        raise ConfigError(f"{name}: {error}") from None


def _read(descriptor: int, path: str) -> bytes:
    """All of a regular file, or just more than MAX_SIZE of it."""
    status = posix.fstat(descriptor)
    if status.st_mode & S_IFMT != S_IFREG:
        raise ConfigError(f"{path}: not a regular file")
    pieces = []
    wanted = min(status.st_size, MAX_SIZE) + 1
    while piece := posix.read(descriptor, wanted):
        pieces.append(piece)
        if sum(map(len, pieces)) > MAX_SIZE:
            break
    return b"".join(pieces)
