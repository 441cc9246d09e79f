"""What can stand in each place of the command line: what all three shells need to know of the table.

A place takes files (FILE), directories (DIRECTORY), container ids (ID), signals (SIGNAL), one of a few words
(separated by "|", as in "text|json"), or something that no shell can guess (ANYTHING).
"""

from pyrunc.commands.kill import NAMES
from pyrunc.options import FLAG, GLOBAL, Command, Option, all_commands

FILE = "FILE"
DIRECTORY = "DIRECTORY"
ID = "ID"
SIGNAL = "SIGNAL"
ANYTHING = "ANYTHING"

SIGNALS = (*NAMES, "RTMIN", "RTMAX")

# These take the id of a container that is to be: none that exists is right.
MAKING = ("create", "restore", "run")

# Of the container's files: those of the host would mislead.
INSIDE = ("cwd",)

# More that can follow the program's name than the table of commands has.
EXTRA = {"help": "show the help of a command"}


def commands() -> dict[str, Command]:
    """The commands by name, in alphabetical order."""
    return dict(sorted(all_commands().items()))


def options(command: str) -> list[Option]:
    """The options of a command ("": the global ones) that are supported; --help is one of them."""
    known = all_commands()[command].options if command else GLOBAL
    return [*(option for option in known if option.supported), Option("help", "h", FLAG, "", "show this help")]


def value(option: Option) -> str:
    """What the option takes: one of the constants above, or words like "text|json"; "" for a flag."""
    if option.kind == FLAG:
        return ""
    if option.name in INSIDE:
        return ANYTHING
    if option.metavar in ("FILE", "SOCKET"):
        return FILE
    if option.metavar == "DIR":
        return DIRECTORY
    return option.metavar if "|" in option.metavar else ANYTHING


def arguments(name: str) -> list[str]:
    """What a command's arguments are, in order, as for `value`; what follows them can be anything."""
    found = []
    for word in all_commands()[name].arguments.split():
        if word == "<container-id>":
            found.append(ANYTHING if name in MAKING else ID)
        elif word == "[signal]":
            found.append(SIGNAL)
        elif word == "<bundle>":
            found.append(DIRECTORY)
        elif word == "<file>":
            found.append(FILE)
        elif "|" in word:
            found.append(word.strip("<>"))
        else:
            break
    return found
