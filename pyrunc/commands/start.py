"""pyrunc start: lets the process of a created container go."""

from pyrunc.commands import notify_socket
from pyrunc.container import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Starts the container.  Raises PyruncError."""
    Container.load(invocation.root, invocation.arguments[0]).start(notify_socket())
    return 0
