"""pyrunc setup: writes into an engine's configuration that there is pyrunc, and takes it out again."""

import difflib
import os
import sys

from pyrunc import log, pathnames
from pyrunc.commands import write
from pyrunc.engine_setup import Planned, Wanted, containerd, docker, podman
from pyrunc.engine_setup.files import File
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation

ENGINES = {"podman": podman, "docker": docker, "containerd": containerd}


def run(invocation: "Invocation") -> int:
    """Writes, or shows, the change of one engine's file, and says what to restart.  Raises PyruncError."""
    name = invocation.arguments[0]
    if name not in ENGINES:
        raise PyruncError(f'unknown engine "{name}"', hint="there are podman, docker and containerd")
    options = invocation.options
    prefix = options.text("prefix")
    if prefix == "":
        raise PyruncError("--prefix needs a directory")
    file = File(pathnames.abspath(prefix or "/"), path_of(name))
    try:
        if options.flag("undo"):
            planned = ENGINES[name].undo(file.text) if file.text is not None else Planned(None)
        else:
            # An image is built on one host and run on others: podman finds out there what process 1 is.
            systemd = prefix is not None or os.path.isdir("/run/systemd/system")
            wanted = Wanted(command(), options.flag("default"), systemd)
            planned = ENGINES[name].setup(file.text, wanted)
            warn_of_build_tree(wanted.command)
    except PyruncError as error:
        raise error.at(file.shown) from error
    write(perform(file, planned, options.flag("dry-run"), ENGINES[name].RESTART))
    return 0


def perform(file: File, planned: Planned, dry_run: bool, restart: str) -> str:
    """Makes the planned change unless it is only to be shown; what there is to say.  Raises PyruncError."""
    notes = "".join(f"note: {note}\n" for note in planned.notes)
    if planned.text == file.text:
        return f"{file.shown}: nothing to change\n{notes}"
    if dry_run:
        return difference(file, planned.text)
    file.replace(planned.text)
    return f"{'removed' if planned.text is None else 'wrote'} {file.shown}\n{notes}{restart}\n"


def difference(file: File, new: str | None) -> str:
    """A unified diff, which patch(1) understands; /dev/null stands for a file that is not there."""
    before, after = ("/dev/null" if text is None else file.shown for text in (file.text, new))
    lines = difflib.unified_diff(lines_of(file.text), lines_of(new), before, after)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def lines_of(text: str | None) -> list[str]:
    """The lines with their ends; only a line feed ends one."""
    lines = (text or "").split("\n")
    return [line + "\n" for line in lines[:-1]] + [line for line in lines[-1:] if line]


def path_of(engine: str) -> str:
    """The file of that engine for this user; an ordinary user has one of his own for podman."""
    if engine != "podman":
        return {"docker": docker.FILE, "containerd": containerd.FILE}[engine]
    if os.geteuid() == 0:
        return f"/etc/{podman.FILE}"
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    if not folder.startswith("/"):
        raise PyruncError(f"the folder of this user's configuration is not known: {folder}", hint="set HOME")
    return os.path.join(folder, podman.FILE)


def command() -> str:
    """The absolute path of the command that runs, links resolved.  Raises PyruncError when it is no command."""
    path = os.path.realpath(sys.argv[0])
    if not os.access(path, os.X_OK) or not os.path.isfile(path):
        raise PyruncError(f"{path} is no command that an engine can call", hint="install pyrunc: make install")
    return path


def warn_of_build_tree(path: str) -> None:
    """Says so when the command is that of a build tree, which is cleaned and moved as no installation is."""
    if os.path.exists(os.path.join(os.path.dirname(os.path.dirname(path)), "csrc/build_shim.py")):
        log.warn(f"{path} is the command of a build tree; better install it (make install) and set that up")
