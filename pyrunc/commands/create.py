"""pyrunc create: everything up to the user's process, which waits for `start`."""

from pyrunc.commands import bundle_of, rootless_of
from pyrunc.container import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Creates the container.  Raises PyruncError."""
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
        systemd_cgroup=invocation.settings.flag("systemd-cgroup"),
    )
    return 0
