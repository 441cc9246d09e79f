"""pyrunc pause: stops all processes of a container until `resume`."""

from pyrunc.container import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Pauses the container.  Raises PyruncError."""
    Container.load(invocation.root, invocation.arguments[0]).pause()
    return 0
