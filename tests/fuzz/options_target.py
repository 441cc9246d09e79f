"""Command lines: an invocation that is what the help promises, or a usage error that names what is wrong.

The words of a command line are an input's parts between NULs.  A second parser, made from the help's own table and a
few sentences of Go's flag package, says what each should be.  Of what is taken the values are read, as far as that
needs no container.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from random import Random
from typing import Any
from unittest.mock import patch

from pyrunc import cli, log, options
from pyrunc.commands import creation_options, events, help, kill, update
from pyrunc.commands import exec as exec_command
from pyrunc.errors import PyruncError
from pyrunc.options import GLOBAL, UsageError, Values, all_commands
from pyrunc.spec.check import check_process, check_resources
from tests.fuzz.target import Target

SUGGESTED = (
    "", "-", "--", "---", "--=", "-=x", "-h", "--help", "-v", "--version", "=", "x", "c1", "1", "0", "true", "false",
    "1.5GiB", "-1b", "1kb", "T", "yes", "-1", "+1", "1_0", " 7", "\u0663", "4294967294", "4294967295", "9" * 20,
    "64M", ".5m", "1e3", "k", "b", "ib", "0x10", "5s", "1h30m", "1.5", "-3ms", "9999999999h", "\u00b5s", "1\u00b5s",
    "KILL", "sigrtmin+3", "RTMAX-64", "RTMIN+", "65", "1000:1000", "1000:", ":", "0:4294967295", "NAME=VALUE", "=",
    "CAP_CHOWN", "chown", "ALL", "json", "table", "/", "..", "add", "remove", "network", "\udcff", "\n", "a\nb",
)  # fmt: skip


class Reference:
    """What a help page promises: names of options, whether they take a value, and of which kind."""

    def __init__(self, name: str, known: "tuple[options.Option, ...]") -> None:
        parser = help._parser(name, "", known, "")
        self.flags: set[str] = set()
        self.lists: set[str] = set()
        self.numbers = {option.name for option in known if option.kind == options.INTEGER}
        self.long: dict[str, str] = {}
        for action in parser._actions:
            long = next(text for text in action.option_strings if text.startswith("--"))[2:]
            for text in action.option_strings:
                self.long[text.lstrip("-")] = long
            if action.nargs == 0:
                self.flags.add(long)
            elif type(action).__name__ == "_AppendAction":
                self.lists.add(long)

    def read(self, words: list[str], interspersed: bool) -> "tuple[dict[str, Any], list[str]] | None":
        """The options and arguments; None when something is wrong."""
        given: dict[str, Any] = {}
        arguments: list[str] = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "--":
                break
            if not word.startswith("-") or word == "-":
                arguments.append(word)
                if interspersed:
                    continue
                break
            name, *value = word.removeprefix("-").removeprefix("-").split("=", 1)
            long = self.long.get(name, "")
            if not long:
                return None
            if long == "help":  # whatever it is said to be, as with Go's
                given[long] = True
                continue
            if long in self.flags:
                if value and value[0] not in options.TRUE + options.FALSE:
                    return None
                given[long] = not value or value[0] in options.TRUE
                continue
            if not value and not rest:
                return None
            text = value[0] if value else rest.pop(0)
            if long in self.numbers:
                if not text or set(text) - set("0123456789") or len(text) > 10 or int(text) > options.MAX_INTEGER:
                    return None
                given[long] = int(text)
            elif long in self.lists:
                given.setdefault(long, []).append(text)
            else:
                given[long] = text
        return given, arguments + rest


class OptionsTarget(Target):
    """Command lines."""

    name = "options"

    def setup(self) -> None:
        """The parsers made from the help, and a command line that only looks like one to the log."""
        self.commands = all_commands()
        self.globals = Reference("pyrunc", GLOBAL)
        self.references = {name: Reference(name, command.options) for name, command in self.commands.items()}
        self.names = [f"--{option.name}" for command in self.commands.values() for option in command.options]
        self.names += [
            f"-{option.short}" for command in self.commands.values() for option in command.options if option.short
        ]
        self.names += [f"--{option.name}" for option in GLOBAL]
        self.told: list[str] = []
        # Parsing is what is looked at: nothing is opened, closed, performed or printed.
        self.instead = ExitStack()
        for place, name, what in (
            (log, "error", self.tell),
            (log, "configure", lambda *_: None),
            (cli, "_close_inherited", lambda *_: None),
            (cli, "_perform", lambda _: 0),
            (help, "write", lambda _: None),
        ):
            self.instead.enter_context(patch.object(place, name, what))

    def tell(self, message: str, details: Sequence[str] = ()) -> None:
        """Takes the place of log.error()."""
        self.told.append("\n".join([message, *details]))

    def close(self) -> None:
        """Puts back what was taken away."""
        self.instead.close()

    def seeds(self) -> list[bytes]:
        """Each command with each of its options."""
        found = [["--root", "/x", "--debug", "--log-format=json", "list"], ["help", "run"], []]
        for name, command in self.commands.items():
            arguments = ["c1", "x", "y"][: max(command.minimum, 0)]
            found.append([name, *arguments])
            for option in command.options:
                value = [] if option.kind == options.FLAG else ["1"]
                found.append([name, f"--{option.name}", *value, *arguments])
        return [joined(words) for words in found]

    def mutate(self, data: bytes, random: Random) -> bytes:
        """Words taken out, put in, exchanged, glued; sometimes bytes."""
        if random.randrange(8) == 0:
            return super().mutate(data, random)
        words = split(data)
        for _ in range(random.choice((1, 1, 2, 4))):
            place = random.randrange(len(words) + 1)
            how = random.randrange(6)
            if how == 0 and place < len(words):
                del words[place]
            elif how == 1 and place < len(words):
                words[place] = random.choice(SUGGESTED)
            elif how == 2 and place < len(words):
                words[place] += random.choice(("=", "-", "")) + random.choice(SUGGESTED)
            elif how == 3:
                words.insert(place, random.choice(self.names).replace("--", random.choice(("--", "-"))))
            elif how == 4:
                words.insert(place, f"{random.choice(self.names)}={random.choice(SUGGESTED)}")
            else:
                words.insert(place, random.choice((*SUGGESTED, *self.commands)))
        return joined(words)

    def check(self, data: bytes) -> str:
        """One command line, by its parts and as a whole."""
        words = split(data)
        status, label = self.parse(words)
        self.told.clear()
        actual = cli.main(words)
        assert actual == status, f"status {actual}, not {status}: {self.told}"
        assert bool(self.told) == (status != 0), f"status {status}, told: {self.told}"
        assert not any("internal error" in text for text in self.told), self.told
        return label

    def parse(self, words: list[str]) -> tuple[int, str]:
        """The exit status that the command line has to have, and what it is like."""
        expected = self.globals.read(words, False)
        try:
            settings, rest = options.parse_global(words)
        except UsageError as error:
            return 1, self.refused(error, expected, words, "")
        assert expected is not None, "the help promises no such global options"
        self.same(settings, self.globals, expected[0])
        assert rest == expected[1], f"other words are left: {rest}, not {expected[1]}"
        if not rest or settings.help or settings.flag("version") or rest[0] in ("help", "h"):
            topic = rest[1:2] if rest and rest[0] in ("help", "h") else []
            return (3 if topic and topic[0] not in self.commands else 0), "help"
        command = rest[0]
        if command not in self.commands:
            return 3, "unknown"
        return self.parse_command(settings, command, rest[1:])

    def parse_command(self, settings: Values, command: str, words: list[str]) -> tuple[int, str]:
        """The same behind the command's name."""
        known, reference = self.commands[command], self.references[command]
        expected = reference.read(words, known.interspersed)
        try:
            invocation = options.parse_command(settings, command, words)
        except UsageError as error:
            if expected is not None and "requires" in error.reason:
                count = len(expected[1])
                assert count < known.minimum or count > known.maximum >= 0, "the number of arguments is right"
                assert f'"{command}"' in error.reason, f"does not name the command: {error.reason}"
                return 1, f"{command}: count"
            return 1, self.refused(error, expected, words, command)
        assert expected is not None, f"the help promises no such options: {words}"
        self.same(invocation.options, reference, expected[0])
        if settings.text("root") == "" and not invocation.options.help and command not in cli._WITHOUT_STATE:
            return 1, "an empty root"
        assert invocation.arguments == expected[1], f"other arguments: {invocation.arguments}"
        if not invocation.options.help:
            self.read_values(invocation)
        return 0, f"{command}: " + " ".join(sorted(expected[0])[:3])

    def refused(self, error: UsageError, expected: Any, words: list[str], command: str) -> str:
        """A usage error is one for the second parser, too, has its command, and names a word or the option in it."""
        assert expected is None, f"refused, but the help promises it: {error}"
        assert error.command == command, f"said to be of {error.command!r}, not {command!r}"
        assert f"pyrunc {command}".strip() in error.hint, f"a hint for something else: {error.hint}"
        named = [word.lstrip("-").partition("=")[0] for word in words if word.startswith("-")]
        assert any(name in error.reason for name in named), f"does not name the option: {error.reason}"
        return f"{command}: {error.reason.partition(':')[0][:16]}"

    def same(self, values: Values, reference: Reference, given: dict[str, Any]) -> None:
        """What was given is had, with its value; nothing else is."""
        assert values.help == ("help" in given), "help or no help"
        for name in set(reference.long.values()) - {"help"}:
            assert values.is_set(name) == (name in given), f"--{name}: given or not"
            if name in given:
                read: Callable[[str], object] = values.text
                if name in reference.flags:
                    read = values.flag
                elif name in reference.lists:
                    read = values.texts
                elif name in reference.numbers:
                    read = values.number
                assert read(name) == given[name], f"--{name}: another value: {read(name)!r}, not {given[name]!r}"

    def read_values(self, invocation: options.Invocation) -> None:
        """The commands' own reading of values: right or a PyruncError."""
        command, values, arguments = invocation.command, invocation.options, invocation.arguments
        try:
            if command == "update":
                check_resources(update.resources_of(values))
            elif command == "kill" and len(arguments) > 1:
                assert 0 <= kill.parse_signal(arguments[1]) <= 64, "no signal"
            elif command == "exec" and arguments[1:]:
                check_process(exec_command.process_with({"cwd": "/"}, values, arguments[1:]))
            elif command == "events":
                events.parse_duration(values.text("interval") or "")
            elif command in ("create", "run"):
                creation_options(invocation)
        except PyruncError as error:
            assert str(error).strip(), "no words"


def split(data: bytes) -> list[str]:
    """The words of an input, as the interpreter decodes a command line."""
    return [part.decode("utf-8", "surrogateescape") for part in data.split(b"\0")] if data else []


def joined(words: list[str]) -> bytes:
    """The input of these words, which cannot hold NULs."""
    return b"\0".join(word.encode("utf-8", "surrogateescape").replace(b"\0", b"") for word in words)
