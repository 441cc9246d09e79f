"""Installs pyrunc: one command, and one private folder that nobody else imports from.

usage: VENV/bin/python tools/install.py PREFIX [DESTDIR]

    PREFIX/bin/pyrunc               the command
    PREFIX/lib/pyrunc/pyrunc/       the package with its byte code, the extension and the helper
    PREFIX/lib/pyrunc/_cffi_backend*.so
    PREFIX/lib/pyrunc/modules       the package's byte code once more, packed for a fast start
    PREFIX/lib/pyrunc/vendor/       jsonschema and pyseccomp with what they need, searched last
    PREFIX/share/                   manual pages, and completion for bash, zsh and fish
    PREFIX/lib/pyrunc/MANIFEST      every file and folder that was made, for tools/uninstall.py

A version that is there already is replaced in one step, once the new one is complete: no command started meanwhile
finds half of it.  Modes do not depend on the umask.
"""

import compileall
import ctypes
import importlib.metadata
import importlib.util
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pack_modules
from make_launcher import launcher, write
from packaging.requirements import Requirement
from shared_files import shared_files
from uninstall import MANIFEST

CHECKOUT = Path(__file__).resolve().parent.parent
EXECUTABLE = 0o755
READABLE = 0o644
AT_FDCWD = -100
RENAME_EXCHANGE = 2


def package_files() -> list[Path]:
    """The package's files, relative to the checkout: sources, data, the helper and this interpreter's extension.

    The demo of `make run` is not among them.
    """
    package = CHECKOUT / "pyrunc"
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    wanted = [*package.rglob("*.py"), *package.rglob("*.json"), package / f"_shim{suffix}", package / "pyrunc-init"]
    return sorted(path.relative_to(CHECKOUT) for path in wanted if path.parent.name != "demo")


