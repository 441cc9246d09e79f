"""pyrunc run: create, start, and (without --detach) wait and delete."""

from pyrunc.commands import bundle_of, refuse_systemd_cgroup, rootless_of
from pyrunc.container import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Runs the container and returns its process's exit status, 0 with --detach.  Raises PyruncError."""
    refuse_systemd_cgroup(invocation)
    options = invocation.options
    return Container.run(
        invocation.root,
        invocation.arguments[0],
        bundle_of(invocation),
        detach=options.flag("detach"),
        keep=options.flag("keep"),
        no_subreaper=options.flag("no-subreaper"),
        pid_file=options.text("pid-file"),
        console_socket=options.text("console-socket"),
        no_pivot=options.flag("no-pivot"),
        no_new_keyring=options.flag("no-new-keyring"),
        preserve_fds=options.number("preserve-fds"),
        rootless=rootless_of(invocation),
    )
