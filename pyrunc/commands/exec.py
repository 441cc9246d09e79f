"""pyrunc exec: another process in a running container."""

from pyrunc.container import Container
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrunc.options import Invocation, Values

# What --process replaces as a whole.
_PARTS = ("cwd", "env", "user", "additional-gids", "process-label", "apparmor", "no-new-privs", "cap")


def run(invocation: "Invocation") -> int:
    """Runs the process and returns its exit status, 0 with --detach.  Raises PyruncError."""
    options = invocation.options
    container = Container.load(invocation.root, invocation.arguments[0])
    args = invocation.arguments[1:]
    path = options.text("process")
    if path is not None:
        process = load_process(path, options, args)
    elif args:
        process = process_with(container.config().get("process") or {"cwd": "/"}, options, args)
    else:
        raise PyruncError("process args cannot be empty", hint="name a command, or give --process")
    from pyrunc.spec.check import check_process

    check_process(process)
    return container.exec(
        process,
        detach=options.flag("detach"),
        pid_file=options.text("pid-file"),
        console_socket=options.text("console-socket"),
        pidfd_socket=options.text("pidfd-socket"),
        preserve_fds=options.number("preserve-fds"),
        ignore_paused=options.flag("ignore-paused"),
        cgroup=options.texts("cgroup"),
    )


def load_process(path: str, options: "Values", args: list[str]) -> "dict[str, Any]":
    """The process in a JSON file; only --tty may add to it.  Raises PyruncError."""
    from pyrunc.spec.load import load_file

    if args:
        raise PyruncError("a command and --process exclude each other")
    for name in _PARTS:
        if options.is_set(name):
            raise PyruncError(f"option --{name} and --process exclude each other")
    process = load_file(path)
    if options.is_set("tty"):
        process = {**process, "terminal": options.flag("tty")}
    return process


def process_with(process: "dict[str, Any]", options: "Values", args: list[str]) -> "dict[str, Any]":
    """The container's own process with another command and what the options say.  Raises PyruncError.

    Whether there is a terminal is the option's alone: a container with one does not give it to every exec.
    """
    changed = {**process, "args": args, "terminal": options.flag("tty")}
    for name, key in (("cwd", "cwd"), ("process-label", "selinuxLabel"), ("apparmor", "apparmorProfile")):
        text = options.text(name)
        if text:
            changed[key] = text
    changed["env"] = [*process.get("env", ()), *options.texts("env")]
    if options.is_set("no-new-privs"):
        changed["noNewPrivileges"] = options.flag("no-new-privs")
    if options.is_set("user") or options.is_set("additional-gids"):
        changed["user"] = _user_with(process.get("user") or {"uid": 0, "gid": 0}, options)
    if options.is_set("cap"):
        from pyrunc.security.capabilities import add_capabilities, mask

        unknown = mask(options.texts("cap"))[1]
        if unknown:
            raise PyruncError(f'unknown capability "{unknown[0]}"', hint="names are as in CAP_NET_ADMIN")
        changed = add_capabilities(changed, options.texts("cap"))
    return changed


def _user_with(user: "dict[str, Any]", options: "Values") -> "dict[str, Any]":
    """Numbers only: no name is ever looked up in the image (CVE-2016-3697)."""
    from pyrunc.user import parse_gids, parse_user

    user = dict(user)
    text = options.text("user")
    if text:
        user["uid"], gid = parse_user(text)
        if gid is not None:
            user["gid"] = gid
    if options.is_set("additional-gids"):
        user["additionalGids"] = [*user.get("additionalGids", ()), *parse_gids(options.texts("additional-gids"))]
    return user
