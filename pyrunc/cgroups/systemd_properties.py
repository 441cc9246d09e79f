"""linux.resources as properties of a unit (systemd.resource-control(5), org.freedesktop.systemd1(5)).

systemd writes them to the cgroup's files, now and at every daemon-reload; the values here are those that the writers
of v1.py and v2.py give to the same files afterwards.  What systemd has no property for is theirs alone.
"""

from pyrunc.cgroups import convert
from pyrunc.cgroups.devices import ANY, device_rules, merge
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyrunc.cgroups.devices import Rule
    from pyrunc.cgroups.systemd import Properties

    Resources = Mapping[str, Any]

INFINITY = (1 << 64) - 1
PLACE = "linux.resources"
IDLE_WEIGHT = 0  # CPUWeight=idle, since systemd 252
WEIGHT_DEFAULT = 100
QUOTA_STEP = 10000  # microseconds a second: systemd keeps CPUQuota= in whole percents
SUFFIXES = "kmgtpe"  # that the kernel's memory files take: powers of 1024
MAX_NUMBER = 8192  # of CPUs, or memory nodes: more than the kernel can be built for

# systemd that has a property first.
HAS_IDLE, HAS_CPUSET, HAS_PERIOD, HAS_ZSWAP = 252, 244, 242, 253


def base_properties(description: str, slice_name: str, version: int) -> "Properties":
    """What the scope of every container has.  version: of the cgroup layout.

    Without the default dependencies it would be stopped at shutdown before what it may need.
    """
    properties: Properties = {
        "Description": ("s", description),
        "Slice": ("s", slice_name),
        "Delegate": ("b", True),
        "DefaultDependencies": ("b", False),
    }
    for what in ("CPU", "Memory", "Tasks", "IO" if version == 2 else "BlockIO"):
        properties[f"{what}Accounting"] = ("b", True)
    return properties


def limit_properties(resources: "Resources", version: int, systemd: int) -> "Properties":
    """All of linux.resources but devices.  version: of the cgroup layout; systemd: its version.

    Raises PyruncError for a value that makes no sense.
    """
    cpu = resources.get("cpu") or {}
    memory = resources.get("memory") or {}
    properties: Properties = {}
    if version == 2:
        properties |= memory_v2(memory)
        if cpu.get("shares"):
            properties["CPUWeight"] = ("t", convert.cpu_weight(cpu["shares"]))
        properties |= idle(cpu.get("idle"), cpu.get("shares", 0), systemd)
    else:
        if memory.get("limit"):
            properties["MemoryLimit"] = ("t", amount(memory["limit"]))
        if cpu.get("shares"):
            properties["CPUShares"] = ("t", cpu["shares"])
        weight = (resources.get("blockIO") or {}).get("weight")
        if weight:
            properties["BlockIOWeight"] = ("t", weight)
    properties |= quota(cpu.get("quota", 0), cpu.get("period", 0), systemd)
    if version == 2 and systemd >= HAS_CPUSET:
        for key, name in (("cpus", "AllowedCPUs"), ("mems", "AllowedMemoryNodes")):
            if cpu.get(key):
                properties[name] = ("ay", bit_mask(cpu[key], f"{PLACE}.cpu.{key}"))
    limit = (resources.get("pids") or {}).get("limit")
    if limit is not None:
        properties["TasksMax"] = ("t", tasks(limit))
    if version == 2:
        properties |= unified(resources.get("unified") or {}, systemd)
    return properties


def memory_v2(memory: "Resources") -> "Properties":
    """memory.max, memory.low and memory.swap.max."""
    properties: Properties = {}
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    if limit:
        properties["MemoryMax"] = ("t", amount(limit))
    if memory.get("reservation"):
        properties["MemoryLow"] = ("t", amount(memory["reservation"]))
    swap_max = convert.swap_max(limit, swap)
    if swap_max is not None:
        properties["MemorySwapMax"] = ("t", amount(swap_max))
    return properties


def amount(value: int) -> int:
    """A limit, with systemd's number for none."""
    return INFINITY if value < 0 else value


def tasks(limit: int) -> int:
    """TasksMax for pids.max: systemd takes no 0, and with one task the container can start no other either."""
    return INFINITY if limit < 0 else limit or 1


def idle(value: "int | None", shares: int, systemd: int) -> "Properties":
    """cpu.idle, which systemd has as a weight.  A cgroup that is idle no more has the kernel's default weight."""
    if value is None or systemd < HAS_IDLE:
        return {}
    if value:
        return {"CPUWeight": ("t", IDLE_WEIGHT)}
    return {} if shares else {"CPUWeight": ("t", WEIGHT_DEFAULT)}


