"""pyrunc state: the container's state as JSON on stdout."""

from pyrunc.commands import write
from pyrunc.container import Container
from pyrunc.fastjson import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Prints the state.  Raises PyruncError."""
    write(dumps(Container.load(invocation.root, invocation.arguments[0]).state(), indent=True) + "\n")
    return 0
