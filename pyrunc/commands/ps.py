"""pyrunc ps: the processes of a container, as their pids (JSON) or as the host's ps(1) shows them."""

from pyrunc.commands import write
from pyrunc.container import Container
from pyrunc.errors import PyruncError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation

# Engines may call without PATH.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(invocation: "Invocation") -> int:
    """Prints the processes.  Raises PyruncError."""
    form = invocation.options.text("format")
    container_id, *options = invocation.arguments
    pids = Container.load(invocation.root, container_id).processes()
    if form == "json":
        from pyrunc.fastjson import dumps

        # runc prints null for no processes at all.
        write(dumps(pids or None) + "\n")
    elif form == "table":
        write(select(ask_ps(options or ["-ef"]), pids))
    else:
        raise PyruncError("invalid format option", hint="--format takes table or json")
    return 0


def ask_ps(options: "list[str]") -> str:
    """What the host's ps prints.  Raises PyruncError when there is none, and with its own words when it fails."""
    import os
    import subprocess

    path = os.environ.get("PATH") or DEFAULT_PATH
    try:
        ended = subprocess.run(
            ["ps", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path},
        )
    except FileNotFoundError as error:
        reason = 'exec: "ps": executable file not found in $PATH'
        raise PyruncError(reason, hint="--format json needs no ps", errno=error.errno or 0) from error
    except OSError as error:
        raise from_os_error(error, operation="exec ps") from error
    output = ended.stdout.decode("utf-8", "surrogateescape")
    if ended.returncode:
        status = ended.returncode
        how = f"exit status {status}" if status > 0 else f"signal {-status}"
        raise PyruncError(f"{how}: {output.rstrip()}")
    return output


def select(output: str, pids: "list[int]") -> str:
    """ps's heading and those of its lines whose PID column has one of the pids.  Raises PyruncError."""
    heading, _, rest = output.partition("\n")
    names = heading.split()
    if "PID" not in names:
        raise PyruncError("couldn't find PID field in ps output", hint="give ps options that show the PID")
    column = names.index("PID")
    wanted = set(pids)
    lines = [heading]
    for line in rest.split("\n"):
        fields = line.split(None, column + 1)
        if not fields:
            continue
        if len(fields) <= column or not (fields[column].isascii() and fields[column].isdigit()):
            raise PyruncError(
                f"unable to parse pid: {line.strip()!r}", hint="only ps options with plain columns will do"
            )
        if int(fields[column]) in wanted:
            lines.append(line)
    return "\n".join(lines) + "\n"
