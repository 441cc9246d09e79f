"""pyrunc create: everything up to the user's process, which waits for `start`."""

from pyrunc.commands import bundle_of, refuse_systemd_cgroup, rootless_of
from pyrunc.container import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Creates the container.  Raises PyruncError."""
    refuse_systemd_cgroup(invocation)
    options = invocation.options
    Container.create(
        invocation.root,
        invocation.arguments[0],
        bundle_of(invocation),
        pid_file=options.text("pid-file"),
        console_socket=options.text("console-socket"),
        no_pivot=options.flag("no-pivot"),
        no_new_keyring=options.flag("no-new-keyring"),
        preserve_fds=options.number("preserve-fds"),
        rootless=rootless_of(invocation),
    )
    return 0
