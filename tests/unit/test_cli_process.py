"""The command as a process: what it loads, what it inherits, and that it answers as Debian's runc does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import _cffi_backend
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SITE = str(Path(_cffi_backend.__file__).parent)
ENTRY = (
    f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); sys.path.append({SITE!r});"
    "from pyrunc.cli import entry; entry()"
)
COMMAND = [sys.executable, "-I", "-S", "-c", ENTRY]

FORBIDDEN = (
    "re json enum typing dataclasses argparse subprocess socket logging pathlib ctypes signal jsonschema pyseccomp "
    "functools collections contextlib shutil tempfile hashlib traceback termios select"
)


def pyrunc(*argv: str, root: Path) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, "--root", str(root), *argv]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20, env={})


# Command lines about no container at all, which every runtime must answer alike.
SAME = [
    ["state"],
    ["state", "absent", "more"],
    ["create"],
    ["create", "a", "b"],
    ["create", "--nosuch", "a"],
    ["create", "--bundle"],
    ["create", "--preserve-fds", "x", "a"],
    ["create", "--no-pivot=maybe", "a"],
    ["run", "---detach", "a"],
    ["start"],
    ["kill"],
    ["kill", "a", "b", "c"],
    ["kill", "-x"],
    ["delete", "--force", "absent"],
    ["delete", "absent", "--force"],
    ["delete"],
    ["exec"],
    ["exec", "--env"],
    ["exec", "-t", "--nosuch", "a"],
    ["list", "a"],
    ["list"],
    ["list", "-q"],
    ["list", "-f=json"],
    ["list", "--quiet=f"],
    ["list", "--"],
    ["spec", "a"],
    ["nosuch"],
    ["help", "nosuch"],
    ["-"],
    ["--", "list"],
    ["--debug=maybe", "list"],
    ["--log", "/nonexistent/log", "list"],
    ["--log-format", "xml", "list"],
]
# The same, but pyrunc's message says more: runc's words are in it.
SAME_WORDS = [
    ["state", "absent"],
    ["state", ""],
    ["start", "absent"],
    ["kill", "absent"],
    ["kill", "absent", "NOSUCH"],
    ["delete", "absent"],
    ["exec", "absent", "ls"],
    ["exec", "-t", "-e", "A=B", "absent", "--", "ls"],
    ["exec", "absent"],
    ["list", "--format", "xml"],
    ["--debug", "start", "absent"],
    ["--log", "", "start", "absent"],
]


@pytest.mark.skipif(shutil.which("runc") is None, reason="runc is not installed")
@pytest.mark.parametrize("argv", SAME + SAME_WORDS, ids=" ".join)
def test_answers_are_runcs(argv: list[str], tmp_path: Path) -> None:
    theirs = subprocess.run(["runc", "--root", str(tmp_path), *argv], capture_output=True, text=True, timeout=20)
    ours = pyrunc(*argv, root=tmp_path)
    assert ours.returncode == theirs.returncode
    # runc logs `... msg="the message" ...`.
    message = re.search(r'msg="((?:[^"\\]|\\.)*)"', theirs.stderr)
    said = ours.stderr.split("\n")[0]
    if message is None:
        assert ours.stderr == ""
        assert ours.stdout == theirs.stdout
        return
    words = re.sub(r"\\(.)", r"\1", message[1]).removesuffix("n" if message[1].endswith("\\n") else "")
    if argv in SAME_WORDS:
        assert words.removeprefix("exec failed: ") in said
    else:
        assert said == words.replace("runc:", "pyrunc:")


def test_parsing_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    code = ENTRY.replace("entry()", "import pyrunc.cli as c; c.main(sys.argv[1:]); print(*sys.modules)")
    command = [sys.executable, "-I", "-S", "-c", code, "--root", str(tmp_path), "kill", "a", "b", "c"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & set(FORBIDDEN.split())
    assert {name for name in loaded if name.startswith("pyrunc")} == {
        "pyrunc",
        "pyrunc.cli",
        "pyrunc.errors",
        "pyrunc.log",
        "pyrunc.options",
        "pyrunc.pathnames",
    }
    assert "os" not in loaded


def test_missing_standard_descriptors_are_filled(tmp_path: Path) -> None:
    script = 'exec "$@" <&- >&- 2>&-'
    command = ["sh", "-c", script, "sh", *COMMAND, "--root", str(tmp_path), "--log", str(tmp_path / "log"), "list", "x"]
    assert subprocess.run(command, timeout=20).returncode == 1
    assert 'requires exactly 0 argument(s)"' in (tmp_path / "log").read_text().replace("\\", "")


def test_inherited_descriptors_are_not_passed_on(tmp_path: Path) -> None:
    code = (
        ENTRY.replace("entry; entry()", '_close_inherited; _close_inherited(2, ""); import os;')
        + "print(*[fd for fd in range(3, 64) if os.path.exists(f'/proc/self/fd/{fd}') and os.get_inheritable(fd)])"
    )
    pipes = [os.pipe() for _ in range(6)]
    for read, write in pipes:
        os.set_inheritable(read, True)
        os.set_inheritable(write, True)
    # In the child they are where they are here, from 3 on: duplicated onto 3..9 by the shell.
    script = " ".join(f"{fd}<&{pipes[0][0]}" for fd in range(3, 10) if fd != pipes[0][0])
    done = subprocess.run(
        ["bash", "-c", f'exec {script}; exec "$@"', "bash", sys.executable, "-c", code],
        pass_fds=[fd for pair in pipes for fd in pair],
        capture_output=True,
        text=True,
        timeout=20,
    )
    for read, write in pipes:
        os.close(read)
        os.close(write)
    assert done.stderr == ""
    assert done.stdout.split() == ["3", "4"]


@pytest.mark.parametrize("count", ["1", "4294967294"])
def test_the_log_does_not_pass_for_a_preserved_descriptor(tmp_path: Path, count: str) -> None:
    (tmp_path / "log").touch()
    argv = ["--log", str(tmp_path / "log"), "exec", "--preserve-fds", count, "absent", "ls"]
    code = ENTRY.replace(
        "entry()",
        "main; main(sys.argv[1:]); import os; print([fd for fd in '345' if os.path.exists(f'/proc/self/fd/{fd}')])",
    ).replace("import entry; ", "import ")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, "--root", str(tmp_path), *argv], capture_output=True, text=True
    )
    assert done.stderr.startswith("pyrunc exec failed: absent: container does not exist\n")
    assert "3" not in done.stdout


def test_no_byte_code_is_written(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(REPOSITORY / "pyrunc", copy / "pyrunc", ignore=shutil.ignore_patterns("__pycache__"))
    code = ENTRY.replace(str(REPOSITORY), str(copy)).replace(
        "import sys;", "import sys; sys.dont_write_bytecode = True;"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code, "--version"], capture_output=True, check=True)
    assert not list(copy.rglob("__pycache__"))