def quota(microseconds: int, period: int, systemd: int) -> "Properties":
    """cpu.max: the time in a second, rounded up to what systemd can keep, and the period."""
    properties: Properties = {}
    if period and systemd >= HAS_PERIOD:
        properties["CPUQuotaPeriodUSec"] = ("t", period)
    if microseconds > 0:
        share = microseconds * 1000000 // (period or convert.DEFAULT_PERIOD)
        properties["CPUQuotaPerSecUSec"] = ("t", max(-(-share // QUOTA_STEP), 1) * QUOTA_STEP)
    elif microseconds or period:
        properties["CPUQuotaPerSecUSec"] = ("t", INFINITY)
    return properties


def bit_mask(text: str, place: str) -> bytes:
    """A list of CPUs or memory nodes ("0-3,7") as bits, the lowest first.  Raises PyruncError."""
    mask = 0
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = [word for word in (first, last if dash else first) if word.isascii() and word.isdigit()]
        if len(numbers) != 2 or not int(first) <= int(numbers[1]) < MAX_NUMBER:
            raise PyruncError(f"{text!r} is not a list of numbers and ranges like 0-3,7", place=place)
        mask |= (1 << (int(numbers[1]) + 1)) - (1 << int(first))
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def unified(files: "Mapping[str, str]", systemd: int) -> "Properties":
    """The properties behind files of linux.resources.unified.

    A value that is not understood is none here: the file's writer will hear the kernel's own opinion of it.
    """
    properties: Properties = {}
    names = {
        "memory.min": "MemoryMin",
        "memory.low": "MemoryLow",
        "memory.high": "MemoryHigh",
        "memory.max": "MemoryMax",
        "memory.swap.max": "MemorySwapMax",
    }
    if systemd >= HAS_ZSWAP:
        names["memory.zswap.max"] = "MemoryZSwapMax"
    for file, text in files.items():
        value = size(text)
        words = text.split()
        if file in names and value is not None:
            properties[names[file]] = ("t", value)
        elif file == "pids.max" and value is not None:
            properties["TasksMax"] = ("t", value or 1)
        elif file == "cpu.weight" and value and value <= convert.MAX_WEIGHT:
            properties["CPUWeight"] = ("t", value)
        elif file == "cpu.idle" and value in (0, 1):
            properties |= idle(value, "cpu.weight" in files, systemd)
        elif file == "cpu.max" and words and all(word == "max" or word.isdigit() for word in words[:2]):
            period = int(words[1]) if len(words) > 1 and words[1] != "max" else 0
            properties |= quota(-1 if words[0] == "max" else int(words[0]), period, systemd)
        elif file in ("cpuset.cpus", "cpuset.mems") and text.strip() and systemd >= HAS_CPUSET:
            name = "AllowedCPUs" if file == "cpuset.cpus" else "AllowedMemoryNodes"
            properties[name] = ("ay", bit_mask(text.strip(), f"{PLACE}.unified[{file!r}]"))
    return properties


def size(text: str) -> "int | None":
    """A number as the kernel reads it: "max", bytes, or with one of its suffixes.  None for anything else."""
    word = text.strip().lower()
    if word == "max":
        return INFINITY
    power = SUFFIXES.find(word[-1:]) + 1 if word else 0
    digits = word[:-1] if power else word
    if not digits.isascii() or not digits.isdigit():
        return None
    return min(int(digits) << (10 * power), INFINITY)


def device_properties(devices: "list[dict[str, Any]]") -> "Properties":
    """The device rules, so far as systemd can say them.

    Our own program on the cgroup decides exactly.  systemd's, which it puts beside it at a daemon-reload, must not
    forbid more: it allows what the rules allow, and where it has no words for a rule, a little more.
    """
    entries = device_entries(device_rules(devices))
    if entries is None:
        return {"DevicePolicy": ("s", "auto"), "DeviceAllow": ("a(ss)", [])}
    return {"DevicePolicy": ("s", "strict"), "DeviceAllow": ("a(ss)", entries)}


def device_entries(rules: "list[Rule]") -> "list[tuple[str, str]] | None":
    """DeviceAllow entries for rules in the order in which they apply; None when all is allowed but exceptions."""
    everything = False
    allowed: dict[tuple[str, int, int], str] = {}
    for allow, kind, major, minor, access in rules:
        if kind == "a" and major == minor == ANY and access == "rwm":
            everything = allow
            allowed = {}
            continue
        for letter in "bc" if kind == "a" else kind:
            device = (letter, major, minor)
            if allow:
                allowed[device] = merge(allowed.get(device, ""), access)
                continue
            for found in [found for found in allowed if covers(device, found)]:
                allowed[found] = "".join(bit for bit in allowed[found] if bit not in access)
    if everything:
        return None
    entries: dict[str, str] = {}
    for device, access in allowed.items():
        if access:
            name = device_name(*device)
            entries[name] = merge(entries.get(name, ""), access)
    return list(entries.items())


def covers(device: "tuple[str, int, int]", other: "tuple[str, int, int]") -> bool:
    """Whether every device that `other` names is one that `device` names."""
    return device[0] == other[0] and all(mine in (ANY, its) for mine, its in zip(device[1:], other[1:], strict=True))


def device_name(letter: str, major: int, minor: int) -> str:
    """The name for DeviceAllow; for one minor number of all major ones there is none but that of all devices."""
    kind = "char" if letter == "c" else "block"
    if major == ANY:
        return f"{kind}-*"
    return f"{kind}-{major}" if minor == ANY else f"/dev/{kind}/{major}:{minor}"
