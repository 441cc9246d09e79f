"""Completion of the command line, asked for in the shells themselves."""

from pathlib import Path

import pytest

from pyrunc.commands.completion import script
from pyrunc.options import all_commands
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.shells import Completer, Terminal, installed

SHELLS = ("bash", "zsh", "fish")
OPTIONS_OF_DELETE = {"--force", "--help"}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """One shell after the other."""
    name = str(request.param)
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def complete(shell: str, runtime: Path, folder: Path) -> Completer:
    """complete("kill ") is what may follow."""
    (folder / "a file").touch()
    (folder / "a directory").mkdir()
    return Completer(shell, script(shell), runtime, folder)


def test_commands(complete: Completer) -> None:
    """All commands, also after global options and their values."""
    known = {*all_commands(), "help"}
    assert complete("") == known
    assert complete("--debug --root /r --log-format=json ") == known
    assert complete("--log create ") == known
    assert complete("st") == {"start", "state"}
    assert complete("help ") >= set(all_commands())


def test_options(complete: Completer) -> None:
    """A command's own, global ones before it, none that is not supported, and none behind exec's container."""
    assert complete("--ro") == {"--root", "--rootless"} or complete("--ro") == {"--root=", "--rootless="}
    assert {word.rstrip("=") for word in complete("delete --")} == OPTIONS_OF_DELETE
    assert {word.rstrip("=") for word in complete("delete web1 --")} == OPTIONS_OF_DELETE
    for name, command in all_commands().items():
        offered = {word.rstrip("=") for word in complete(f"{name} --")}
        assert offered == {"--help", *(f"--{option.name}" for option in command.options if option.supported)}, name
    assert not complete("exec web1 --e")
    assert not complete("exec --env A=B --cwd /x web1 ls --e")
    assert not complete("delete -- --f")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--log-format ", {"text", "json"}),
        ("--rootless ", {"true", "false", "auto"}),
        ("list --format ", {"table", "json"}),
        ("list -q -f ", {"table", "json"}),
        ("validate --format ", {"text", "json"}),
        ("list --format j", {"json"}),
        ("update --cpu-idle ", {"0", "1"}),
        ("completion ", {"bash", "zsh", "fish"}),
        ("mounts ", {"add", "remove"}),
        ("setup ", {"podman", "docker", "containerd"}),
        ("completion bash ", set()),
        ("exec --cwd ", set()),
        ("create ", set()),
        ("run --bundle /b ", set()),
        ("nosuch ", set()),
    ],
)
def test_words(line: str, words: set[str], complete: Completer) -> None:
    """Where only a few words can stand they are offered; where anything can, nothing is."""
    assert complete(line) - {"--help", "-h"} == words  # zsh offers options when there is nothing else


def test_words_behind_an_equals_sign(complete: Completer) -> None:
    """--option=value is completed as well as --option value."""
    offered = complete("--log-format=j")
    assert {word.rpartition("=")[2] for word in offered} == {"json"}
    offered = complete("--rootless=")
    assert {word.rpartition("=")[2] for word in offered} == {"true", "false", "auto"}


def test_signals(complete: Completer) -> None:
    """Names of signals with SIG and without; the container comes first."""
    assert {"KILL", "TERM", "HUP", "RTMIN"} <= complete("kill web1 ")
    assert complete("kill --all web1 KI") == {"KILL"}
    assert complete("kill web1 SIGKI") == {"SIGKILL"}
    assert not {"KILL", "SIGKILL"} & complete("kill ")


