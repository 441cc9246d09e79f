"""What --help and --version print.  Nothing but these loads argparse, which renders the table of options.py."""

import argparse

from pyrunc import __version__
from pyrunc.commands import write
from pyrunc.options import FLAG, GLOBAL, LIST, Option, Values, all_commands

SPEC_VERSION = "1.3.0"

DESCRIPTION = """\
Runs containers from OCI bundles: a bundle is a directory with a config.json and a root filesystem.
Engines call this command as they call runc.
"""

EXAMPLES = """\
examples:
  pyrunc spec                          write a config.json into the current directory
  pyrunc run web1                      run it as container web1, until its process ends
  pyrunc create web1                   or step by step: everything but the process,
  pyrunc start web1                    then the process
  pyrunc exec -t web1 sh               a shell in the running container
  pyrunc kill web1 TERM                ask it to end
  pyrunc delete web1                   and remove it
"""


def run(settings: Values, words: list[str]) -> int:
    """Performs `--version`, `--help`, `help [COMMAND]` and the bare `pyrunc`; returns the exit status."""
    if words and words[0] in ("help", "h"):
        words = words[1:]
        if words and words[0] not in all_commands():
            from pyrunc import log

            log.error(f"No help topic for '{words[0]}'", ["hint: pyrunc --help lists the commands"])
            return 3
        if words:
            show_command(words[0])
            return 0
    elif settings.flag("version") and not settings.help:
        write(version_text())
        return 0
    write(general_text())
    return 0


def version_text() -> str:
    """The version in runc's form, whose lines "... version X" and "commit: X" dockerd reads."""
    import sys

    import pyrunc

    lines = [f"pyrunc version {__version__}"]
    commit = getattr(pyrunc, "__commit__", "")
    if commit:
        lines.append(f"commit: {commit}")
    lines.append(f"spec: {SPEC_VERSION}")
    lines.append(f"python: {sys.version.split()[0]}")
    return "\n".join(lines) + "\n"


def show_command(command: str) -> None:
    """Prints the help of one command."""
    write(command_text(command))


def general_text() -> str:
    """The help of pyrunc itself."""
    parser = _parser("pyrunc", DESCRIPTION, GLOBAL, EXAMPLES)
    parser.usage = "pyrunc [global options] COMMAND [options] [arguments...]"
    group = parser.add_argument_group("commands", "`pyrunc COMMAND --help` says more")
    group.add_argument("help", help="show this help, or that of a command")
    for name, command in sorted(all_commands().items()):
        group.add_argument(name, help=_escape(command.summary))
    return parser.format_help()


def command_text(name: str) -> str:
    """The help of one command."""
    command = all_commands()[name]
    example = "\n".join("  " + line for line in command.example.splitlines())
    parser = _parser(
        f"pyrunc {name}",
        command.summary[:1].upper() + command.summary[1:] + ".",
        command.options,
        f"example:\n{example}\n" if example else "",
    )
    parser.usage = " ".join(word for word in (f"pyrunc {name}", "[options]", command.arguments) if word)
    return parser.format_help()


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34)


def _parser(program: str, description: str, known: "tuple[Option, ...]", epilog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        program, description=description, epilog=epilog, formatter_class=_Formatter, add_help=False
    )
    group = parser.add_argument_group("global options" if known is GLOBAL else "options")
    for option in known:
        if not option.supported:
            continue
        names = [f"--{option.name}"]
        if option.short:
            names.insert(0, f"-{option.short}")
        if option.kind == FLAG:
            group.add_argument(*names, action="store_true", help=_escape(option.help))
        else:
            action = "append" if option.kind == LIST else "store"
            group.add_argument(*names, action=action, metavar=option.metavar, help=_escape(option.help))
    group.add_argument("-h", "--help", action="store_true", help="show this help")
    return parser


def _escape(text: str) -> str:
    return text.replace("%", "%%")
