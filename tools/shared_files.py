"""What is installed for people: manual pages, and completion for the shells, where those look for it."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
if str(CHECKOUT) not in sys.path:
    sys.path.insert(0, str(CHECKOUT))

import make_man  # noqa: E402

from pyrunc.commands import completion  # noqa: E402

COMPLETIONS = {
    "bash": "share/bash-completion/completions/pyrunc",
    "zsh": "share/zsh/site-functions/_pyrunc",
    "fish": "share/fish/vendor_completions.d/pyrunc.fish",
}


def shared_files() -> dict[str, str]:
    """Their contents by path, relative to PREFIX."""
    found = {path: completion.script(shell) for shell, path in COMPLETIONS.items()}
    for name, text in make_man.pages().items():
        found[f"share/man/man8/{name}"] = text
    return found
