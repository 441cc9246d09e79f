"""A container that is a systemd service: the descriptors of socket activation (LISTEN_FDS), and a socket for sd_notify.

What the environment says is read by the commands, and only there; here it becomes a part of the configuration.
"""

import posix

from pyrunc.errors import PyruncError
from pyrunc.state import NOTIFY_DIRECTORY
from pyrunc.state_root import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyrunc.state import StateDirectory

NOTIFY_DIR = "/run/notify"  # in the container, as with runc
# What is bound there, below the state directory.  All of the container's users may look into it, and so could all of
# the host's, if the directory above it did not keep them out.
NOTIFY_SHOWN = f"{NOTIFY_DIRECTORY}/shown"
NOTIFY_SOCKET = "notify.sock"


def listen_fds(environ: "Mapping[bytes, bytes]", pid: int) -> int:
    """How many descriptors from 3 on are this process's by sd_listen_fds(3); 0 when they are for another process.

    Raises PyruncError for a number that is none.
    """
    if environ.get(b"LISTEN_PID") != b"%d" % pid:
        return 0
    text = environ.get(b"LISTEN_FDS", b"").decode("ascii", "replace")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 4:
        raise PyruncError(f"{text!r} is not a number of descriptors", operation="LISTEN_FDS")
    return int(text)


def notify_address(environ: "Mapping[bytes, bytes]") -> "str | None":
    """Where the service manager wants to hear that the container is ready (sd_notify(3)), None when it does not.

    Raises PyruncError for an address that is neither a path nor in the abstract name space.
    """
    text = environ.get(b"NOTIFY_SOCKET", b"").decode("utf-8", "surrogateescape")
    if text and (text[0] not in "/@" or len(text) < 2):
        raise PyruncError(f"{text!r} is neither an absolute path nor @NAME", operation="NOTIFY_SOCKET")
    return text or None


def amend(config: "dict[str, Any]", fds: int, notify: str) -> "dict[str, Any]":
    """The configuration with what the service needs; the one given stays as it is.

    fds:    how many descriptors of socket activation the process gets
    notify: the state directory of a container that gets a notification socket, else ""

    The directory is bound, and not the socket: that comes with `start`.  Without a mount namespace there is no bind.
    """
    config = dict(config)
    env = [f"LISTEN_FDS={fds}", "LISTEN_PID=1"] if fds else []
    kinds = [entry["type"] for entry in (config.get("linux") or {}).get("namespaces") or ()]
    if notify and "mount" in kinds:
        env.append(f"NOTIFY_SOCKET={NOTIFY_DIR}/{NOTIFY_SOCKET}")
        options = ["bind", "nosuid", "noexec", "nodev", "ro"]
        mount = {"destination": NOTIFY_DIR, "type": "bind", "source": f"{notify}/{NOTIFY_SHOWN}", "options": options}
        config["mounts"] = [*(config.get("mounts") or ()), mount]
    process = config.get("process")
    if process and env:
        config["process"] = {**process, "env": [*(process.get("env") or ()), *env]}
    return config


def make_directory(state: "StateDirectory") -> None:
    """Makes the directory that the container sees, read-only.  Raises PyruncError."""
    try:
        for name, mode in ((NOTIFY_DIRECTORY, 0o700), (NOTIFY_SHOWN, 0o755)):
            posix.mkdir(name, dir_fd=state.fd)
            posix.chmod(name, mode, dir_fd=state.fd)  # whatever the umask
    except OSError as error:
        raise failure(error, f"make {state.path}/{NOTIFY_SHOWN}") from error
