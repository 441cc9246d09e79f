"""Limits on cgroup v1: each function turns one controller's part of linux.resources into operations.

A value that engines send for "leave as it is" (0 for most numbers, "" for lists) asks for nothing.  v2.py has the
same functions for cgroup2.
"""

from pyrunc.cgroups.files import is_file_name
from pyrunc.cgroups.operations import (
    CheckMemoryUsage,
    WriteCgroupFile,
    WriteFirstCgroupFile,
    WriteMemoryLimits,
    WriteTogether,
)
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pyrunc.operations.base import Operation

    Resources = Mapping[str, Any]
    Writer = Callable[[Resources, str], list[Operation]]

PLACE = "linux.resources"

MIN_SHARES, MAX_SHARES = 2, 262144  # of cpu.shares, as the kernel has them; the default is 1024


def memory(resources: "Resources", directory: str) -> "list[Operation]":
    memory = resources.get("memory")
    if not memory:
        return []
    place = f"{PLACE}.memory"
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    operations: list[Operation] = []
    if memory.get("checkBeforeUpdate"):
        if swap > 0:
            usage = "memory.memsw.usage_in_bytes"
            operations.append(CheckMemoryUsage(directory, usage, swap, "memory+swap", f"{place}.swap"))
        if limit > 0:
            usage = "memory.usage_in_bytes"
            operations.append(CheckMemoryUsage(directory, usage, limit, "memory", f"{place}.limit"))
    writes = []
    if limit:
        writes.append(("memory.limit_in_bytes", str(limit), f"{place}.limit"))
    if swap:
        writes.append(("memory.memsw.limit_in_bytes", str(swap), f"{place}.swap"))
    if limit == -1 and not swap:  # a limit on memory plus swap that stays would still limit the memory
        operations.append(
            WriteCgroupFile(directory, "memory.memsw.limit_in_bytes", "-1", f"{place}.limit", absent_ok=True)
        )
    if writes:
        operations.append(WriteMemoryLimits(directory, writes))
    for key, file in (("reservation", "memory.soft_limit_in_bytes"), ("kernelTCP", "memory.kmem.tcp.limit_in_bytes")):
        if memory.get(key):
            operations.append(WriteCgroupFile(directory, file, str(memory[key]), f"{place}.{key}"))
    if memory.get("useHierarchy") is not None:
        value = "1" if memory["useHierarchy"] else "0"
        operations.append(WriteCgroupFile(directory, "memory.use_hierarchy", value, f"{place}.useHierarchy"))
    if memory.get("disableOOMKiller"):
        operations.append(WriteCgroupFile(directory, "memory.oom_control", "1", f"{place}.disableOOMKiller"))
    swappiness = memory.get("swappiness", -1)
    if 0 <= swappiness <= 100:
        operations.append(WriteCgroupFile(directory, "memory.swappiness", str(swappiness), f"{place}.swappiness"))
    elif swappiness not in (-1, 0xFFFFFFFFFFFFFFFF):  # both are -1 in an unsigned field: leave as it is
        raise PyruncError(
            f"invalid memory swappiness value: {swappiness} (valid range is 0-100)", place=f"{place}.swappiness"
        )
    return operations


def cpu(resources: "Resources", directory: str) -> "list[Operation]":
    cpu = resources.get("cpu")
    if not cpu:
        return []
    place = f"{PLACE}.cpu"
    operations: list[Operation] = []
    shares = cpu.get("shares", 0)
    if shares:
        if shares > MAX_SHARES:  # the kernel would clamp without a word
            raise PyruncError(f"the maximum allowed cpu-shares is {MAX_SHARES}", place=f"{place}.shares")
        if shares < MIN_SHARES:
            raise PyruncError(f"the minimum allowed cpu-shares is {MIN_SHARES}", place=f"{place}.shares")
        operations.append(WriteCgroupFile(directory, "cpu.shares", str(shares), f"{place}.shares"))
    for group in (
        (("period", "cpu.cfs_period_us"), ("burst", "cpu.cfs_burst_us"), ("quota", "cpu.cfs_quota_us")),
        (("realtimePeriod", "cpu.rt_period_us"), ("realtimeRuntime", "cpu.rt_runtime_us")),
    ):
        writes = []
        for key, file in group:
            value = cpu.get(key)
            if value or (key == "burst" and value == 0):  # a burst of 0 is a real value
                writes.append((file, str(value), f"{place}.{key}"))
        if writes:
            operations.append(WriteTogether(directory, writes))
    idle = cpu.get("idle")
    if idle is not None:  # an idle cgroup takes no shares: they go first when it becomes one, last when it was one
        operation = WriteCgroupFile(directory, "cpu.idle", str(idle), f"{place}.idle")
        operations.insert(len(operations) if idle else 0, operation)
    return operations


