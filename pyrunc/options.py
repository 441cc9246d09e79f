"""The command line: the table of commands and options, and the small parser that reads it.

The syntax is that of Go's flag package as runc uses it: one dash or two, "--name value" or "--name=value",
"--" ends the options.  Options may follow a command's arguments, except for exec, where everything after the
container's id belongs to the process.  The phrases of errors are runc's.

argparse would cost several milliseconds in every call, so it only renders help (commands/help.py), from this
same table.
"""

from pyrunc.errors import PyruncError

FLAG = 0
STRING = 1
INTEGER = 2
LIST = 3

# The largest number that any option takes: a user id, 2**32-1 being "no change" to the kernel.
MAX_INTEGER = 2**32 - 2

TRUE = ("1", "t", "T", "true", "TRUE", "True")
FALSE = ("0", "f", "F", "false", "FALSE", "False")


class UsageError(PyruncError):
    """The command line is wrong.  command is the one it was for, "" for a global option."""

    def __init__(self, reason: str, command: str = "") -> None:
        super().__init__(reason, hint=f"see pyrunc {command} --help" if command else "see pyrunc --help")
        self.command = command


class Option:
    """One option: --name (and -short).  metavar names its value in the help
    (FILE, SOCKET, DIR, and words like text|json are completed by shells); default is what it is when absent.

    An option that is not supported is in the table so that it is refused by name and never taken for a typing
    error.
    """

    __slots__ = ("default", "help", "kind", "metavar", "name", "short", "supported")

    def __init__(
        self,
        name: str,
        short: str,
        kind: int,
        metavar: str,
        help: str,
        default: "str | int | None" = None,
        supported: bool = True,
    ) -> None:
        self.name = name
        self.short = short
        self.kind = kind
        self.metavar = metavar
        self.help = help
        self.default = default
        self.supported = supported


class Command:
    """One command.

    arguments:    what follows the options, as shown in the help
    minimum, maximum: how many arguments there may be (maximum -1: any number)
    interspersed: options may also follow the arguments
    example:      for the help
    """

    __slots__ = ("arguments", "example", "interspersed", "maximum", "minimum", "options", "summary")

    def __init__(
        self,
        summary: str,
        arguments: str,
        minimum: int,
        maximum: int,
        options: "tuple[Option, ...]" = (),
        interspersed: bool = True,
        example: str = "",
    ) -> None:
        self.summary = summary
        self.arguments = arguments
        self.minimum = minimum
        self.maximum = maximum
        self.options = options
        self.interspersed = interspersed
        self.example = example


GLOBAL = (
    Option("debug", "", FLAG, "", "say what is done, and show a traceback with an error"),
    Option("log", "", STRING, "FILE", "append errors (with --debug everything) to FILE"),
    Option("log-format", "", STRING, "text|json", "how the log is written (default: text)", "text"),
    Option(
        "log-level", "", STRING, "error|warning|debug", "what is told (default: warning; debug is --debug)", "warning"
    ),
    Option("root", "", STRING, "DIR", "where the state of containers is kept (default: /run/pyrunc)"),
    Option(
        "systemd-cgroup",
        "",
        FLAG,
        "",
        'let systemd make the cgroups; cgroupsPath is then "slice:prefix:name"',
    ),
    Option(
        "cgroup-manager",
        "",
        STRING,
        "cgroupfs|systemd|disabled",
        "who makes the cgroups: pyrunc, systemd or nobody (default: cgroupfs)",
    ),
    Option(
        "rootless",
        "",
        STRING,
        "true|false|auto",
        "ignore that cgroups may not be written (default: auto)",
        "auto",
    ),
    Option("criu", "", STRING, "FILE", "the criu program (default: criu)", "criu"),
    Option("version", "v", FLAG, "", "print the version and exit"),
)

BUNDLE = Option("bundle", "b", STRING, "DIR", "the directory of config.json (default: the current directory)")
_CONFIG = Option("config", "f", STRING, "FILE", "a file to take instead of the bundle's config.json")
CONSOLE_SOCKET = Option(
    "console-socket", "", STRING, "SOCKET", "the AF_UNIX socket that is to receive the terminal's master end"
)
PID_FILE = Option("pid-file", "", STRING, "FILE", "write the process's id to FILE")
_PRESERVE_FDS = Option(
    "preserve-fds", "", INTEGER, "N", "pass N more descriptors (3 and up) to the process (default: 0)", 0
)
_PIDFD_SOCKET = Option(
    "pidfd-socket", "", STRING, "SOCKET", "the AF_UNIX socket that is to receive a pidfd of the process"
)
DETACH = Option("detach", "d", FLAG, "", "do not wait for the process")

