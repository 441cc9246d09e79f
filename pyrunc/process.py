"""process (config.md, "Process") -> what the process is to be, in the kernel's numbers.  Pure: nothing is touched.

Capabilities, seccomp and the terminal's transport are planned elsewhere.  What a field may say has been checked
by spec/; the tables here decide only what a name means, and refuse names that have no number.
"""

from pyrunc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Scheduler = tuple[int, int, int, int, int, int, int]

# asm-generic/resource.h: a name's place is its number.
RLIMITS = {
    f"RLIMIT_{name}": number
    for number, name in enumerate(
        (
            "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS",
            "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
        )
    )
}  # fmt: skip

# linux/sched.h.  SCHED_ISO is the specification's; Linux has kept the number for it and no more.
SCHEDULERS = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
SCHEDULER_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}

# linux/ioprio.h
IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
IOPRIO_CLASS_SHIFT = 13

# linux/personality.h
PERSONALITIES = {"LINUX": 0x0000, "LINUX32": 0x0008}

# The specification says to leave the caller's.  runc and crun have always set this one, no engine but podman
# says otherwise, and images rely on it: a service started by an engine with umask 077 would write files that
# its own users cannot read (runc#3533).
DEFAULT_UMASK = 0o022

# No kernel is built for more (CONFIG_NR_CPUS); keeps "0-999999999" from becoming a list of that length.
MAX_CPUS = 8192


class ProcessSettings:
    """What pyrunc-init makes of itself.

    args, env, cwd     strings for execve(2) and chdir(2); env names each variable once
    uid, gid, additional_gids   in the container's user namespace
    umask              octal bits, or None to leave the caller's (plan_process never does)
    rlimits            [(RLIMIT_* number, soft, hard)], 2**64-1 for infinity
    scheduler          (policy, flags, nice, priority, runtime, deadline, period) for sched_setattr(2), times in ns
    io_priority        for ioprio_set(2)
    personality        for personality(2)
    memory_policy      (mode with flags, nodes) for set_mempolicy(2)
    oom_score_adj      for /proc/self/oom_score_adj
    terminal, console_size   whether there is one, and its (rows, columns)
    apparmor_profile, selinux_label   "" for none
    initial_cpus, final_cpus   where an exec's process runs before and after it has entered the container's cgroup
    None stands for "leave it as it is" throughout.
    """

    __slots__ = (
        "additional_gids",
        "apparmor_profile",
        "args",
        "console_size",
        "cwd",
        "env",
        "final_cpus",
        "gid",
        "initial_cpus",
        "io_priority",
        "memory_policy",
        "no_new_privs",
        "oom_score_adj",
        "personality",
        "rlimits",
        "scheduler",
        "selinux_label",
        "terminal",
        "uid",
        "umask",
    )

    def __init__(self, process: "Mapping[str, Any]", linux: "Mapping[str, Any]") -> None:
        user = process.get("user") or {}
        self.args: list[str] = list(process["args"])
        self.env = deduplicated(process.get("env") or ())
        self.cwd: str = process["cwd"]
        self.uid: int = user.get("uid", 0)
        self.gid: int = user.get("gid", 0)
        self.additional_gids: list[int] = list(user.get("additionalGids") or ())
        self.umask: int | None = user.get("umask", DEFAULT_UMASK)
        self.no_new_privs: bool = process.get("noNewPrivileges", False)
        self.oom_score_adj: int | None = process.get("oomScoreAdj")
        self.apparmor_profile: str = process.get("apparmorProfile", "")
        self.selinux_label: str = process.get("selinuxLabel", "")
        self.terminal: bool = process.get("terminal", False)
        self.console_size = _console_size(process) if self.terminal else None
        self.rlimits = _rlimits(process.get("rlimits") or ())
        self.scheduler = _scheduler(process.get("scheduler"))
        self.io_priority = _io_priority(process.get("ioPriority"))
        self.personality = _personality(linux.get("personality"))
        self.memory_policy = _memory_policy(linux.get("memoryPolicy"))
        affinity = process.get("execCPUAffinity") or {}
        self.initial_cpus = _cpus(affinity, "initial")
        self.final_cpus = _cpus(affinity, "final")


def plan_process(process: "Mapping[str, Any]", linux: "Mapping[str, Any] | None" = None) -> ProcessSettings:
    """The settings of a checked process; linux is config.json's, of which personality and memoryPolicy count.

    Raises ConfigError for a name that the kernel has no number for.
    """
    if not process.get("args"):
        raise ConfigError("args must not be empty")
    return ProcessSettings(process, linux or {})


