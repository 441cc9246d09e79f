"""Completion as three shells do it: what each offers for a command line that ends at the cursor."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.runtime import ENVIRONMENT

# Bash is asked as readline asks it: the function gets COMP_WORDS, taken apart at the characters of COMP_WORDBREAKS.
BASH = r"""
source "$1"
compopt() { printf '%s\n' "(compopt $*)"; }
COMP_LINE=$2 COMP_POINT=${#2}
shift 2
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_pyrunc
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
"""

# Zsh only completes in its line editor: each match that is added is written to a file, too.
ZSH = r"""
PROMPT='READY>'
autoload -Uz compinit && compinit -D -u
source $SCRIPT
zstyle ':completion:*' insert-tab false
compadd() {
    local -a hits
    if [[ " ${(j: :)@[1,(i)(-|--)]} " != *' -'[ODA]' '* ]]; then
        builtin compadd -O hits "$@"
        (( ! $#hits )) || print -rl -- $hits >> $CAPTURE
    fi
    builtin compadd "$@"
}
offer() { zle complete-word; print DONE >> $CAPTURE }
zle -N offer
bindkey '^X' offer
"""


def installed(shell: str) -> bool:
    """Whether that shell is on this machine."""
    return shutil.which(shell, path=ENVIRONMENT["PATH"]) is not None


class Completer:
    """What a shell offers.  script: the completion script;  command: the program as it is typed."""

    def __init__(self, shell: str, script: str, command: Path, folder: Path) -> None:
        self.shell = shell
        self.command = command
        self.folder = folder
        self.script = folder / f"completion.{shell}"
        self.script.write_text(script)
        self.environment = {**ENVIRONMENT, "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}

    def __call__(self, arguments: str) -> set[str]:
        """The words that may stand where `arguments` (the rest of the line) end."""
        return getattr(self, f"_{self.shell}")(f"pyrunc {arguments}")  # type: ignore[no-any-return]

    def _run(self, *command: "str | Path") -> str:
        """Runs a shell in the folder, where `pyrunc` is the command under test."""
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=30,
            env={**self.environment, "PATH": self._path()},
        )
        assert (result.returncode, result.stderr) == (0, ""), result
        return result.stdout

    def _path(self) -> str:
        programs = self.folder / "programs"
        programs.mkdir(exist_ok=True)
        if not (programs / "pyrunc").is_symlink():
            (programs / "pyrunc").symlink_to(self.command)
        return f"{programs}:{self.environment['PATH']}"

    def _bash(self, line: str) -> set[str]:
        words = [part for word in line.split(" ") for part in re.findall(r"[=:]+|[^=:]+", word) or [""]]
        # What ends in a separator is offered a value: the separator is the last word, as for readline.
        return set(self._run("bash", "--norc", "-c", BASH, "bash", self.script, line, *words).splitlines())

    def _fish(self, line: str) -> set[str]:
        program = 'source $argv[1]; complete -C "$argv[2]"'
        offered = self._run("fish", "--no-config", "-c", program, self.script, line)
        return {text.partition("\t")[0] for text in offered.splitlines()}

    def _zsh(self, line: str) -> set[str]:
        capture = self.folder / "capture"
        capture.write_text("")
        rc = self.folder / ".zshrc"
        rc.write_text(ZSH)
        environment = {"ZDOTDIR": str(self.folder), "SCRIPT": str(self.script), "CAPTURE": str(capture)}
        with Terminal(
            ["zsh", "-i"], {**self.environment, **environment, "PATH": self._path()}, self.folder
        ) as terminal:
            terminal.expect("READY>")
            terminal.type(line + "\x18")
            terminal.wait(lambda: capture.read_text().endswith("DONE\n"))
        return set(capture.read_text().splitlines()) - {"DONE"}


class Terminal:
    """An interactive program on a pseudoterminal, for as long as the `with` lasts."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        self.seen = ""
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def type(self, text: str) -> None:
        """Types it."""
        os.write(self.master, text.encode())

    def expect(self, text: str) -> None:
        """Waits until the program has printed that."""
        self.wait(lambda: text in self.seen)

    def wait(self, ready: Callable[[], bool]) -> None:
        """Waits until ready(), reading what is printed."""
        until = time.monotonic() + 30
        while not ready():
            assert time.monotonic() < until, self.seen
            if select.select([self.master], [], [], 0.05)[0]:
                self.seen += os.read(self.master, 4096).decode(errors="replace")
