"""pyrunc run: create, start, and (without --detach) wait and delete."""

from pyrunc.commands import bundle_of, creation_options
from pyrunc.container import Container
from pyrunc.foreground import become_subreaper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Runs the container and returns its process's exit status, 0 with --detach.  Raises PyruncError."""
    options = invocation.options
    detach = options.flag("detach")
    # Orphans of the container come to us, whose end would otherwise be nobody's business here.
    subreaper = not detach and not options.flag("no-subreaper")
    if subreaper:
        become_subreaper()
    return Container.run(
        invocation.root,
        invocation.arguments[0],
        bundle_of(invocation),
        detach=detach,
        keep=options.flag("keep"),
        reap_orphans=subreaper,
        **creation_options(invocation),
    )