def deduplicated(env: "Iterable[str]") -> "list[str]":
    """Each variable once, where it stood first, with the value it had last, as in runc.

    exec appends to the container's variables, and what a C library does with duplicates differs.
    """
    last: dict[str, str] = {}
    for entry in env:
        last[entry.partition("=")[0]] = entry
    return list(last.values())


def parse_cpus(text: str) -> "list[int]":
    """The CPUs of a list like "0-3,7", in order, each once; ValueError for anything else."""
    return parse_numbers(text, MAX_CPUS)


def parse_numbers(text: str, end: int) -> "list[int]":
    """The numbers below end of a list like "0-3,7" (cpuset(7), "List format"), in order, each once.

    Raises ValueError for anything else.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip(" ").partition("-")
        low = _number_below(first, end)
        high = _number_below(last, end) if dash else low
        if low > high:
            raise ValueError(text)
        numbers.update(range(low, high + 1))
    return sorted(numbers)


def _number_below(digits: str, end: int) -> int:
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(end)) or int(digits) >= end:
        raise ValueError(digits)
    return int(digits)


def _number(table: "dict[str, int]", name: str, place: str) -> int:
    """What the table says; ConfigError for a name that it does not have."""
    number = table.get(name)
    if number is None:
        raise ConfigError(f'{place}: unknown value "{name}"', hint=f"known are {', '.join(table)}")
    return number


def _rlimits(limits: "Iterable[Mapping[str, Any]]") -> "list[tuple[int, int, int]]":
    numbers: list[tuple[int, int, int]] = []
    seen = set()
    for index, limit in enumerate(limits):
        place = f"process.rlimits[{index}].type"
        resource = _number(RLIMITS, limit["type"], place)
        if resource in seen:
            # The specification's MUST; runc takes the last.
            raise ConfigError(f"{place}: {limit['type']} is set twice")
        seen.add(resource)
        numbers.append((resource, limit["soft"], limit["hard"]))
    return numbers


def _scheduler(scheduler: "Mapping[str, Any] | None") -> "Scheduler | None":
    if not scheduler:
        return None
    flags = 0
    for index, name in enumerate(scheduler.get("flags") or ()):
        flags |= _number(SCHEDULER_FLAGS, name, f"process.scheduler.flags[{index}]")
    return (
        _number(SCHEDULERS, scheduler["policy"], "process.scheduler.policy"),
        flags,
        scheduler.get("nice", 0),
        scheduler.get("priority", 0),
        scheduler.get("runtime", 0),
        scheduler.get("deadline", 0),
        scheduler.get("period", 0),
    )


def _io_priority(io_priority: "Mapping[str, Any] | None") -> "int | None":
    if not io_priority:
        return None
    io_class = _number(IO_CLASSES, io_priority["class"], "process.ioPriority.class")
    priority = io_priority.get("priority", 0)
    if not 0 <= priority <= 7:
        raise ConfigError(f"process.ioPriority.priority: must be from 0 to 7, not {priority}")
    return io_class << IOPRIO_CLASS_SHIFT | int(priority)


def _personality(personality: "Mapping[str, Any] | None") -> "int | None":
    if not personality:
        return None
    if personality.get("flags"):
        # The specification supports none, and unsupported values are errors.
        raise ConfigError("linux.personality.flags: no flags are supported")
    return _number(PERSONALITIES, personality["domain"], "linux.personality.domain")


def _memory_policy(policy: "Mapping[str, Any] | None") -> "tuple[int, list[int]] | None":
    if not policy:
        return None
    from pyrunc.memory_policy import MAX_NODES, plan_memory_policy

    try:
        return plan_memory_policy(policy)
    except ValueError:
        hint = f"memory nodes are numbered 0 to {MAX_NODES - 1}"
        reason = f'linux.memoryPolicy.nodes: must be a list like "0-3,7", not "{policy["nodes"]}"'
        raise ConfigError(reason, hint=hint) from None


def _console_size(process: "Mapping[str, Any]") -> "tuple[int, int] | None":
    size = process.get("consoleSize")
    return (size["height"], size["width"]) if size else None


def _cpus(affinity: "Mapping[str, Any]", key: str) -> "list[int] | None":
    text = affinity.get(key)
    if not text:
        return None
    try:
        return parse_cpus(text)
    except ValueError:
        hint = f"CPUs are numbered 0 to {MAX_CPUS - 1}"
        raise ConfigError(
            f'process.execCPUAffinity.{key}: must be a list like "0-3,7", not "{text}"', hint=hint
        ) from None
