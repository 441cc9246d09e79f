"""Statistics from the files of cgroup v2: the same shape as stats_v1.py.  directory "" has nothing to count."""

from pyrunc.cgroups.stats import (
    NO_LIMIT,
    cpuset_entry,
    memory_entry,
    names_in,
    number_of,
    table_of,
    text_of,
    without_zeros,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Stats = dict[str, Any]

MICROSECOND = 1000  # in nanoseconds, in which v1 counts

# io.stat's words -> where the number goes, and the operation that it is of
IO = {
    "rbytes": ("ioServiceBytesRecursive", "Read"),
    "wbytes": ("ioServiceBytesRecursive", "Write"),
    "dbytes": ("ioServiceBytesRecursive", "Discard"),
    "rios": ("ioServicedRecursive", "Read"),
    "wios": ("ioServicedRecursive", "Write"),
    "dios": ("ioServicedRecursive", "Discard"),
}


def cpu(directory: str) -> "Stats":
    table = table_of(directory, "cpu.stat")
    usage = without_zeros(total=table.get("usage_usec", 0) * MICROSECOND)
    for name, key in (("kernel", "system_usec"), ("user", "user_usec")):
        usage[name] = table.get(key, 0) * MICROSECOND
    return {
        "usage": usage,
        "throttling": without_zeros(
            periods=table.get("nr_periods"),
            throttledPeriods=table.get("nr_throttled"),
            throttledTime=table.get("throttled_usec", 0) * MICROSECOND,
        ),
    }


def cpuset(directory: str) -> "Stats":
    return cpuset_entry(text_of(directory, "cpuset.cpus.effective"), text_of(directory, "cpuset.mems.effective"), {})


def memory(directory: str) -> "Stats":
    table = table_of(directory, "memory.stat")
    limit, usage = number_of(directory, "memory.max"), number_of(directory, "memory.current")
    failures = table_of(directory, "memory.events").get("max", 0)
    # As on v1, swap is memory plus swap.
    swap_limit, swap_usage = number_of(directory, "memory.swap.max"), number_of(directory, "memory.swap.current")
    both = NO_LIMIT if NO_LIMIT in (limit, swap_limit) else limit + swap_limit
    swap_failures = table_of(directory, "memory.swap.events").get("max", 0)
    return {
        **without_zeros(cache=table.get("file")),
        "usage": memory_entry(limit, usage, number_of(directory, "memory.peak"), failures),
        "swap": memory_entry(both, usage + swap_usage, 0, swap_failures),
        "kernel": memory_entry(0, table.get("kernel", 0)),
        "kernelTCP": memory_entry(0, table.get("sock", 0)),
        **without_zeros(raw=dict(sorted(table.items()))),
    }


def io(directory: str) -> "Stats":
    stats: Stats = {}
    for line in text_of(directory, "io.stat").splitlines():
        number, *words = line.split()
        major, _, minor = number.partition(":")
        for word in words:
            key, _, value = word.partition("=")
            if key in IO:
                member, operation = IO[key]
                entry = without_zeros(major=int(major), minor=int(minor), op=operation, value=int(value))
                stats.setdefault(member, []).append(entry)
    return stats


def hugetlb(directory: str) -> "Stats":
    stats: Stats = {}
    for file in names_in(directory):
        size = file.removeprefix("hugetlb.").removesuffix(".current")
        if file == f"hugetlb.{size}.current" and "." not in size:
            failures = table_of(directory, f"hugetlb.{size}.events").get("max", 0)
            stats[size] = {**without_zeros(usage=number_of(directory, file)), "failcnt": failures}
    return stats
