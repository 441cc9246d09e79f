"""pyrunc delete: removes a stopped container, with --force any."""

from pyrunc.container import Container
from pyrunc.errors import ContainerNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Deletes the container.  Raises PyruncError."""
    force = invocation.options.flag("force")
    try:
        container = Container.load(invocation.root, invocation.arguments[0])
    except ContainerNotFound:
        if force:
            return 0
        raise
    container.delete(force=force)
    return 0