@pytest.mark.root
def test_containers(shell: str, pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    """The containers of the state root that has been typed, for every command that takes one, and once only."""
    complete = Completer(shell, script(shell), pyrunc.command, folder)
    first, _ = pyrunc.create(bundle(["/bin/true"]))
    second, _ = pyrunc.create(bundle(["/bin/true"]))
    root = pyrunc.root
    for line in (
        f"--root {root} start ",
        f"--root {root} mounts add ",
        f"--root={root} delete --force ",
        f"--root {root} exec -t --env A=B ",
    ):
        assert complete(line) == {first, second}, line
    assert complete(f"--root {root} --debug kill {second}") == {second}
    assert first not in complete(f"--root {root} state {first} ")
    assert not complete(f"--root {folder}/empty state ")
    assert not complete("--root /nonexistent/x state ")


def test_files_in_fish(folder: Path, runtime: Path) -> None:
    """Files where files are taken, directories where those are."""
    if not installed("fish"):
        pytest.skip("fish is not installed")
    complete = Completer("fish", script("fish"), runtime, folder)
    (folder / "one").touch()
    (folder / "other").mkdir()
    assert complete("--log o") == {"one", "other/"}
    assert complete("create --bundle o") == {"other/"}
    assert complete("validate o") == {"other/"}
    assert complete("update --resources=o") == {"--resources=one", "--resources=other/"}


@pytest.mark.parametrize("way", ["bash", "zsh", "zsh, installed"])
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("--log on\t", "--log one"),
        ("--log=on\t", "--log=one"),
        ("create --pid-file on\t", "create --pid-file one"),
        ("create --bundle o\t", "create --bundle other"),
        ("create -b o\t", "create -b other"),
        ("validate o\t", "validate other"),
        ("mounts add web1 on\t", "mounts add web1 one"),
        ("exec web1 sh -c o\t", "exec web1 sh -c o"),
        ("del\t", "delete"),
    ],
)
def test_on_a_terminal(way: str, typed: str, line: str, folder: Path, runtime: Path) -> None:
    """What the line becomes by the tabulator key.  The command is echo, so that it is seen."""
    shell = way.partition(",")[0]
    if not installed(shell):
        pytest.skip(f"{shell} is not installed")
    (folder / "one").touch()
    (folder / "other").mkdir()
    (folder / "completion").write_text(script(shell))
    if shell == "bash":
        text = "PS1='READY>'; source completion; bind 'set bell-style none'\n"
        command = ["bash", "--noprofile", "--rcfile", "rc", "-i"]
    else:
        (folder / "functions").mkdir()
        (folder / "functions/_pyrunc").write_text(script(shell))
        found = f"fpath+=({folder}/functions); " if way != shell else ""
        text = f"PS1='READY>'; {found}autoload -Uz compinit; compinit -D -u; "
        text += "\n" if found else "source completion\n"
        command = ["zsh", "-i"]
    for name in ("rc", ".zshrc"):
        (folder / name).write_text(text)
    (folder / "programs").mkdir()
    (folder / "programs/pyrunc").write_text('#!/bin/sh\nfor word; do echo "<$word>"; done\necho END\n')
    (folder / "programs/pyrunc").chmod(0o755)
    environment = {
        "PATH": f"{folder}/programs:/usr/bin:/bin",
        "HOME": str(folder),
        "ZDOTDIR": str(folder),
        "TERM": "dumb",
    }
    with Terminal(command, environment, folder) as terminal:
        terminal.expect("READY>")
        terminal.type(f"pyrunc {typed}\n")
        terminal.wait(lambda: "READY>" in terminal.seen.partition("END")[2])
    printed = [word.strip("<>/") for word in terminal.seen.split() if word.startswith("<")]
    assert " ".join(printed) == line


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str, pyrunc: Pyrunc) -> None:
    """`pyrunc completion SHELL`."""
    assert pyrunc.ok("completion", shell).stdout == script(shell)


def test_unknown_shell(pyrunc: Pyrunc) -> None:
    """A shell that there is no script for is refused with those that there are."""
    result = pyrunc("completion", "tcsh")
    assert result.returncode == 1
    assert result.stderr == (
        'pyrunc completion failed: unknown shell "tcsh"\nhint: there are completions for bash, zsh and fish\n'
    )