_CREATE = (
    BUNDLE,
    _CONFIG,
    CONSOLE_SOCKET,
    _PIDFD_SOCKET,
    PID_FILE,
    Option("no-pivot", "", FLAG, "", "do not use pivot_root, which a root filesystem on a ramdisk refuses"),
    Option("no-new-keyring", "", FLAG, "", "keep the caller's session keyring"),
    _PRESERVE_FDS,
)

# The commands whose every millisecond counts, since engines call them for every container.
COMMANDS = {
    "create": Command(
        "create a container",
        "<container-id>",
        1,
        1,
        _CREATE,
        example="pyrunc create --bundle /srv/web web1\npyrunc start web1",
    ),
    "delete": Command(
        "delete what is left of a container",
        "<container-id>",
        1,
        1,
        (Option("force", "f", FLAG, "", "kill the container first if it is still running"),),
        example="pyrunc delete --force web1",
    ),
    "exec": Command(
        "run another process in a container",
        "<container-id> <command> [args...]",
        1,
        -1,
        (
            CONSOLE_SOCKET,
            _PIDFD_SOCKET,
            Option("cwd", "", STRING, "DIR", "the working directory in the container"),
            Option("env", "e", LIST, "NAME=VALUE", "set an environment variable (may be repeated)"),
            Option("tty", "t", FLAG, "", "give the process a terminal"),
            Option("user", "u", STRING, "UID[:GID]", "run as this user"),
            Option("additional-gids", "g", LIST, "GID", "add a group (may be repeated)"),
            Option("process", "p", STRING, "FILE", "take the whole process from this JSON file"),
            DETACH,
            PID_FILE,
            Option("process-label", "", STRING, "LABEL", "the SELinux label of the process"),
            Option("apparmor", "", STRING, "PROFILE", "the AppArmor profile of the process"),
            Option("no-new-privs", "", FLAG, "", "forbid the process to gain privileges"),
            Option("cap", "c", LIST, "CAP_NAME", "add a capability (may be repeated)"),
            _PRESERVE_FDS,
            Option("cgroup", "", LIST, "[CONTROLLER:]PATH", "run in this sub-cgroup of the container's"),
            Option("ignore-paused", "", FLAG, "", "go on although the container is paused"),
        ),
        interspersed=False,
        example="pyrunc exec -t web1 sh\npyrunc exec --user 1000:1000 --env LANG=C web1 ls -l /srv",
    ),
    "kill": Command(
        "send a signal to a container's first process (default: SIGTERM)",
        "<container-id> [signal]",
        1,
        2,
        (Option("all", "a", FLAG, "", "send it to every process of the container"),),
        example="pyrunc kill web1 KILL\npyrunc kill web1 SIGRTMIN+3",
    ),
    "run": Command(
        "create a container, start it and wait for its end",
        "<container-id>",
        1,
        1,
        (
            *_CREATE,
            DETACH,
            Option("keep", "", FLAG, "", "do not delete the container at its end"),
            Option("no-subreaper", "", FLAG, "", "do not adopt the orphans of the container's processes"),
        ),
        example="pyrunc spec --bundle /srv/web    # then put a root filesystem into /srv/web/rootfs\n"
        "pyrunc run --bundle /srv/web web1",
    ),
    "start": Command("start the user's process in a created container", "<container-id>", 1, 1),
    "state": Command("print the state of a container as JSON", "<container-id>", 1, 1),
}


def find_command(name: str) -> "Command | None":
    """The command of that name, None when there is none."""
    return COMMANDS.get(name) or all_commands().get(name)


def all_commands() -> "dict[str, Command]":
    """All commands by name.  The seldom ones have a module of their own: what every call loads stays small."""
    from pyrunc import options_more

    return {**COMMANDS, **options_more.COMMANDS}


