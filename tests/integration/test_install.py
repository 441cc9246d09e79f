"""Installing: the command works from anywhere for anyone, and uninstalling leaves nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunc.commands import completion
from pyrunc.options import all_commands
from tests.support.bundles import BundleFactory

CHECKOUT = Path(__file__).resolve().parent.parent.parent
TOOLS = CHECKOUT / "tools"
UNCHECKED_HASH = 1
COMPLETIONS = {
    "bash": "share/bash-completion/completions/pyrunc",
    "zsh": "share/zsh/site-functions/_pyrunc",
    "fish": "share/fish/vendor_completions.d/pyrunc.fish",
}


def tool(name: str, *args: "str | Path", umask: int = 0o022) -> "subprocess.CompletedProcess[str]":
    """Runs tools/NAME with the tests' interpreter."""
    command = [sys.executable, TOOLS / name, *args]
    return subprocess.run(command, capture_output=True, text=True, umask=umask, cwd="/")


def bare(*command: "str | Path", **options: object) -> "subprocess.CompletedProcess[str]":
    """Runs a command as `env -i` does."""
    return subprocess.run(command, capture_output=True, text=True, env={}, **options)  # type: ignore[call-overload,no-any-return]


def tree(folder: Path) -> list[str]:
    """All below a folder, as paths relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def prefix(runtime: Path, session_folder: Path) -> Iterator[Path]:
    """An installation, made with a umask that hides everything from others."""
    prefix = session_folder / "with space" / "prefix"
    prefix.parent.mkdir()
    result = tool("install.py", prefix, umask=0o077)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"installed {prefix}/bin/pyrunc")
    yield prefix
    result = tool("uninstall.py", prefix)
    assert result.returncode == 0, result.stderr
    assert tree(prefix.parent) == []


@pytest.fixture
def command(prefix: Path) -> Path:
    """The installed command."""
    return prefix / "bin" / "pyrunc"


def test_runs_without_an_environment(command: Path) -> None:
    """As engines call it: by its absolute path, without any variable."""
    result = bare(command, "--version", cwd="/")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("pyrunc version ")


def test_runs_through_links(command: Path, folder: Path) -> None:
    """A link to it, absolute or relative, is as good."""
    (folder / "absolute").symlink_to(command)
    (folder / "relative").symlink_to(os.path.relpath(command, folder))
    for name in ("absolute", "relative"):
        assert bare(folder / name, "--version", cwd=folder).returncode == 0


def test_runs_in_a_deleted_directory(command: Path, folder: Path) -> None:
    """The current directory need not exist."""
    gone = folder / "gone"
    gone.mkdir()
    result = bare("/bin/sh", "-c", 'rmdir "$1" && exec "$2" --version', "sh", gone, command, cwd=gone)
    assert (result.returncode, result.stderr) == (0, "")


def test_imports_nothing_from_around(command: Path, folder: Path) -> None:
    """Neither the current directory nor variables say what is imported."""
    for name in ("pyrunc", "os", "sitecustomize", "usercustomize", "errno"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported from the current directory')\n")
    hostile = {"PYTHONPATH": str(folder), "PYTHONHOME": str(folder), "PYTHONSTARTUP": str(folder / "os.py")}
    result = subprocess.run([command, "--version"], capture_output=True, text=True, env=hostile, cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")


def test_everyone_can_read_nobody_can_write(prefix: Path) -> None:
    """Modes are 755 and 644 whatever the umask was."""
    wrong = {}
    for path in [prefix, *prefix.rglob("*")]:
        mode = path.stat().st_mode & 0o7777
        executable = path.is_dir() or path.suffix == ".so"
        executable |= path in (prefix / "bin/pyrunc", prefix / "lib/pyrunc/pyrunc/pyrunc-init")
        if mode != (0o755 if executable else 0o644) or path.stat().st_uid != os.geteuid():
            wrong[str(path)] = oct(mode)
    assert not wrong


def test_byte_code_is_there_and_trusted(prefix: Path) -> None:
    """Each module of the package has byte code that the interpreter takes without a look at the source."""
    package = prefix / "lib/pyrunc/pyrunc"
    for source in package.rglob("*.py"):
        cached = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        assert cached.read_bytes()[4] == UNCHECKED_HASH, source


def test_validation_report_needs_nothing_from_outside(command: Path, folder: Path) -> None:
    """jsonschema is found in the installation: a bad config.json is explained, not an import error."""
    (folder / "config.json").write_text(json.dumps({"ociVersion": "1.0.2", "process": {"cwd": 1}}))
    result = bare(command, "--root", folder / "root", "run", "--bundle", folder, "x", cwd="/")
    assert result.returncode == 1
    assert "/process/cwd" in result.stderr
    assert "internal error" not in result.stderr


def test_manual_pages_and_completion(prefix: Path) -> None:
    """A page for each command, and a script for each shell, where man and the shells look."""
    share = prefix / "share"
    pages = {path.name for path in (share / "man/man8").iterdir()}
    assert pages == {"pyrunc.8", *(f"pyrunc-{name}.8" for name in all_commands())}
    for shell, name in COMPLETIONS.items():
        assert (prefix / name).read_text() == completion.script(shell)


@pytest.mark.root
def test_runs_a_container(command: Path, bundle: BundleFactory, folder: Path) -> None:
    """All of it is there: the helper, the extension, the package."""
    made = bundle(["/bin/echo", "hello"])
    result = bare(command, "--root", folder / "root", "run", "--bundle", made, f"pyrunc-test-{folder.name}", cwd="/")
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello\n", "")


def test_installing_again_replaces(runtime: Path, folder: Path) -> None:
    """A second installation leaves the same files, and none of a former version."""
    prefix = folder / "prefix"
    assert tool("install.py", prefix).returncode == 0
    first = tree(prefix)
    manifest = prefix / "lib/pyrunc/MANIFEST"
    (prefix / "lib/pyrunc/pyrunc/former.py").touch()
    (prefix / "share/man/man8/pyrunc-former.8").touch()
    with manifest.open("a") as file:
        file.write(f"{prefix}/lib/pyrunc/pyrunc/former.py\n{prefix}/share/man/man8/pyrunc-former.8\n")
    assert tool("install.py", prefix).returncode == 0
    assert tree(prefix) == first
    assert tool("uninstall.py", prefix).returncode == 0
    assert tree(folder) == []


def test_what_others_put_there_stays(runtime: Path, folder: Path) -> None:
    """Uninstalling removes what was installed and nothing else."""
    prefix = folder / "prefix"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/other").touch()
    assert tool("install.py", prefix).returncode == 0
    (prefix / "lib/other").touch()
    assert tool("uninstall.py", prefix).returncode == 0
    assert tree(prefix) == ["bin", "bin/other", "lib", "lib/other"]


@pytest.mark.parametrize("name", ["bin/pyrunc", "lib/pyrunc/x", "share/man/man8/pyrunc.8"])
def test_foreign_files_are_not_replaced(name: str, runtime: Path, folder: Path) -> None:
    """A command or folder of that name which pyrunc did not install is not touched."""
    foreign = folder / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("foreign")
    before = tree(folder)
    result = tool("install.py", folder)
    assert result.returncode == 1
    assert "pyrunc did not install it" in result.stderr
    assert tree(folder) == before
    assert foreign.read_text() == "foreign"


def test_destination_of_packagers(runtime: Path, folder: Path) -> None:
    """With DESTDIR the files go below it and speak of PREFIX alone."""
    assert tool("install.py", "/usr", folder).returncode == 0
    assert str(folder) not in (folder / "usr/bin/pyrunc").read_text()
    assert str(folder) not in (folder / "usr/lib/pyrunc/MANIFEST").read_text()
    cached = next((folder / "usr/lib/pyrunc/pyrunc/__pycache__").glob("cli.*.pyc"))
    assert str(folder).encode() not in cached.read_bytes()
    assert tool("uninstall.py", "/usr", folder).returncode == 0
    assert tree(folder) == []


@pytest.mark.parametrize(("prefix", "reason"), [("relative", "PREFIX must be an absolute path, not relative")])
def test_refused(prefix: str, reason: str) -> None:
    """What cannot work is refused with a sentence."""
    result = tool("install.py", prefix)
    assert (result.returncode, result.stderr.strip()) == (1, reason)


def test_uninstall_of_nothing(folder: Path) -> None:
    """Uninstalling what is not installed says so."""
    result = tool("uninstall.py", folder)
    assert result.returncode == 1
    assert f"pyrunc is not installed below {folder}" in result.stderr
