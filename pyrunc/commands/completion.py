"""pyrunc completion: prints the script that completes pyrunc's command line in a shell."""

from pyrunc.commands import write
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Prints the script for bash, zsh or fish.  Raises PyruncError."""
    write(script(invocation.arguments[0]))
    return 0


def script(shell: str) -> str:
    """The script for that shell.  Raises PyruncError for one that is not known."""
    if shell == "bash":
        from pyrunc.shells import bash

        return bash.script()
    if shell == "zsh":
        from pyrunc.shells import zsh

        return zsh.script()
    if shell == "fish":
        from pyrunc.shells import fish

        return fish.script()
    raise PyruncError(f'unknown shell "{shell}"', hint="there are completions for bash, zsh and fish")
