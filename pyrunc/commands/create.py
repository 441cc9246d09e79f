"""pyrunc create: everything up to the user's process, which waits for `start`."""

from pyrunc.commands import bundle_of, creation_options
from pyrunc.container import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Creates the container.  Raises PyruncError."""
    Container.create(
        invocation.root,
        invocation.arguments[0],
        bundle_of(invocation),
        hold=invocation.own_process,
        **creation_options(invocation),
    )
    return 0
