"""pyrunc list: the containers of a state root, as a table or as JSON."""

from pyrunc.commands import write
from pyrunc.container import list_containers
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyrunc.options import Invocation

HEADER = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")

# runc's column widths, which scripts cut by.
MINIMUM_WIDTH = 12
PADDING = 3


def run(invocation: "Invocation") -> int:
    """Prints the list.  Raises PyruncError."""
    form = invocation.options.text("format")
    if form not in ("table", "json"):
        raise PyruncError("invalid format option", hint="--format takes table or json")
    containers = list_containers(invocation.root)
    if invocation.options.flag("quiet"):
        write("".join(f"{container['id']}\n" for container in containers))
    elif form == "json":
        from pyrunc.fastjson import dumps

        # runc prints null for no containers at all.
        write(dumps(containers or None) + "\n")
    else:
        rows = [[str(container.get(name.lower(), "")) for name in HEADER] for container in containers]
        write(format_table([HEADER, *rows]))
    return 0


def format_table(rows: "Sequence[Sequence[str]]") -> str:
    """The rows in columns as wide as runc makes them; the last column is not padded."""
    widths = [max(MINIMUM_WIDTH, *(len(row[column]) + PADDING for row in rows)) for column in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        lines.append("".join(cells) + row[-1] + "\n")
    return "".join(lines)
