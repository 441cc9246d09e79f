"""Statistics from the files of cgroup v1: each function is for one section of stats.py."""

from pyrunc.cgroups.stats import (
    CPUSET_FLAGS,
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
    from collections.abc import Mapping
    from typing import Any

    Stats = dict[str, Any]

TICK = 10_000_000  # nanoseconds of one of cpuacct.stat's ticks (USER_HZ is 100)

# member -> the files that may have it, the first that says anything counts: the scheduler's, then the throttler's.
BLKIO = {
    "ioServiceBytesRecursive": ("bfq.io_service_bytes_recursive", "throttle.io_service_bytes_recursive"),
    "ioServicedRecursive": ("bfq.io_serviced_recursive", "throttle.io_serviced_recursive"),
    "ioQueueRecursive": ("bfq.io_queued_recursive",),
    "ioServiceTimeRecursive": ("bfq.io_service_time_recursive",),
    "ioWaitTimeRecursive": ("bfq.io_wait_time_recursive",),
    "ioMergedRecursive": ("bfq.io_merged_recursive",),
    "ioTimeRecursive": ("bfq.time_recursive",),
    "sectorsRecursive": ("bfq.sectors_recursive",),
}


def cpu(paths: "Mapping[str, str]") -> "Stats":
    directory = paths["cpuacct"]
    rows = [line.split() for line in text_of(directory, "cpuacct.usage_all").splitlines()[1:]]
    ticks = table_of(directory, "cpuacct.stat")
    throttling = table_of(paths.get("cpu", ""), "cpu.stat")
    usage = without_zeros(
        total=number_of(directory, "cpuacct.usage"),
        percpu=[int(word) for word in text_of(directory, "cpuacct.usage_percpu").split()],
        percpu_kernel=[int(row[2]) for row in rows],
        percpu_user=[int(row[1]) for row in rows],
    )
    usage |= {"kernel": ticks.get("system", 0) * TICK, "user": ticks.get("user", 0) * TICK}
    return {
        "usage": usage,
        "throttling": without_zeros(
            periods=throttling.get("nr_periods"),
            throttledPeriods=throttling.get("nr_throttled"),
            throttledTime=throttling.get("throttled_time"),
        ),
    }


def cpuset(directory: str) -> "Stats":
    flags = {name: number_of(directory, f"cpuset.{name}") for name in CPUSET_FLAGS}
    return cpuset_entry(text_of(directory, "cpuset.cpus"), text_of(directory, "cpuset.mems"), flags)


def memory(directory: str) -> "Stats":
    table = table_of(directory, "memory.stat")
    return {
        **without_zeros(cache=table.get("cache")),
        "usage": kind_of_memory(directory, "memory"),
        "swap": kind_of_memory(directory, "memory.memsw"),
        "kernel": kind_of_memory(directory, "memory.kmem"),
        "kernelTCP": kind_of_memory(directory, "memory.kmem.tcp"),
        **without_zeros(raw=dict(sorted(table.items()))),
    }


def kind_of_memory(directory: str, prefix: str) -> "Stats":
    """memory, memory plus swap, the kernel's, or its TCP buffers: the files have the same names."""
    return memory_entry(
        number_of(directory, f"{prefix}.limit_in_bytes"),
        number_of(directory, f"{prefix}.usage_in_bytes"),
        number_of(directory, f"{prefix}.max_usage_in_bytes"),
        number_of(directory, f"{prefix}.failcnt"),
    )


def blkio(directory: str) -> "Stats":
    stats: Stats = {}
    for member, files in BLKIO.items():
        for file in files:
            entries = block_entries(text_of(directory, f"blkio.{file}"))
            if entries:
                stats[member] = entries
                break
    return stats


def block_entries(text: str) -> "list[Stats]":
    """Lines like "8:0 Read 4096" or "8:0 4096"; the sums over all devices are left out."""
    entries = []
    for line in text.splitlines():
        number, *words = line.split()
        major, colon, minor = number.partition(":")
        if colon:
            operation = words[0] if len(words) > 1 else ""
            entries.append(without_zeros(major=int(major), minor=int(minor), op=operation, value=int(words[-1])))
    return entries


def hugetlb(directory: str) -> "Stats":
    stats: Stats = {}
    for file in names_in(directory):
        size = file.removeprefix("hugetlb.").removesuffix(".usage_in_bytes")
        if file == f"hugetlb.{size}.usage_in_bytes" and "." not in size:
            usage, peak = (number_of(directory, f"hugetlb.{size}.{name}_in_bytes") for name in ("usage", "max_usage"))
            failures = number_of(directory, f"hugetlb.{size}.failcnt")
            stats[size] = {**without_zeros(usage=usage, max=peak), "failcnt": failures}
    return stats
