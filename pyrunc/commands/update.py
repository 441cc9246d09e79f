"""pyrunc update: other limits for a container, by options or from a JSON file."""

from pyrunc.commands import read_input
from pyrunc.container import Container
from pyrunc.errors import PyruncError
from pyrunc.spec.load import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrunc.options import Invocation, Values

# option -> where its value belongs in linux.resources, and how it is read
NUMBERS = {
    "blkio-weight": ("blockIO", "weight"),
    "cpu-burst": ("cpu", "burst"),
    "cpu-idle": ("cpu", "idle"),
    "cpu-period": ("cpu", "period"),
    "cpu-quota": ("cpu", "quota"),
    "cpu-rt-period": ("cpu", "realtimePeriod"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime"),
    "cpu-share": ("cpu", "shares"),
    "pids-limit": ("pids", "limit"),
}
SIZES = {
    "memory": ("memory", "limit"),
    "memory-reservation": ("memory", "reservation"),
    "memory-swap": ("memory", "swap"),
}
TEXTS = {"cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems")}
# option -> member of linux.intelRdt
SCHEMATA = {"l3-cache-schema": "l3CacheSchema", "mem-bw-schema": "memBwSchema"}

UNITS = "kmgtp"


def run(invocation: "Invocation") -> int:
    """Changes the limits.  Raises PyruncError."""
    options = invocation.options
    path = options.text("resources")
    # As with runc, the file is all there is of resources then.
    resources = resources_of(options) if path is None else parse(*read_input(path))
    intel_rdt = {member: text for name, member in SCHEMATA.items() if (text := options.text(name))}
    Container.load(invocation.root, invocation.arguments[0]).update(resources, intel_rdt)
    return 0


def resources_of(options: "Values") -> "dict[str, Any]":
    """linux.resources with what the options say.  Raises PyruncError."""
    resources: "dict[str, Any]" = {}
    for table, read in ((NUMBERS, parse_number), (SIZES, parse_size), (TEXTS, parse_text)):
        for name, (section, member) in table.items():
            text = options.text(name)
            if text:
                resources.setdefault(section, {})[member] = read(name, text)
    if resources.get("pids") == {"limit": 0}:
        del resources["pids"]  # as with runc; a limit of 0 can be had by --resources
    return resources


def parse_number(name: str, text: str) -> int:
    """A whole number.  Raises PyruncError."""
    digits = text[1:] if text[0] in "+-" else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 30:
        raise PyruncError(f"invalid value for {name}: {text!r} is not a whole number")
    return int(text)


def parse_size(name: str, text: str) -> int:
    """Bytes, or with a unit of 1024s: "64M", "1.5GiB", "1 kb"; -1 is no limit.  Raises PyruncError."""
    if text == "-1":
        return -1
    wrong = PyruncError(f"invalid value for {name}: invalid size: '{text}'", hint="a size is like 67108864, 64M or -1")
    number = text.lower()
    if number[-1:] == "b" and number[:-1]:
        number = number[:-1].removesuffix("i") if number[-2:-1] == "i" and number[-3:-2] in UNITS else number[:-1]
    shift = 0
    if number[-1:] and number[-1] in UNITS:
        shift = 10 * (UNITS.index(number[-1]) + 1)
        number = number[:-1]
    whole, point, fraction = number.rstrip(" ").partition(".")
    digits = whole + fraction
    if not digits or not (digits.isascii() and digits.isdigit()) or len(digits) > 30 or (point and not fraction):
        raise wrong
    return (int(digits) << shift) // int("1" + "0" * len(fraction))


def parse_text(_name: str, text: str) -> str:
    """A list of CPUs or memory nodes, which the kernel reads."""
    return text
