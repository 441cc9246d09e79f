"""pyrunc resume: lets the processes of a paused container go on."""

from pyrunc.container import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Resumes the container.  Raises PyruncError."""
    Container.load(invocation.root, invocation.arguments[0]).resume()
    return 0
