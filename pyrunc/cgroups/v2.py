"""Limits on cgroup v2: each function turns one controller's part of linux.resources into operations.

The same shape as v1.py, whose comments on values that ask for nothing hold here too; convert.py has the arithmetic.
"""

from pyrunc.cgroups import convert, v1
from pyrunc.cgroups.files import is_file_name
from pyrunc.cgroups.operations import CheckMemoryUsage, WriteCgroupFile, WriteFirstCgroupFile, WriteTogether
from pyrunc.cgroups.v1 import PLACE, cpuset, pids, rdma
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.cgroups.v1 import Resources, Writer
    from pyrunc.operations.base import Operation

# Files that move or kill processes or hand out controllers: no limits, and not for a configuration to write.
NOT_LIMITS = ("cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.type")


def memory(resources: "Resources", directory: str) -> "list[Operation]":
    memory = resources.get("memory")
    if not memory:
        return []
    place = f"{PLACE}.memory"
    for key in ("kernelTCP", "disableOOMKiller"):
        if memory.get(key):
            raise unsupported(f"{place}.{key}")
    if memory.get("swappiness", -1) not in (-1, 0xFFFFFFFFFFFFFFFF):
        raise unsupported(f"{place}.swappiness")
    if memory.get("useHierarchy") is False:
        raise unsupported(f"{place}.useHierarchy")
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    swap_max = convert.swap_max(limit, swap, f"{place}.swap")
    operations: list[Operation] = []
    if memory.get("checkBeforeUpdate"):
        for value, what, key in ((swap, "memory+swap", "swap"), (limit, "memory", "limit")):
            if value > 0:
                operations.append(CheckMemoryUsage(directory, "memory.current", value, what, f"{place}.{key}"))
    if swap_max is not None:
        value = convert.number(swap_max)
        # A kernel without swap has no such file, and neither "no swap" nor "no limit" needs one.
        absent_ok = value in ("0", "max")
        operations.append(WriteCgroupFile(directory, "memory.swap.max", value, f"{place}.swap", absent_ok=absent_ok))
    if limit:
        operations.append(WriteCgroupFile(directory, "memory.max", convert.number(limit), f"{place}.limit"))
    if memory.get("reservation"):
        value = convert.number(memory["reservation"])
        operations.append(WriteCgroupFile(directory, "memory.low", value, f"{place}.reservation"))
    return operations


def cpu(resources: "Resources", directory: str) -> "list[Operation]":
    cpu = resources.get("cpu")
    if not cpu:
        return []
    place = f"{PLACE}.cpu"
    for key in ("realtimeRuntime", "realtimePeriod"):
        if cpu.get(key):
            raise unsupported(f"{place}.{key}")
    operations: list[Operation] = []
    if cpu.get("shares"):
        weight = str(convert.cpu_weight(cpu["shares"]))
        operations.append(WriteCgroupFile(directory, "cpu.weight", weight, f"{place}.shares"))
    writes = []
    quota, period, burst = cpu.get("quota", 0), cpu.get("period", 0), cpu.get("burst")
    if burst is not None:
        writes.append(("cpu.max.burst", str(burst), f"{place}.burst"))
    if quota or period:
        writes.append(("cpu.max", convert.cpu_max(quota, period), f"{place}.{'quota' if quota else 'period'}"))
    if writes:
        operations.append(WriteTogether(directory, writes))
    idle = cpu.get("idle")
    if idle is not None:  # an idle cgroup takes no weight: it goes first when it becomes one, last when it was one
        operation = WriteCgroupFile(directory, "cpu.idle", str(idle), f"{place}.idle")
        operations.insert(len(operations) if idle else 0, operation)
    return operations


def io(resources: "Resources", directory: str) -> "list[Operation]":
    block = resources.get("blockIO")
    if not block:
        return []
    place = f"{PLACE}.blockIO"
    operations: list[Operation] = []

    def write_weight(prefix: str, weight: int, where: str) -> None:
        choices = [
            ("io.bfq.weight", f"{prefix}{weight}"),  # takes the spec's range as it is
            ("io.weight", f"{prefix}{convert.io_weight(weight)}"),
        ]
        operations.append(WriteFirstCgroupFile(directory, choices, where))

    if block.get("leafWeight"):
        raise unsupported(f"{place}.leafWeight")
    if block.get("weight"):
        write_weight("", block["weight"], f"{place}.weight")
    for index, device in enumerate(block.get("weightDevice") or []):
        if device.get("leafWeight"):
            raise unsupported(f"{place}.weightDevice[{index}].leafWeight")
        if device.get("weight"):
            prefix = f"{device['major']}:{device['minor']} "
            write_weight(prefix, device["weight"], f"{place}.weightDevice[{index}]")
    for key, word in (
        ("throttleReadBpsDevice", "rbps"),
        ("throttleWriteBpsDevice", "wbps"),
        ("throttleReadIOPSDevice", "riops"),
        ("throttleWriteIOPSDevice", "wiops"),
    ):
        for index, device in enumerate(block.get(key) or []):
            line = f"{device['major']}:{device['minor']} {word}={convert.rate(device['rate'])}"
            operations.append(WriteCgroupFile(directory, "io.max", line, f"{place}.{key}[{index}]"))
    return operations


def hugetlb(resources: "Resources", directory: str) -> "list[Operation]":
    return v1.hugetlb(resources, directory, "max")


def network(resources: "Resources", directory: str) -> "list[Operation]":
    """v2 has no network controllers (programs in the network stack can ask for the cgroup)."""
    for key in ("classID", "priorities"):
        if (resources.get("network") or {}).get(key):
            raise unsupported(f"{PLACE}.network.{key}")
    return []


def unified(resources: "Resources", directory: str) -> "list[Operation]":
    """linux.resources.unified: any limit by the name of its file; several lines are written one by one."""
    operations: list[Operation] = []
    for file, value in (resources.get("unified") or {}).items():
        place = f"{PLACE}.unified[{file!r}]"
        if not is_file_name(file) or "." not in file[1:-1]:
            raise PyruncError(f"unified resource {file!r} must be in the form CONTROLLER.PARAMETER", place=place)
        if file in NOT_LIMITS:
            raise PyruncError(f"unified resource {file!r} is not a limit", place=place)
        for line in value.strip().split("\n"):
            operations.append(WriteCgroupFile(directory, file, line.strip(), place))
    return operations


def unified_controllers(resources: "Resources") -> "dict[str, str]":
    """The controllers that the files in linux.resources.unified belong to, each with its place."""
    return {
        file.partition(".")[0]: f"{PLACE}.unified[{file!r}]"
        for file in resources.get("unified") or {}
        if not file.startswith("cgroup.")
    }


def unsupported(place: str) -> PyruncError:
    return PyruncError("cgroup v2 has nothing like it", place=place)


# controller -> its function, in the order in which limits are written; "" is not a controller
WRITERS: "dict[str, Writer]" = {
    "memory": memory,
    "cpuset": cpuset,
    "cpu": cpu,
    "pids": pids,
    "io": io,
    "hugetlb": hugetlb,
    "rdma": rdma,
    "": network,
}
