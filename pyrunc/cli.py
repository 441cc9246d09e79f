"""The command: argv in, exit status out.  Errors are printed here, once, and nowhere else."""

import _signal
import posix
import sys

from pyrunc import log, options, pathnames
from pyrunc.errors import PyruncError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pyrunc.options import Invocation, Values

# runc's statuses, which callers know.
FAILED = 1
NO_SUCH_COMMAND = 3
EXEC_FAILED = 255
OUT_OF_MEMORY = b"pyrunc failed: cannot allocate memory\n"

# More descriptors than can be passed on at all (the container refuses them), and few enough to be numbers of some.
MAX_PRESERVED = 256

# Commands that start processes, or have the helper start them, and so must not pass on what they inherited.
_STARTING = ("create", "delete", "exec", "mounts", "restore", "run", "start")

# Commands that start nothing, or only hooks, and write to a container's state and cgroups alone.
_CONFINED = ("delete", "events", "kill", "pause", "resume", "start", "state", "update")

# Commands that are about no container: a user who has no place for their state can call them.
_WITHOUT_STATE = ("completion", "features", "setup", "spec", "validate")


def entry() -> "NoReturn":
    """The process's main function: never returns, and leaves nothing to finalise."""
    # Run as root in directories of others, pyrunc writes no byte code anywhere.
    sys.dont_write_bytecode = True
    _open_missing_standard_descriptors()
    # Ignored by the caller it would be ignored here, and no status of a child could be had.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    for number in (_signal.SIGHUP, _signal.SIGTERM):
        if _signal.getsignal(number) == _signal.SIG_DFL:  # not where the caller ignores it (nohup)
            _signal.signal(number, _interrupt)
    try:
        status = main(sys.argv[1:], own_process=True)
    except MemoryError:  # on the way to say what went wrong
        posix.write(2, OUT_OF_MEMORY)
        status = FAILED
    posix._exit(status)


def _interrupt(number: int, _frame: object) -> "NoReturn":
    """What SIGTERM and SIGHUP do, as SIGINT does in Python: what was begun is undone on the way out."""
    raise KeyboardInterrupt(number)


def main(argv: list[str], *, own_process: bool = False) -> int:
    """Performs one command line (without the program's name) and returns its exit status.

    own_process: the process is the command's alone, and may be restricted for the rest of its life.
    """
    command = ""
    container_id = ""
    no_memory = False
    try:
        settings, rest = options.parse_global(argv)
        log.configure(
            settings.text("log"),
            settings.text("log-format") or "text",
            settings.flag("debug"),
            settings.text("log-level") or "warning",
        )
        if not rest or settings.help or settings.flag("version") or rest[0] in ("help", "h"):
            from pyrunc.commands import help

            return help.run(settings, rest)
        command = rest[0]
        known = options.find_command(command)
        if known is None:
            return _refuse(command)
        invocation = options.parse_command(settings, command, rest[1:])
        if invocation.options.help:
            from pyrunc.commands import help

            help.show_command(command)
            return 0
        words = known.arguments.split()
        if "<container-id>" in words:
            container_id = invocation.arguments[words.index("<container-id>")]
        if command not in _WITHOUT_STATE:
            invocation.root = state_root(settings)
        invocation.own_process = own_process
        if command in _STARTING:
            _close_inherited(_preserved(invocation), command)
        if own_process and command in _CONFINED:
            from pyrunc import confinement

            confinement.arm()
        return _perform(invocation)
    except options.UsageError as error:
        # runc's usage errors end with 1 for exec too, and its words stand alone.
        log.error(str(error), [f"hint: {error.hint}"])
        return FAILED
    except KeyboardInterrupt as error:
        number: int = error.args[0] if error.args else _signal.SIGINT
        by = "" if number == _signal.SIGINT else f" by signal {number}"
        log.error(_sentence(command, container_id, f"interrupted{by}"))
        return 128 + number
    except PyruncError as error:
        _report(command, container_id, error)
    except OSError as error:
        # Every expected failure arrives as PyruncError; this one at least keeps its path and reason.
        _report(command, container_id, from_os_error(error).at("internal error"))
    except MemoryError:
        no_memory = True
    except ImportError as error:
        # No descriptor, no memory, no disk: a module of ours cannot be loaded.
        _report(command, container_id, PyruncError(str(error), operation="load a part of pyrunc"))
    except Exception as error:  # noqa: BLE001 a bug must not look like a container's output, nor hide its container
        what = f"internal error: {type(error).__name__}: {error}"
        _report(command, container_id, PyruncError(what, hint="this is a bug in pyrunc; --debug shows where"))
    if no_memory:
        # Not before: the exception held what led to it.
        hint = "a limit on memory or address space is too low for pyrunc itself"
        _report(command, container_id, PyruncError("cannot allocate memory", hint=hint))
    return EXEC_FAILED if command == "exec" else FAILED


