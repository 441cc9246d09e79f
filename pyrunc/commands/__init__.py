"""One module a command: run(invocation) reads its options, calls the container and prints."""

import posix

from pyrunc import pathnames
from pyrunc.errors import PyruncError, reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrunc.options import Invocation


def write(text: str) -> None:
    """Writes text to stdout, all of it.  Raises PyruncError, for a full disk must not look like success."""
    data = text.encode("utf-8", "surrogateescape")
    try:
        while data:
            data = data[posix.write(1, data) :]
    except OSError as error:
        raise PyruncError(f"write stdout: {reason_of(error.errno or 0)}", errno=error.errno or 0) from error


def read_input(path: str) -> "tuple[bytes, str]":
    """The bytes of a file of bounded size ("-": the standard input) and its name for errors.  Raises PyruncError."""
    from pyrunc.errors import from_os_error
    from pyrunc.spec.load import MAX_SIZE, read

    try:
        if path != "-":
            return read(path), path
        data = b""
        while len(data) <= MAX_SIZE and (piece := posix.read(0, 1 << 20)):
            data += piece
    except OSError as error:
        raise from_os_error(error, operation=f"read {'the standard input' if path == '-' else path}") from error
    return data, "the standard input"


def bundle_of(invocation: "Invocation") -> str:
    """The absolute bundle directory: --bundle, or the current directory."""
    try:
        return pathnames.abspath(invocation.options.text("bundle") or ".")
    except OSError as error:
        raise PyruncError(f"the current directory: {reason_of(error.errno or 0)}", errno=error.errno or 0) from error


def creation_options(invocation: "Invocation") -> "dict[str, Any]":
    """What create and run have in common, as the keywords of `Container.create`.  Raises PyruncError."""
    options, settings = invocation.options, invocation.settings
    manager = settings.text("cgroup-manager")
    if manager not in (None, "cgroupfs", "systemd", "disabled"):
        raise PyruncError(f"unknown cgroup manager: {manager}", hint="there are cgroupfs, systemd and disabled")
    return {
        "config": options.text("config"),
        "pid_file": options.text("pid-file"),
        "console_socket": options.text("console-socket"),
        "pidfd_socket": options.text("pidfd-socket"),
        "no_pivot": options.flag("no-pivot"),
        "no_new_keyring": options.flag("no-new-keyring"),
        "listen_fds": listen_fds(),
        "notify_socket": notify_socket(),
        "preserve_fds": options.number("preserve-fds"),
        "rootless": rootless_of(invocation),
        "systemd_cgroup": settings.flag("systemd-cgroup") if manager is None else manager == "systemd",
        "no_cgroups": manager == "disabled",
    }


def rootless_of(invocation: "Invocation") -> str:
    """--rootless as "true", "false" or "auto"."""
    from pyrunc.options import TRUE

    value = invocation.settings.text("rootless")
    if value in ("", "auto"):
        return "auto"
    return "true" if value in TRUE else "false"


def listen_fds() -> int:
    """How many descriptors from 3 on are for the container because LISTEN_FDS says so (sd_listen_fds(3))."""
    if b"LISTEN_FDS" not in posix.environ:
        return 0
    from pyrunc import service

    return service.listen_fds(posix.environ, posix.getpid())


def notify_socket() -> "str | None":
    """Where NOTIFY_SOCKET wants to hear that the container is ready (sd_notify(3)), None when it is not set."""
    if not posix.environ.get(b"NOTIFY_SOCKET"):
        return None
    from pyrunc import service

    return service.notify_address(posix.environ)
