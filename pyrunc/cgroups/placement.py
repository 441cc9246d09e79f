"""Where `exec --cgroup` puts a process: in the container's cgroups or below them."""

from errno import ENOENT

from pyrunc import pathnames
from pyrunc.cgroups.layout import NAMED_SYSTEMD, SYSTEMD
from pyrunc.errors import PyruncError


def exec_paths(paths: "dict[str, str]", option: "list[str]") -> "dict[str, str]":
    """The directories for `exec --cgroup [controller[,controller...]:]path`, below the container's own.

    Raises PyruncError, with runc's words, for an option that makes no sense or leads out of the container's cgroup.
    """
    chosen: dict[str, str] = {}
    if option and not paths:
        raise PyruncError("the container has no cgroup", operation=f"--cgroup {' '.join(option)}")
    for text in option:
        controllers, colon, path = text.partition(":")
        if ":" in path:
            raise PyruncError(f"invalid --cgroup argument: {text}")
        if not colon:
            if len(option) != 1:
                raise PyruncError(f"invalid --cgroup argument: {text} (missing <controller>: prefix)")
            return {name: below(base, text) for name, base in paths.items()}
        for controller in controllers.split(","):
            name = SYSTEMD if controller == NAMED_SYSTEMD else controller
            if not name:
                raise PyruncError(f"invalid --cgroup argument: {text} (empty <controller> prefix)")
            if name in chosen:
                raise PyruncError(f"invalid --cgroup argument(s): controller {controller} specified multiple times")
            if name not in paths:
                raise PyruncError(f"unknown controller {controller} in --cgroup argument: {text}")
            chosen[name] = below(paths[name], path)
    return {**paths, **chosen}


def check_exists(paths: "dict[str, str]", own: "dict[str, str]", option: "list[str]") -> None:
    """Raises PyruncError when one of the directories that --cgroup names (they differ from `own`) is not there."""
    for name, path in paths.items():
        if path != own[name] and not pathnames.isdir(path):
            raise PyruncError("no such cgroup in the container", operation=f"--cgroup {' '.join(option)}", errno=ENOENT)


def below(base: str, path: str) -> str:
    """base/path, which must not lead out of base."""
    target = pathnames.normpath(f"{base}/{path}")
    if target != base and not target.startswith(base + "/"):
        raise PyruncError(f"{path} is not a sub cgroup path")
    return target
