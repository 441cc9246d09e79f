"""podman and buildah: a file of our own in containers.conf.d (containers.conf(5)), which they read last."""

from pyrunc.engine_setup import NAME, Planned, Wanted, changed, differs, quoted
from pyrunc.engine_setup.toml import parse, table

FOLDER = "containers/containers.conf.d"
FILE = f"{FOLDER}/pyrunc.conf"

RESTART = (
    "podman reads it anew in every command; a running `podman system service` has to be restarted\n"
    "containers that are there keep the runtime they were made with"
)

HEAD = "# Written by `pyrunc setup podman`; `pyrunc setup podman --undo` removes this file.\n"

# These replace podman's own lists, so they name the others, too.
JSON_ERRORS = ("crun", "runc", "kata", "runsc", "youki", "krun", NAME)
NO_CGROUPS = ("crun", "krun", NAME)


def setup(text: str | None, wanted: Wanted) -> Planned:
    """The file with pyrunc as it is wanted.  Raises PyruncError when it is there and differs."""
    if text is not None:
        there = written(text)
        if there is None or there.command != wanted.command:
            raise differs("the file", "podman")
        wanted = wanted._replace(default=wanted.default or there.default)
    return Planned(render(wanted))


def undo(text: str) -> Planned:
    """No file.  Raises PyruncError when it is not as setup wrote it."""
    if written(text) is None:
        raise changed("the file")
    return Planned(None)


def render(wanted: Wanted) -> str:
    """The whole file."""
    lines = ["[engine]"]
    if wanted.default:
        lines.append(f"runtime = {quoted(NAME)}")
    if not wanted.systemd:
        lines.append('cgroup_manager = "cgroupfs"')
    lines.append(f"runtime_supports_json = [{', '.join(map(quoted, JSON_ERRORS))}]")
    lines.append(f"runtime_supports_nocgroups = [{', '.join(map(quoted, NO_CGROUPS))}]")
    lines += ["", "[engine.runtimes]", f"{NAME} = [{quoted(wanted.command)}]"]
    return HEAD + "\n".join(lines) + "\n"


def written(text: str) -> Wanted | None:
    """What setup was asked for when it wrote exactly this text; None when it did not write it."""
    engine = table(parse(text), "engine")
    command = table(engine, "runtimes").get(NAME)
    if not isinstance(command, list) or len(command) != 1 or not isinstance(command[0], str):
        return None
    found = Wanted(command[0], "runtime" in engine, "cgroup_manager" not in engine)
    return found if render(found) == text else None