def vendored() -> list[importlib.metadata.Distribution]:
    """The distributions that pyrunc imports, with what they need; cffi is not among them: only its backend is used."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    queue = [Requirement(text).name for text in project["dependencies"]]
    queue.remove("cffi")
    found: dict[str, importlib.metadata.Distribution] = {}
    for name in queue:  # grows while it is walked
        if name in found:
            continue
        found[name] = distribution = importlib.metadata.distribution(name)
        requirements = map(Requirement, distribution.requires or [])
        queue += [item.name for item in requirements if not item.marker or item.marker.evaluate({"extra": ""})]
    return list(found.values())


def copy(source: Path, target: Path) -> None:
    """Copies a file's content; its mode is 755 when it is a program or a shared object, else 644.

    Wheels mark what is none, too: then the name tells."""
    make_folder(target.parent)
    shutil.copyfile(source, target)
    program = os.access(source, os.X_OK) and source.suffix != ".py" and not source.parent.name.endswith(".dist-info")
    target.chmod(EXECUTABLE if program else READABLE)


def make_folder(path: Path) -> list[Path]:
    """Makes a folder and its parents with mode 755; those that it made."""
    made = []
    for folder in [*reversed(path.parents), path]:
        if not folder.exists():
            folder.mkdir()
            folder.chmod(EXECUTABLE)
            made.append(folder)
    return made


def commit_of_checkout() -> str:
    """Which commit is installed, for `--version` (docker shows it); "" when that cannot be told."""
    command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def fill(folder: Path, final: Path) -> None:
    """Puts everything but the manifest into a new folder, which will be `final` for the interpreter."""
    for name in package_files():
        copy(CHECKOUT / name, folder / name)
    commit = commit_of_checkout()
    if commit:
        with open(folder / "pyrunc/__init__.py", "a") as package:
            package.write(f'__commit__ = "{commit}"\n')
    backend = importlib.util.find_spec("_cffi_backend")
    if backend is None or backend.origin is None:
        sys.exit("the environment has no cffi")
    copy(Path(backend.origin), folder / Path(backend.origin).name)
    for distribution in vendored():
        for file in distribution.files or []:
            if ".." not in file.parts and "__pycache__" not in file.parts and file.suffix != ".pyi":
                copy(Path(str(distribution.locate_file(file))), folder / "vendor" / str(file))
    done = compileall.compile_dir(
        folder,
        quiet=1,
        stripdir=str(folder),
        prependdir=str(final),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not done:
        sys.exit("a module does not compile")
    for path in folder.rglob("*"):
        if path.is_dir() or path.suffix == ".pyc":
            path.chmod(EXECUTABLE if path.is_dir() else READABLE)


def warn_of_private(path: Path) -> None:
    """Says so when only this user can run the interpreter: then nobody else can run pyrunc."""
    closed = [str(part) for part in [path, *path.parents] if not part.stat().st_mode & 0o001]
    if closed and os.geteuid() == 0:
        print(f"note: other users cannot run {path} ({closed[-1]} is closed to them), so neither can they run pyrunc")


def install(prefix: Path, destination: str) -> Path:
    """Installs below destination + prefix; the path of the command there."""
    final = prefix / "lib" / "pyrunc"
    place = Path(destination + str(final))
    command = Path(destination + str(prefix)) / "bin" / "pyrunc"
    if place.exists() and not (place / MANIFEST).exists():
        sys.exit(f"{place} is there, but pyrunc did not install it: nothing was done")
    if os.path.lexists(command) and not place.exists():
        sys.exit(f"{command} is there, but pyrunc did not install it: nothing was done")
    shared = {Path(destination + str(prefix)) / name: text for name, text in shared_files().items()}
    former = [Path(destination + line) for line in manifest_of(place)]
    foreign = [path for path in shared if os.path.lexists(path) and path not in former]
    if foreign:
        sys.exit(f"{foreign[0]} is there, but pyrunc did not install it: nothing was done")
    made = [folder for path in (place, command, *shared) for folder in make_folder(path.parent)]
    made += [path for path, line in zip(former, manifest_of(place), strict=True) if line.endswith("/")]
    new = place.with_name(f".pyrunc.new.{os.getpid()}")
    try:
        new.mkdir()
        new.chmod(EXECUTABLE)
        fill(new, final)
        backend = pack_modules.backend_of_this_environment().name
        head = pack_modules.write(new / "modules", new, final, final / backend)
        entries = [f"{path}/" for path in made] + [str(path) for path in (command, *shared)]
        write_manifest(new, final, [entry[len(destination) :] for entry in entries])
        if place.exists():
            exchange(new, place)
        else:
            new.rename(place)
        python = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
        write(command, launcher(python, [str(final)], [str(final / "vendor")], str(final / "modules"), head))
        for path, text in shared.items():
            write(path, text, READABLE)
        for path in former:  # a page of a command that there was
            if path not in (command, *shared) and place not in path.parents and path.is_file():
                path.unlink()
    finally:
        if new.exists():
            shutil.rmtree(new)
    warn_of_private(Path(python))
    return command


def exchange(one: Path, other: Path) -> None:
    """Lets two folders change places in one step: renameat2(2) with RENAME_EXCHANGE."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2", str(one), None, str(other))


def manifest_of(place: Path) -> list[str]:
    """What the installation that is there consists of; nothing when there is none."""
    return (place / MANIFEST).read_text().splitlines() if place.exists() else []


def write_manifest(folder: Path, final: Path, others: Iterable[str]) -> None:
    """Writes the list of all files (and, with a slash at the end, folders) that this installation made.

    folder: the private folder, which will be `final`;  others: what was made outside it
    """
    entries = [*others, f"{final}/", f"{final}/{MANIFEST}"]
    for path in folder.rglob("*"):
        entries.append(f"{final}/{path.relative_to(folder)}" + ("/" if path.is_dir() else ""))
    (folder / MANIFEST).write_text("".join(f"{entry}\n" for entry in sorted(set(entries))))
    (folder / MANIFEST).chmod(READABLE)


def main() -> None:
    """Installs where the arguments say, and says where that is."""
    prefix = Path(sys.argv[1])
    destination = sys.argv[2].rstrip("/") if len(sys.argv) > 2 else ""
    if not prefix.is_absolute():
        sys.exit(f"PREFIX must be an absolute path, not {prefix}")
    if destination and not os.path.isabs(destination):
        destination = os.path.abspath(destination)
    command = install(prefix, destination)
    print(f"installed {command}")


if __name__ == "__main__":
    main()
