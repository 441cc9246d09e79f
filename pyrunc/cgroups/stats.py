"""What a container uses, read from the files of its cgroups, in the shape of runc's `events --stats`.

The shape is that of runc's types/events, in which a number that is 0 is mostly left out (Go's omitempty).
stats_v1.py and stats_v2.py read the files of each version; this module has what both need, and the
pressure-stall figures, which on a hybrid host are in the cgroup2 hierarchy.
"""

import posix
from errno import EINVAL, ENODEV, ENOENT, EOPNOTSUPP

from pyrunc.cgroups.files import read_file
from pyrunc.cgroups.layout import UNIFIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Stats = dict[str, Any]

NO_LIMIT = 2**64 - 1
# Not there: the controller, the kernel's option for this file, or the cgroup itself by now.
ABSENT = (ENOENT, ENODEV, EOPNOTSUPP, EINVAL)

CPUSET_FLAGS = (
    "cpu_exclusive",
    "mem_hardwall",
    "mem_exclusive",
    "memory_migrate",
    "memory_spread_page",
    "memory_spread_slab",
    "memory_pressure",
    "sched_load_balance",
    "sched_relax_domain_level",
)


def collect(paths: "Mapping[str, str]") -> "Stats":
    """The statistics of the cgroups of paths (controller -> directory).  What the kernel does not count is 0."""
    from pyrunc.cgroups import stats_v1, stats_v2

    # On a hybrid host a controller is in one of the two.
    unified = paths.get(UNIFIED, "")
    stats: Stats = {
        "cpu": stats_v1.cpu(paths) if "cpuacct" in paths else stats_v2.cpu(unified),
        "cpuset": stats_v1.cpuset(paths["cpuset"]) if "cpuset" in paths else stats_v2.cpuset(unified),
        "memory": stats_v1.memory(paths["memory"]) if "memory" in paths else stats_v2.memory(unified),
        "pids": pids(paths.get("pids", unified)),
        "blkio": stats_v1.blkio(paths["blkio"]) if "blkio" in paths else stats_v2.io(unified),
        "hugetlb": stats_v1.hugetlb(paths["hugetlb"]) if "hugetlb" in paths else stats_v2.hugetlb(unified),
        "intel_rdt": {},
        "network_interfaces": None,
    }
    for section, file in (("cpu", "cpu.pressure"), ("memory", "memory.pressure"), ("blkio", "io.pressure")):
        figures = pressure(text_of(unified, file))
        if figures:
            stats[section]["psi"] = figures
    return stats


def pids(directory: str) -> "Stats":
    limit = number_of(directory, "pids.max")
    return without_zeros(current=number_of(directory, "pids.current"), limit=0 if limit == NO_LIMIT else limit)


def pressure(text: str) -> "dict[str, dict[str, float]]":
    """A pressure file (Documentation/accounting/psi.rst): the shares of time in percent, and the microseconds."""
    figures = {}
    for line in text.splitlines():
        kind, *fields = line.split()
        values: "dict[str, float]" = {}
        for field in fields:
            name, _, value = field.partition("=")
            values[name] = int(value) if name == "total" else float(value)
        figures[kind] = values
    return figures


def text_of(directory: str, file: str) -> str:
    """The file's content; "" when it is not there.  Raises OSError for any other failure."""
    if not directory:
        return ""
    try:
        return read_file(directory, file)
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        return ""


def number_of(directory: str, file: str) -> int:
    """The number in a file, "max" being NO_LIMIT; 0 when it is not there."""
    text = text_of(directory, file)
    return NO_LIMIT if text == "max" else int(text or 0)


def names_in(directory: str) -> "list[str]":
    """The files of a cgroup, sorted; none when it is not there."""
    try:
        return sorted(posix.listdir(directory)) if directory else []
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        return []


def table_of(directory: str, file: str) -> "dict[str, int]":
    """A file with a name and a number on each line."""
    pairs = (line.split() for line in text_of(directory, file).splitlines())
    return {pair[0]: NO_LIMIT if pair[1] == "max" else int(pair[1]) for pair in pairs if len(pair) == 2}


def list_of(text: str) -> "list[int]":
    """A list of CPUs or memory nodes: "0-2,7"."""
    numbers: "list[int]" = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first:
            numbers += range(int(first), int(last if dash else first) + 1)
    return numbers


def without_zeros(**values: "Any") -> "Stats":
    """The values but for those that are 0, "" or empty."""
    return {name: value for name, value in values.items() if value}


def memory_entry(limit: int, usage: int = 0, peak: int = 0, failures: int = 0) -> "Stats":
    """One kind of memory."""
    return {"limit": limit, **without_zeros(usage=usage, max=peak), "failcnt": failures}


def cpuset_entry(cpus: str, mems: str, flags: "Mapping[str, int]") -> "Stats":
    """The cpuset, in runc's order."""
    entry: Stats = {}
    for name in CPUSET_FLAGS:
        if name == "cpu_exclusive":
            entry |= without_zeros(cpus=list_of(cpus))
        if name == "mem_hardwall":
            entry |= without_zeros(mems=list_of(mems))
        entry[name] = flags.get(name, 0)
    return entry
