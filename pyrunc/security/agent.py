"""The seccomp agent: who answers the system calls that a profile leaves to it (SCMP_ACT_NOTIFY).

It listens at linux.seccomp.listenerPath and gets, for each process that loads the filter, one connection with the
filter's notify descriptor and the container process state (config-linux.md, "The Container Process State").
"""

import posix

from pyrunc import pathnames, rendezvous
from pyrunc.errors import PyruncError, from_os_error
from pyrunc.fastjson import dumps
from pyrunc.record import spec_state
from pyrunc.spec.rules import SPEC_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyrunc.record import Record

PLACE = "linux.seccomp.listenerPath"
WHAT = "seccomp agent"


def check_agent(seccomp: "Mapping[str, Any]", bundle: str) -> None:
    """Raises PyruncError when nobody can be listening at listenerPath: before anything is made, and not at `start`."""
    path = agent_path(seccomp, bundle)
    try:
        kind = posix.stat(path).st_mode & pathnames.S_IFMT
    except (OSError, ValueError) as error:
        operation = f"{WHAT} {path}"
        if isinstance(error, OSError):
            raise from_os_error(error, operation=operation, place=PLACE) from error
        raise PyruncError(str(error), operation=operation, place=PLACE) from error
    if kind != pathnames.S_IFSOCK:
        raise PyruncError("is not a socket", operation=f"{WHAT} {path}", place=PLACE)


def send_listener(listener: int, seccomp: "Mapping[str, Any]", record: "Record", status: str, pid: int) -> None:
    """Sends the agent the notify descriptor of a process's filter.  Raises PyruncError.

    status: the container's;  pid: of the process with the filter, which in an exec is not the container's first
    """
    data = dumps(process_state(seccomp, record, status, pid)).encode("utf-8", "surrogateescape")
    rendezvous.send(agent_path(seccomp, record.bundle), WHAT, data, (listener,), PLACE)


def hand_over(listener: int, seccomp: "Mapping[str, Any]", record: "Record", status: str, pid: int) -> None:
    """The same with a descriptor that is the caller's to give away: it is closed, sent or not."""
    try:
        send_listener(listener, seccomp, record, status, pid)
    finally:
        posix.close(listener)


def process_state(seccomp: "Mapping[str, Any]", record: "Record", status: str, pid: int) -> "dict[str, object]":
    """The container process state; the process is that of `pid`, as the runtime sees it."""
    state: dict[str, object] = {"ociVersion": SPEC_VERSION, "fds": ["seccompFd"], "pid": pid}
    if seccomp.get("listenerMetadata"):
        state["metadata"] = seccomp["listenerMetadata"]
    state["state"] = spec_state(record, status, record.pid)
    return state


def agent_path(seccomp: "Mapping[str, Any]", bundle: str) -> str:
    """Where the agent listens, on the host.  A path that is not absolute begins in the bundle, as with runc."""
    return pathnames.join(bundle, seccomp["listenerPath"])
