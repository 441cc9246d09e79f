"""Sockets where somebody else listens: a connection for one message, with descriptors.

For --console-socket, --pidfd-socket and the seccomp agent.  Whoever listens may be stuck: no wait is without an end.
"""

import posix
import time
from errno import EAGAIN, ECONNREFUSED

from pyrunc import pathnames, syscalls
from pyrunc.errors import PyruncError, from_os_error

SOCK_STREAM = 1
SOCK_NONBLOCK = 0o4000
POLLOUT = 0x4
SUN_PATH_MAX = 107
# How long a listener may take to accept a connection and read: seconds.
PATIENCE = 10.0
PAUSE = 0.005


def send(path: str, what: str, data: bytes, fds: "tuple[int, ...]", place: str = "") -> None:
    """Connects to the AF_UNIX stream socket at path, sends data with descriptors, and closes the connection.

    what: how errors call the socket;  place: where config.json names it.  Raises PyruncError.
    """
    operation = f"{what} {path}"
    connection = connect(path, what, place)
    try:
        deadline = time.monotonic() + PATIENCE
        sent = syscalls.send(connection, data, fds)
        while sent < len(data):
            left = deadline - time.monotonic()
            if left <= 0 or not syscalls.poll(connection, POLLOUT, int(left * 1000)):
                raise late(operation, place)
            sent += syscalls.send(connection, data[sent:])
    except OSError as error:
        raise from_os_error(error, operation=operation, place=place) from error
    finally:
        posix.close(connection)


def connect(path: str, what: str, place: str = "") -> int:
    """A connection (which does not block) to the AF_UNIX stream socket at path, however long that is."""
    operation = f"{what} {path}"
    deadline = time.monotonic() + PATIENCE
    try:
        directory, name = syscalls.AT_FDCWD, path
        if len(syscalls.encode(path)) > SUN_PATH_MAX:
            folder, name = pathnames.split(path)
            directory = posix.open(folder, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        try:
            while True:
                try:
                    return syscalls.unix_connect(directory, name, SOCK_STREAM | SOCK_NONBLOCK)
                except OSError as error:
                    if error.errno != EAGAIN:
                        raise
                if time.monotonic() >= deadline:
                    raise late(operation, place)
                time.sleep(PAUSE)  # its queue is full, and there is nothing to poll
        finally:
            if directory != syscalls.AT_FDCWD:
                posix.close(directory)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError):
            raise PyruncError(str(error), operation=operation, place=place) from error
        # The kernel has one errno for a file of another kind and for a socket where nobody listens.
        if error.errno == ECONNREFUSED and not is_socket(path):
            raise PyruncError("is not a socket", operation=operation, place=place, errno=ECONNREFUSED) from error
        raise from_os_error(error, operation=operation, place=place) from error


def late(operation: str, place: str) -> PyruncError:
    """The error for a listener that does not accept or read."""
    return PyruncError(
        f"whoever listens there has not taken it for {PATIENCE:g} s", operation=operation, place=place, errno=EAGAIN
    )


def is_socket(path: str) -> bool:
    """Whether the path leads to a socket, or to nothing any more."""
    try:
        return posix.stat(path).st_mode & pathnames.S_IFMT == pathnames.S_IFSOCK
    except OSError:
        return True
