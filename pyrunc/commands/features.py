"""pyrunc features: what this pyrunc can do, as JSON."""

from pyrunc.commands import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(_invocation: "Invocation") -> int:
    """Prints the features.  Raises PyruncError."""
    from pyrunc.fastjson import dumps
    from pyrunc.features import features

    write(dumps(features(), indent="    ") + "\n")
    return 0
