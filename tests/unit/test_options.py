"""The parser of the command line, and the table it reads."""

import pytest

from pyrunc import options
from pyrunc.options import FLAG, GLOBAL, INTEGER, LIST, STRING, Invocation, UsageError, Values, all_commands


def parse(*argv: str) -> Invocation:
    settings, rest = options.parse_global(list(argv))
    return options.parse_command(settings, rest[0], rest[1:])


def error(*argv: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(*argv)
    return str(caught.value)


@pytest.mark.parametrize(
    "argv",
    [
        ["create", "--bundle", "/b", "--pid-file", "p", "id"],
        ["create", "--bundle=/b", "--pid-file=p", "id"],
        ["create", "-bundle", "/b", "-pid-file=p", "id"],
        ["create", "-b", "/b", "--pid-file", "p", "id"],
        ["create", "id", "-b=/b", "--pid-file", "p"],
        ["create", "--bundle", "/b", "id", "--pid-file", "p"],
        ["create", "--bundle", "/b", "--pid-file", "p", "--", "id"],
        ["create", "-b", "/first", "-b", "/b", "--pid-file", "p", "id"],
    ],
)
def test_spellings(argv: list[str]) -> None:
    invocation = parse(*argv)
    assert invocation.arguments == ["id"]
    assert invocation.options.text("bundle") == "/b"
    assert invocation.options.text("pid-file") == "p"
    assert invocation.options.text("console-socket") is None
    assert not invocation.options.is_set("no-pivot")


def test_values_that_look_like_options() -> None:
    invocation = parse("exec", "--cwd", "--env", "-e", "-x", "id", "ls")
    assert invocation.options.text("cwd") == "--env"
    assert invocation.options.texts("env") == ["-x"]
    assert parse("create", "--bundle=a=b", "id").options.text("bundle") == "a=b"
    assert parse("create", "--bundle=", "id").options.text("bundle") == ""


def test_global_options_come_first() -> None:
    invocation = parse("--root=/r", "--log-format", "json", "-debug", "kill", "--all", "id", "9")
    assert invocation.settings.text("root") == "/r"
    assert invocation.settings.text("log-format") == "json"
    assert invocation.settings.flag("debug")
    assert invocation.options.flag("all")
    assert invocation.arguments == ["id", "9"]
    assert error("kill", "--root", "/r", "id") == "flag provided but not defined: -root"


@pytest.mark.parametrize("argv", [["--all", "id", "9"], ["id", "9", "--all"], ["id", "--all", "9"], ["-a", "id", "9"]])
def test_flags_take_no_value(argv: list[str]) -> None:
    invocation = parse("kill", *argv)
    assert invocation.options.flag("all")
    assert invocation.arguments == ["id", "9"]


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "True"])
def test_true(text: str) -> None:
    assert parse("delete", f"--force={text}", "id").options.flag("force")


@pytest.mark.parametrize("text", ["0", "f", "F", "false", "FALSE", "False"])
def test_false(text: str) -> None:
    invocation = parse("delete", f"--force={text}", "id")
    assert not invocation.options.flag("force")
    assert invocation.options.is_set("force")


def test_after_the_container_everything_is_the_process_of_exec() -> None:
    invocation = parse("exec", "-t", "--env", "A=B", "-e", "C=D", "id", "ls", "-l", "--env", "x", "--", "--help")
    assert invocation.arguments == ["id", "ls", "-l", "--env", "x", "--", "--help"]
    assert invocation.options.texts("env") == ["A=B", "C=D"]
    assert not invocation.options.help
    assert parse("exec", "--", "id", "-x").arguments == ["id", "-x"]


def test_an_argument_may_be_empty_or_a_dash() -> None:
    assert parse("state", "").arguments == [""]
    assert parse("state", "-").arguments == ["-"]
    assert parse("state", "--", "-x").arguments == ["-x"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["create", "--nosuch", "id"], "flag provided but not defined: -nosuch"),
        (["create", "id", "--nosuch=1"], "flag provided but not defined: -nosuch"),
        (["kill", "id", "-9"], "flag provided but not defined: -9"),
        (["list", "-fjson"], "flag provided but not defined: -fjson"),
        (["create", "--bundle"], "flag needs an argument: -bundle"),
        (["create", "id", "-b"], "flag needs an argument: -b"),
        (["delete", "--force=maybe", "id"], 'invalid boolean value "maybe" for -force: parse error'),
        (["delete", "--force=", "id"], 'invalid boolean value "" for -force: parse error'),
        (["create", "---bundle", "x", "id"], "bad flag syntax: ---bundle"),
        (["create", "--=x", "id"], "bad flag syntax: --=x"),
        (["create", "--preserve-fds", "x", "id"], 'invalid value "x" for flag -preserve-fds: parse error'),
        (["create", "--preserve-fds", "-1", "id"], 'invalid value "-1" for flag -preserve-fds: parse error'),
        (["create", "--preserve-fds=", "id"], 'invalid value "" for flag -preserve-fds: parse error'),
        (["create", "--preserve-fds= 3", "id"], 'invalid value " 3" for flag -preserve-fds: parse error'),
        (["create", "--preserve-fds=\u0663", "id"], 'invalid value "\u0663" for flag -preserve-fds: parse error'),
        (["create", "--preserve-fds=1_0", "id"], 'invalid value "1_0" for flag -preserve-fds: parse error'),
        (
            ["create", "--preserve-fds=99999999999999999999", "id"],
            'invalid value "99999999999999999999" for flag -preserve-fds: value out of range',
        ),
        (
            ["create", "--preserve-fds=4294967295", "id"],
            'invalid value "4294967295" for flag -preserve-fds: value out of range',
        ),
        (["create"], 'pyrunc: "create" requires exactly 1 argument(s)'),
        (["create", "a", "b"], 'pyrunc: "create" requires exactly 1 argument(s)'),
        (["list", "a"], 'pyrunc: "list" requires exactly 0 argument(s)'),
        (["kill"], 'pyrunc: "kill" requires a minimum of 1 argument(s)'),
        (["kill", "a", "b", "c"], 'pyrunc: "kill" requires a maximum of 2 argument(s)'),
        (["exec"], 'pyrunc: "exec" requires a minimum of 1 argument(s)'),
        (["--debug=maybe", "list"], 'invalid boolean value "maybe" for -debug: parse error'),
    ],
)
def test_errors(argv: list[str], message: str) -> None:
    assert error(*argv) == message


def test_help_is_an_option_of_every_command() -> None:
    for command in all_commands():
        assert parse(command, "--help").options.help
        assert parse(command, "-h").options.help


def test_a_name_that_is_not_in_the_table_is_a_bug() -> None:
    values = Values(GLOBAL, {})
    with pytest.raises(KeyError):
        values.flag("nosuch")
    with pytest.raises(KeyError):
        values.text("debug")


def test_the_table_is_sound() -> None:
    for known in (GLOBAL, *(command.options for command in all_commands().values())):
        names = [name for option in known for name in (option.name, option.short) if name]
        assert len(names) == len(set(names))
        assert not {"help", "h"} & set(names)
        for option in known:
            assert option.kind in (FLAG, STRING, INTEGER, LIST)
            assert bool(option.metavar) == (option.kind != FLAG)
            assert bool(option.help) or not option.supported
    for command in all_commands().values():
        assert command.minimum <= command.maximum or command.maximum == -1