def cpuset(resources: "Resources", directory: str) -> "list[Operation]":
    cpu = resources.get("cpu") or {}
    return [
        WriteCgroupFile(directory, f"cpuset.{key}", cpu[key], f"{PLACE}.cpu.{key}")
        for key in ("cpus", "mems")
        if cpu.get(key)
    ]


def pids(resources: "Resources", directory: str) -> "list[Operation]":
    limit = (resources.get("pids") or {}).get("limit")
    if limit is None:
        return []
    return [WriteCgroupFile(directory, "pids.max", "max" if limit < 0 else str(limit), f"{PLACE}.pids.limit")]


def blkio(resources: "Resources", directory: str) -> "list[Operation]":
    block = resources.get("blockIO")
    if not block:
        return []
    place = f"{PLACE}.blockIO"
    operations: list[Operation] = []

    def write(key: str, files: "tuple[str, ...]", value: str, index: str = "") -> None:
        choices = [(file, value) for file in files]
        operations.append(WriteFirstCgroupFile(directory, choices, f"{place}.{key}{index}"))

    if block.get("weight"):
        write("weight", ("blkio.weight", "blkio.bfq.weight"), str(block["weight"]))
    if block.get("leafWeight"):
        write("leafWeight", ("blkio.leaf_weight",), str(block["leafWeight"]))
    for index, device in enumerate(block.get("weightDevice") or []):
        number = f"{device['major']}:{device['minor']}"
        if device.get("weight"):
            files = ("blkio.weight_device", "blkio.bfq.weight_device")
            write("weightDevice", files, f"{number} {device['weight']}", f"[{index}]")
        if device.get("leafWeight"):
            write("weightDevice", ("blkio.leaf_weight_device",), f"{number} {device['leafWeight']}", f"[{index}]")
    for key, file in (
        ("throttleReadBpsDevice", "blkio.throttle.read_bps_device"),
        ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device"),
        ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device"),
        ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device"),
    ):
        for index, device in enumerate(block.get(key) or []):
            write(key, (file,), f"{device['major']}:{device['minor']} {device['rate']}", f"[{index}]")
    return operations


def hugetlb(resources: "Resources", directory: str, file: str = "limit_in_bytes") -> "list[Operation]":
    """file: the last part of the limit's name, which is all that differs on v2."""
    operations: list[Operation] = []
    for index, entry in enumerate(resources.get("hugepageLimits") or []):
        place = f"{PLACE}.hugepageLimits[{index}]"
        prefix = f"hugetlb.{file_word(entry['pageSize'], place)}"
        limit = str(entry["limit"])
        operations.append(WriteCgroupFile(directory, f"{prefix}.{file}", limit, place))
        # Reservations are accounted since Linux 5.7: the limit that refuses mmap() instead of a SIGBUS later.
        operations.append(WriteCgroupFile(directory, f"{prefix}.rsvd.{file}", limit, place, absent_ok=True))
    return operations


def net_cls(resources: "Resources", directory: str) -> "list[Operation]":
    class_id = (resources.get("network") or {}).get("classID")
    if not class_id:
        return []
    return [WriteCgroupFile(directory, "net_cls.classid", str(class_id), f"{PLACE}.network.classID")]


def net_prio(resources: "Resources", directory: str) -> "list[Operation]":
    operations: list[Operation] = []
    for index, entry in enumerate((resources.get("network") or {}).get("priorities") or []):
        place = f"{PLACE}.network.priorities[{index}]"
        name = entry["name"]
        if not name or name != "".join(name.split()):
            raise PyruncError(f"{name!r} is not the name of a network interface", place=place)
        line = f"{name} {entry['priority']}"
        operations.append(WriteCgroupFile(directory, "net_prio.ifpriomap", line, place))
    return operations


def rdma(resources: "Resources", directory: str) -> "list[Operation]":
    """rdma.max is the same file on v1 and v2."""
    operations: list[Operation] = []
    for device, limits in (resources.get("rdma") or {}).items():
        place = f"{PLACE}.rdma.{device}"
        line = file_word(device, place)
        for key, word in (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object")):
            if limits.get(key) is not None:
                line += f" {word}={limits[key]}"
        if line != device:
            operations.append(WriteCgroupFile(directory, "rdma.max", line, place))
    return operations


def file_word(word: str, place: str) -> str:
    """word, if it may be part of a file's name; else PyruncError."""
    if not is_file_name(word):
        raise PyruncError(f"{word!r} is not a valid name", place=place)
    return word


# controller -> its function, in the order in which limits are written
WRITERS: "dict[str, Writer]" = {
    "memory": memory,
    "cpuset": cpuset,
    "cpu": cpu,
    "pids": pids,
    "blkio": blkio,
    "hugetlb": hugetlb,
    "net_cls": net_cls,
    "net_prio": net_prio,
    "rdma": rdma,
}
