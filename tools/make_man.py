"""Writes the manual pages: pyrunc.8, and pyrunc-COMMAND.8 for each command, from the table of commands and options.

usage: VENV/bin/python tools/make_man.py FOLDER

They are in the mdoc language, see mdoc(7).  SOURCE_DATE_EPOCH sets their date.
"""

import os
import re
import sys
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
if str(CHECKOUT) not in sys.path:
    sys.path.insert(0, str(CHECKOUT))

from man_text import DETAILS, ENVIRONMENT, EXIT_STATUS, FILES, OVERVIEW, STATUS_OF_PROCESS  # noqa: E402

from pyrunc import __version__  # noqa: E402
from pyrunc.commands.help import EXAMPLES  # noqa: E402
from pyrunc.options import FLAG, GLOBAL, LIST, Command, Option, all_commands  # noqa: E402

# Whose exit status is that of the process.
RUNNING = ("exec", "restore", "run")


def pages() -> dict[str, str]:
    """All pages by file name."""
    known = dict(sorted(all_commands().items()))
    found = {"pyrunc.8": overview(known)}
    for name, command in known.items():
        found[f"pyrunc-{name}.8"] = page(name, command)
    return found


def overview(known: dict[str, Command]) -> str:
    """The page of pyrunc itself."""
    lines = head("pyrunc", "run containers from OCI bundles")
    lines += [".Sh SYNOPSIS", ".Nm", ".Op Ar global options", ".Ar command", ".Op Ar options", ".Op Ar arguments"]
    lines += [".Sh DESCRIPTION", *paragraphs(OVERVIEW), *options(GLOBAL)]
    lines += [".Sh COMMANDS", ".Bl -tag -width checkpointX"]
    for name, command in known.items():
        lines += [f".It Xr pyrunc-{name} 8", sentence(command.summary)]
    lines += [".El", *environment(), ".Sh FILES", *tags(FILES, "Pa"), ".Sh EXIT STATUS"]
    lines += [*tags(EXIT_STATUS, "Li"), ".Pp", "run and exec:", *paragraphs(STATUS_OF_PROCESS)]
    lines += [".Sh EXAMPLES", *literal(EXAMPLES.split("\n", 1)[1])]
    return finish([*lines, *see_also([f"pyrunc-{name}" for name in known])])


def page(name: str, command: Command) -> str:
    """The page of one command."""
    lines = head(f"pyrunc-{name}", command.summary)
    lines += [".Sh SYNOPSIS", ".Nm pyrunc", ".Op Ar global options", f".Cm {name}", ".Op Ar options"]
    for argument in re.findall(r"\[[^]]*\]|\S+", command.arguments):
        inner = argument.strip("<>[]")
        lines.append(f".Op Ar {inner}" if argument.startswith("[") else f".Ar {inner}")
    lines += [".Sh DESCRIPTION", sentence(command.summary)]
    details = DETAILS.get(name, "")
    if details:
        lines += [".Pp", *paragraphs(details)]
    lines += [*options(command.options), ".Sh EXIT STATUS"]
    if name in RUNNING:
        lines += [*paragraphs(STATUS_OF_PROCESS), "When pyrunc itself fails:"]
    lines.append("255." if name == "exec" else "0, or 1 after an error." if name not in RUNNING else "1.")
    if command.example:
        lines += [".Sh EXAMPLES", *literal(command.example)]
    return finish([*lines, *see_also(["pyrunc"])])


def head(name: str, summary: str) -> list[str]:
    """The first lines of a page."""
    when = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()))
    date = f"{time.strftime('%B', when)} {when.tm_mday}, {when.tm_year}"
    lines = ['.\\" Made by tools/make_man.py from the table of commands and options.', f".Dd {date}"]
    return [
        *lines,
        f".Dt {name.upper()} 8",
        f".Os pyrunc {__version__}",
        ".Sh NAME",
        f".Nm {name}",
        f".Nd {text(summary)}",
    ]


def options(known: Iterable[Option]) -> list[str]:
    """The section of the options that are supported; --help is one of them."""
    supported = [option for option in known if option.supported]
    section = ".Sh GLOBAL OPTIONS" if any(option.name == "root" for option in supported) else ".Sh OPTIONS"
    lines = [section, ".Bl -tag -width Ds"]
    for option in [*supported, Option("help", "h", FLAG, "", "show a summary")]:
        names = [f"Fl {option.short}"] if option.short else []
        names.append(f"Fl -{option.name}")
        value = "" if option.kind == FLAG else f" Ar {macro_argument(option.metavar)}"
        repeat = " No ..." if option.kind == LIST else ""
        lines += [".It " + " , ".join(names) + value + repeat, sentence(option.help)]
    return [*lines, ".El"]


def environment() -> list[str]:
    """The section of the environment."""
    return [".Sh ENVIRONMENT", *tags(ENVIRONMENT, "Ev")]


def tags(entries: Iterable[tuple[str, str]], macro: str) -> list[str]:
    """A list of words with what they mean."""
    lines = [".Bl -tag -width Ds"]
    for word, meaning in entries:
        lines += [f".It {macro} {macro_argument(word)}", text(meaning)]
    return [*lines, ".El"]


def see_also(names: Iterable[str]) -> list[str]:
    """The last section."""
    others = [f".Xr {name} 8 ," for name in sorted(names)]
    return [".Sh SEE ALSO", *others, ".Lk https://github.com/opencontainers/runtime-spec", ""]


def paragraphs(plain: str) -> list[str]:
    """Paragraphs of plain text, which empty lines divide."""
    lines: list[str] = []
    for paragraph in plain.split("\n\n"):
        lines.append(".Pp")
        for part in re.split(r"(?<=[.:])\s", paragraph.strip()):  # roff wants a sentence to begin a line
            lines += map(text, textwrap.wrap(part, 76, break_on_hyphens=False, break_long_words=False))
    return lines[1:]


def literal(example: str) -> list[str]:
    """Lines that stand as they are."""
    return [".Bd -literal", *map(text, example.rstrip().splitlines()), ".Ed"]


def sentence(words: str) -> str:
    """A summary or help text as a sentence."""
    return text(words[:1].upper() + words[1:].rstrip(".") + ".")


def text(words: str) -> str:
    """Plain text, with what means something to roff taken for itself."""
    words = words.replace("\\", "\\e").replace("--", "\\-\\-")
    return "\\&" + words if words[:1] in (".", "'") else words


def macro_argument(words: str) -> str:
    """The same as one argument of a macro."""
    return '"' + text(words).replace('"', '""') + '"' if re.search(r"[\s\"|]|^[\[(]", words) else text(words)


def finish(lines: Iterable[str]) -> str:
    """The file's content."""
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> None:
    """Writes all pages into a folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (folder / name).write_text(content)


if __name__ == "__main__":
    main()
