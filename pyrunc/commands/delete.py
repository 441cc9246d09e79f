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
        Container.load(invocation.root, invocation.arguments[0]).delete(force=force)
    except ContainerNotFound:
        if not force:  # else another has deleted it meanwhile, or before: what was asked for
            raise
    return 0