class Values:
    """The options given.  A method for each kind of value; a name that is not in the table is a KeyError."""

    __slots__ = ("_given", "_options", "help")

    def __init__(self, options: "tuple[Option, ...]", given: "dict[str, bool | int | str | list[str]]") -> None:
        self._options = options
        self._given = given
        self.help = "help" in given

    def is_set(self, name: str) -> bool:
        """True when the option was on the command line."""
        return name in self._given

    def flag(self, name: str) -> bool:
        """The value of a FLAG."""
        return self._get(name, FLAG) is True

    def text(self, name: str) -> "str | None":
        """The value of a STRING, None when it has neither been given nor a default."""
        value = self._get(name, STRING)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int:
        """The value of an INTEGER."""
        value = self._get(name, INTEGER)
        return value if isinstance(value, int) else 0

    def texts(self, name: str) -> list[str]:
        """All values of a LIST, in the order given."""
        value = self._get(name, LIST)
        return value if isinstance(value, list) else []

    def _get(self, name: str, kind: int) -> "bool | int | str | list[str] | None":
        if name in self._given:
            return self._given[name]
        for option in self._options:
            if option.name == name and option.kind == kind:
                return option.default
        raise KeyError(name)


class Invocation:
    """A whole command line: settings (the global options), the command's options and its arguments.

    own_process: the process is the command's alone, and ends with it
    """

    __slots__ = ("arguments", "command", "options", "own_process", "root", "settings")

    def __init__(self, settings: Values, command: str, options: Values, arguments: list[str], root: str = "") -> None:
        self.settings = settings
        self.command = command
        self.options = options
        self.arguments = arguments
        self.root = root
        self.own_process = False


def parse_global(argv: list[str]) -> "tuple[Values, list[str]]":
    """The options before the command, and the command with what follows it.  Raises UsageError."""
    return _scan(GLOBAL, argv, interspersed=False)


def parse_command(settings: Values, command: str, argv: list[str]) -> Invocation:
    """The options and arguments of a command of the table, counted.  Raises UsageError."""
    known = find_command(command)
    assert known is not None
    options, arguments = _scan(known.options, argv, known.interspersed, command)
    count = len(arguments)
    if not options.help:
        if known.minimum == known.maximum != count:
            raise UsageError(f'pyrunc: "{command}" requires exactly {known.minimum} argument(s)', command)
        if count < known.minimum:
            raise UsageError(f'pyrunc: "{command}" requires a minimum of {known.minimum} argument(s)', command)
        if count > known.maximum >= 0:
            raise UsageError(f'pyrunc: "{command}" requires a maximum of {known.maximum} argument(s)', command)
    return Invocation(settings, command, options, arguments)


def _scan(
    options: "tuple[Option, ...]", argv: list[str], interspersed: bool, command: str = ""
) -> "tuple[Values, list[str]]":
    names = {}
    for option in options:
        names[option.name] = option
        if option.short:
            names[option.short] = option
    given: "dict[str, bool | int | str | list[str]]" = {}
    arguments: list[str] = []
    position = 0
    while position < len(argv):
        word = argv[position]
        position += 1
        if len(word) < 2 or word[0] != "-":
            arguments.append(word)
            if not interspersed:
                break
            continue
        if word == "--":
            break
        name, equals, value = word[2 if word[1] == "-" else 1 :].partition("=")
        if not name or name[0] == "-":
            raise UsageError(f"bad flag syntax: {word}", command)
        found = names.get(name)
        if found is None:
            if name in ("help", "h"):
                given["help"] = True
                continue
            raise UsageError(f"flag provided but not defined: -{name}", command)
        if not found.supported:
            program = f"pyrunc {command}" if command else "pyrunc"
            raise UsageError(f"{program}: option --{found.name} is not supported", command)
        if found.kind == FLAG:
            given[found.name] = not equals or _boolean(name, value, command)
            continue
        if not equals:
            if position == len(argv):
                raise UsageError(f"flag needs an argument: -{name}", command)
            value = argv[position]
            position += 1
        if found.kind == STRING:
            given[found.name] = value
        elif found.kind == INTEGER:
            given[found.name] = _integer(name, value, command)
        else:
            values = given.setdefault(found.name, [])
            if isinstance(values, list):
                values.append(value)
    return Values(options, given), arguments + argv[position:]


def _boolean(name: str, text: str, command: str) -> bool:
    if text not in TRUE and text not in FALSE:
        raise UsageError(f'invalid boolean value "{text}" for -{name}: parse error', command)
    return text in TRUE


def _integer(name: str, text: str, command: str) -> int:
    # int() alone would take " 7 ", "+7", "1_000" and the digits of every script.
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f'invalid value "{text}" for flag -{name}: parse error', command)
    if len(text) > 10 or int(text) > MAX_INTEGER:
        raise UsageError(f'invalid value "{text}" for flag -{name}: value out of range', command)
    return int(text)