def state_root(settings: "Values") -> str:
    """The absolute directory of all containers' state: --root, or the default for this user."""
    root = settings.text("root")
    if root is None:
        from pyrunc.state_root import default_root

        return default_root()
    if not root:
        raise options.UsageError("flag needs an argument: -root")
    return pathnames.abspath(root)


def _perform(invocation: "Invocation") -> int:
    """Loads the command's module, and no other, and calls its run()."""
    rootless = invocation.settings.text("rootless")
    if rootless not in (*options.TRUE, *options.FALSE, "auto", ""):
        raise options.UsageError(f'invalid value "{rootless}" for flag -rootless: true, false or auto')
    name = "pyrunc.commands." + invocation.command
    __import__(name)
    status: int = sys.modules[name].run(invocation)
    return status


def _refuse(command: str) -> int:
    log.error(f"No help topic for '{command}'", ["hint: pyrunc --help lists the commands"])
    return NO_SUCH_COMMAND


def _sentence(command: str, container_id: str, reason: str) -> str:
    from pyrunc.state_root import is_id

    start = f"pyrunc {command} failed: " if command else ""
    # What is no id may be anything, line breaks included: the reason quotes it.
    return f"{start}{container_id}: {reason}" if is_id(container_id) else start + reason


def _report(command: str, container_id: str, error: PyruncError) -> None:
    message = _sentence(command, container_id, str(error))
    details = []
    if error.hint:
        details.append(f"hint: {error.hint}")
    if log.is_debug():
        import traceback

        details.append("".join(traceback.format_exc()).rstrip())
    log.error(message, details)


def _open_missing_standard_descriptors() -> None:
    """Descriptors 0 to 2 exist: else a file of ours would become the container's stdin."""
    for fd in (0, 1, 2):
        try:
            posix.fstat(fd)
        except OSError:
            posix.open("/dev/null", posix.O_RDWR)
            posix.set_inheritable(fd, True)


def _preserved(invocation: "Invocation") -> int:
    """How many descriptors from 3 on the container gets."""
    count = 0
    if invocation.command in ("create", "run"):
        from pyrunc.commands import listen_fds

        count = listen_fds()
    elif invocation.command != "exec":
        return 0
    return count + invocation.options.number("preserve-fds")


def _close_inherited(preserved: int, command: str) -> None:
    """What the caller left open does not reach the container, a hook or the helper, except what it asks for."""
    from pyrunc import syscalls

    close_range_cloexec = 4
    last = 2**32 - 1
    if preserved:
        _stay_above(3 + min(preserved, MAX_PRESERVED))
    try:
        syscalls.close_range(min(3 + preserved, last), last, close_range_cloexec)
    except OSError as error:
        # Hooks are all that delete starts, and they cannot be started without it: it tells so, and removes the rest.
        if command != "delete":
            from pyrunc.kernel_calls import lacking

            raise lacking({"close_range": error.errno or 0}) from error


def _stay_above(first: int) -> None:
    """Moves our own descriptors out of the way: one of them must not pass for one that the caller preserves."""
    try:
        log.stay_above(first)
        for finder in sys.meta_path:
            if hasattr(finder, "stay_above"):  # the pack that modules are imported from
                finder.stay_above(first)
    except OSError as error:
        raise from_os_error(error, operation="preserve-fds") from error
