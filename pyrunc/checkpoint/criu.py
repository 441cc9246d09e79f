"""The criu program as a server of one request: `criu swrk FD`, a socket between us, protobuf messages on it.

By the socket CRIU also tells of its progress and waits for our answer (notifications), and hands over the terminal of
a restored container: that is why it is not called by its command line.
"""

import os
import shutil
import socket
import subprocess

from pyrunc.checkpoint import messages
from pyrunc.checkpoint.options import SINCE, check_version
from pyrunc.checkpoint.report import failure_reason
from pyrunc.errors import PyruncError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Notify = Callable[[str, int, list[int]], None]

MESSAGE = 1 << 16
FDS = 4
# How long CRIU may take to give up when we do: seconds.  It lets go of processes that it holds.
PATIENCE = 10.0
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Session:
    """One running `criu swrk`.  A context manager: at its end there is no process of CRIU any more.

    program:    the path of criu
    stdio:      whether it has our standard descriptors (a restored container inherits them), else /dev/null
    pass_fds:   further descriptors that it gets, by the same numbers
    own_group:  in a process group of its own, so that ^C at our terminal does not end it while it holds processes
    """

    def __init__(
        self, program: str, *, stdio: bool = False, pass_fds: "Iterable[int]" = (), own_group: bool = True
    ) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        standard = None if stdio else subprocess.DEVNULL
        try:
            self.process = subprocess.Popen(
                [program, "swrk", str(theirs.fileno())],
                stdin=standard,
                stdout=standard,
                stderr=standard,
                pass_fds=(theirs.fileno(), *pass_fds),
                env={"PATH": os.environ.get("PATH") or SEARCH_PATH},
                process_group=0 if own_group else -1,
            )
        except OSError as error:
            self.socket.close()
            raise from_os_error(error, operation="start criu") from error
        finally:
            theirs.close()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_error: object) -> None:
        """Waits for CRIU's end, which comes when nobody listens to it any more."""
        self.socket.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def request(self, request: "dict[str, Any]", notify: "Notify | None" = None) -> "Any":
        """Sends the request, answers the notifications until it is done, and returns the response, success or not.

        notify: called with the notification's name, the pid that it is about (0: none) and descriptors that came
                with it, which are the callee's.  When it raises, CRIU undoes what it has done, and that is raised.
        """
        self.send(request)
        while True:
            response, fds = self.receive()
            if response.type != messages.NOTIFY:
                for fd in fds:
                    os.close(fd)
                return response
            if notify is not None:
                notify(response.notify.script, response.notify.pid, fds)
            self.send({"type": messages.NOTIFY, "notify_success": True})

    def send(self, request: "dict[str, Any]") -> None:
        """Sends one message.  Raises PyruncError when CRIU has ended."""
        try:
            self.socket.sendall(messages.encode(request))
        except OSError as error:
            raise self.ended() from error

    def receive(self) -> "tuple[Any, list[int]]":
        """One message and the descriptors that came with it.  Raises PyruncError when CRIU has ended."""
        try:
            data, fds, _flags, _address = socket.recv_fds(self.socket, MESSAGE, FDS)
        except OSError as error:
            raise self.ended() from error
        if not data:
            raise self.ended()
        for fd in fds:
            os.set_inheritable(fd, False)
        return messages.decode(data), fds

    def ended(self) -> PyruncError:
        """The error for a CRIU that ended before it answered."""
        self.socket.close()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return PyruncError("criu does not answer any more")
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return PyruncError(f"criu {how} before it answered")


def find_program(name: str) -> str:
    """The absolute path of the program.  Raises PyruncError when there is none."""
    path = shutil.which(name, path=os.environ.get("PATH") or SEARCH_PATH)
    if path is None:
        raise PyruncError(
            f"{name}: not found", operation="find criu", hint="install CRIU (criu.org), or name it: pyrunc --criu FILE"
        )
    return os.path.abspath(path)


def version_of(program: str) -> int:
    """The version of CRIU: 10000 * major + 100 * minor + sublevel.  Raises PyruncError."""
    with Session(program) as session:
        response = session.request({"type": messages.VERSION})
    if not response.success:
        raise PyruncError(f"{program} does not tell its version: it is older than 3.0")
    version = response.version
    return int(10000 * version.major_number + 100 * version.minor_number + version.sublevel)


def check_features(program: str, wanted: "Mapping[str, bool]") -> None:
    """Raises PyruncError when CRIU on this kernel lacks a feature ("mem_track", "lazy_pages") that is wanted."""
    asked = {name: True for name, on in wanted.items() if on}
    if not asked:
        return
    with Session(program) as session:
        response = session.request({"type": messages.FEATURE_CHECK, "features": asked})
    missing = [name for name in asked if not (response.success and getattr(response.features, name))]
    if missing:
        raise PyruncError(
            f"criu on this kernel has no {', '.join(missing)}", hint="criu check --all says what it lacks"
        )


def usable(name: str, fields: "Mapping[str, Any]", features: "Mapping[str, bool]") -> str:
    """The path of a CRIU that can do what is asked for.  Raises PyruncError.

    fields:   what it will be told, for those that need a newer version (SINCE)
    features: see `check_features`
    """
    if os.geteuid() != 0:
        raise PyruncError("checkpoint and restore need the privileges of root", operation="criu")
    program = find_program(name)
    needed = {key: fields.get(key) for key in SINCE}
    check_version(version_of(program), needed)
    check_features(program, features)
    return program


def failure(response: "Any", log_path: str) -> PyruncError:
    """The error for a request that CRIU did not fulfil, with what its log says."""
    try:
        with open(log_path, "rb") as file:
            text = file.read()
    except OSError:
        text = None
    kind = messages.TYPE_NAMES.get(response.type, str(response.type))
    return PyruncError(failure_reason(kind, response.cr_errno, response.cr_errmsg, log_path, text))
