"""Rules for the linux object that a schema cannot say.  Pointers are relative to it.

Each rule gets the object and its namespaces (type to path, "" for a new one) and yields (JSON pointer, message).
They may rely on the schema (oci-specs/linux.json, oci-specs/seccomp.json).
"""

import posix

from pyrunc import pathnames
from pyrunc.spec.rules_process import escaped, is_number_list, nul_byte, nul_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    Section = Mapping[str, Any]  # a dict from load_file(), or a TypedDict of pyrunc.spec.types
    Problems = Iterator[tuple[str, str]]
    Namespaces = dict[str, str]

ID_SPACE = 1 << 32
CLOCKS = ("monotonic", "boottime")  # time_namespaces(7)
NANOSECONDS = 1_000_000_000
IPC_SYSCTLS = ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
INTERFACE_NAME_MAX = 15  # IFNAMSIZ - 1
MAJOR_MAX, MINOR_MAX = 0xFFF, 0xFFFFF  # the kernel's dev_t
S_IFMT, MODE_BITS = 0o170000, 0o7777
FILE_TYPES = {"c": 0o020000, "u": 0o020000, "b": 0o060000, "p": 0o010000}
ERRNO_ACTIONS = {"SCMP_ACT_ERRNO": 4095, "SCMP_ACT_TRACE": 0xFFFF}  # the highest value each can carry
SYSCALL_ARGUMENTS = 6
RESCTRL_NAMES = (".", "..", "info", "mon_groups", "mon_data")  # what is no group in a resctrl file system


def linux_strings(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md: paths, labels and sysctls are handed to system calls."""
    yield from nul_byte(linux.get("cgroupsPath", ""), "/cgroupsPath")
    yield from nul_byte(linux.get("mountLabel", ""), "/mountLabel")
    yield from nul_bytes(linux.get("maskedPaths", ()), "/maskedPaths")
    yield from nul_bytes(linux.get("readonlyPaths", ()), "/readonlyPaths")
    for index, device in enumerate(linux.get("devices", ())):
        yield from nul_byte(device["path"], f"/devices/{index}/path")
    for index, namespace in enumerate(linux.get("namespaces", ())):
        yield from nul_byte(namespace.get("path", ""), f"/namespaces/{index}/path")
    for name, value in linux.get("sysctl", {}).items():
        yield from nul_byte(name + value, f"/sysctl/{escaped(name)}")


def namespace_entries(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#namespaces: each type once, and an absolute path."""
    seen = set()
    for index, namespace in enumerate(linux.get("namespaces", ())):
        kind, path = namespace["type"], namespace.get("path", "")
        if kind in seen:
            yield f"/namespaces/{index}/type", f"the {kind} namespace is listed twice"
        seen.add(kind)
        if path and not path.startswith("/"):
            yield f"/namespaces/{index}/path", f"must be an absolute path, not {path!r}"


def id_mappings(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#user-namespace-mappings: they need a user namespace, and a new one needs them."""
    for key in ("uidMappings", "gidMappings"):
        mappings = linux.get(key, ())
        if mappings and "user" not in namespaces:
            yield f"/{key}", "needs a user namespace, and none is listed in namespaces"
        if not mappings and namespaces.get("user") == "":
            yield f"/{key}", "a new user namespace needs at least one entry"
        yield from mapping_ranges(mappings, f"/{key}")


def mapping_ranges(mappings: "Iterable[Section]", pointer: str) -> "Problems":
    """user_namespaces(7): a range has at least one id, ends below 2**32, and shares no id with another."""
    mappings = list(mappings)
    for index, mapping in enumerate(mappings):
        size = mapping["size"]
        if not size:
            yield f"{pointer}/{index}/size", "must be at least 1"
        for key in ("containerID", "hostID"):
            if mapping[key] + size > ID_SPACE:
                yield f"{pointer}/{index}/{key}", f"{mapping[key]} and {size} ids from there go beyond 32 bits"
    for index, other in sorted(overlaps(mappings)):
        yield f"{pointer}/{index}", f"overlaps entry {other}"


def overlaps(mappings: "Sequence[Section]") -> "set[tuple[int, int]]":
    """Pairs of entries that map the same id, inside or outside: (the later, the earlier).  Not all pairs there are,
    but none only if there are none."""
    found = set()
    for key in ("containerID", "hostID"):
        end, last = 0, 0
        for first, index in sorted([(mapping[key], index) for index, mapping in enumerate(mappings)]):
            if first < end:
                found.add((max(index, last), min(index, last)))
            if first + mappings[index]["size"] > end:
                end, last = first + mappings[index]["size"], index
    return found


def time_offsets(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#offset-for-time-namespace: only a new time namespace has offsets still to be set."""
    offsets = linux.get("timeOffsets")
    if not offsets:
        return
    if "time" not in namespaces:
        yield "/timeOffsets", "needs a time namespace, and none is listed in namespaces"
    elif namespaces["time"]:
        yield "/timeOffsets", f"cannot be set in a time namespace that is joined ({namespaces['time']})"
    for clock, offset in offsets.items():
        if clock not in CLOCKS:
            yield f"/timeOffsets/{escaped(clock)}", f"unknown clock; there are {' and '.join(CLOCKS)}"
        if offset.get("nanosecs", 0) >= NANOSECONDS:
            yield f"/timeOffsets/{escaped(clock)}/nanosecs", f"must be below {NANOSECONDS}"


def sysctls(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#sysctl: only parameters of a namespace of the container's own; others are the host's."""
    for name in linux.get("sysctl", {}):
        problem = _sysctl_problem(name, namespaces)
        if problem:
            yield f"/sysctl/{escaped(name)}", problem


def sysctl_path(name: str) -> str:
    """The name as a path below /proc/sys.  As in sysctl(8) the first of "." and "/" is the one that separates."""
    dot, slash = name.find("."), name.find("/")
    if dot >= 0 and (slash < 0 or dot < slash):
        return name.translate({ord("."): "/", ord("/"): "."})
    return name


def _sysctl_problem(name: str, namespaces: "Namespaces") -> str:
    parts = sysctl_path(name).split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or len(parts) < 2:
        return "is not the name of a kernel parameter"
    if parts == ["kernel", "hostname"]:
        return "is set with hostname"
    wanted = ""
    if parts[0] == "net":
        wanted = "network"
    elif parts[0] == "user":
        wanted = "user"
    elif parts == ["kernel", "domainname"]:
        wanted = "uts"
    elif parts[:2] == ["fs", "mqueue"] or (parts[0] == "kernel" and len(parts) == 2 and parts[1] in IPC_SYSCTLS):
        wanted = "ipc"
    if not wanted:
        return "does not belong to a namespace: it would change the whole host"
    if wanted not in namespaces:
        return f"needs {'an' if wanted == 'ipc' else 'a'} {wanted} namespace: it would change the host's"
    path = namespaces[wanted]
    if wanted == "network" and path and _is_own(path, "/proc/self/ns/net"):
        return f"would change the host's network namespace, which {path} is"
    return ""


def _is_own(path: str, own: str) -> bool:
    """Whether two files are the same namespace; a path that cannot be looked at is judged where it is joined."""
    if type(path) is not str:  # where the schema does not hold: a number would be a descriptor of ours
        return False
    try:
        return pathnames.samestat(posix.stat(path), posix.stat(own))
    except (OSError, ValueError):  # ValueError: a NUL in it
        return False


def hidden_paths(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#masked-paths, #readonly-paths: absolute, and hidden from this container only."""
    for key in ("maskedPaths", "readonlyPaths"):
        paths = linux.get(key, ())
        if paths and "mount" not in namespaces:
            yield f"/{key}", "needs a mount namespace, and none is listed in namespaces"
        for index, path in enumerate(paths):
            if not path.startswith("/"):
                yield f"/{key}/{index}", f"must be an absolute path, not {path!r}"


def devices(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#devices: an absolute path, and numbers unless it is a FIFO."""
    for index, device in enumerate(linux.get("devices", ())):
        pointer, kind = f"/devices/{index}", device["type"]
        if not device["path"].startswith("/"):
            yield f"{pointer}/path", f"must be an absolute path, not {device['path']!r}"
        if kind != "p":
            for key, highest in (("major", MAJOR_MAX), ("minor", MINOR_MAX)):
                number = device.get(key)
                if number is None:
                    yield f"{pointer}/{key}", f"is required for a device of type {kind}"
                elif not 0 <= number <= highest:
                    yield f"{pointer}/{key}", f"must be from 0 to {highest}, not {number}"
        mode = device.get("fileMode", 0)
        # podman passes st_mode whole.
        if mode & ~(S_IFMT | MODE_BITS) or (mode & S_IFMT) not in (0, FILE_TYPES[kind]):
            yield f"{pointer}/fileMode", f"{mode:#o} is no mode of a device of type {kind}"
        for key in ("uid", "gid"):
            if device.get(key) == ID_SPACE - 1:
                yield f"{pointer}/{key}", f"must be below {ID_SPACE - 1}"


def net_devices(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#network-devices: names that the kernel takes, and a network namespace to move to."""
    names = linux.get("netDevices", {})
    if names and "network" not in namespaces:
        yield "/netDevices", "needs a network namespace, and none is listed in namespaces"
    elif names and namespaces["network"] and _is_own(namespaces["network"], "/proc/self/ns/net"):
        yield "/netDevices", f"would stay in the host's network namespace, which {namespaces['network']} is"
    taken: "set[str]" = set()
    for name, device in names.items():
        pointer = f"/netDevices/{escaped(name)}"
        if not is_interface_name(name):
            yield pointer, f"{name!r} is no name of a network device"
        new_name = device.get("name", "") or name
        if "%d" not in new_name and new_name in taken:
            yield pointer, f"would have the name {new_name!r}, as another one of them has"
        taken.add(new_name)
        # The number that the kernel puts for %d is at least one digit long.
        if new_name != name and not is_interface_name(new_name.replace("%d", "0", 1)):
            yield f"{pointer}/name", f"{new_name!r} is no name for a network device"


def is_interface_name(name: str) -> bool:
    """Whether the kernel takes it as the name of a network device (dev_valid_name)."""
    if not name or name in (".", "..") or len(name.encode(errors="surrogateescape")) > INTERFACE_NAME_MAX:
        return False
    return not any(character in "/:%\0" or character.isspace() for character in name)


def cgroups_path(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#cgroups-path: runtimes may refuse values; one that climbs could name any cgroup."""
    if ".." in linux.get("cgroupsPath", "").split("/"):
        yield "/cgroupsPath", 'must not contain ".."'


def mount_label(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#mount-label: goes into mount data as context="...", which it must not break out of."""
    if {'"', "\n"} & set(linux.get("mountLabel", "")):
        yield "/mountLabel", "must be a single line without quotation marks"


def personality(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#personality: no flag values are supported."""
    flags = linux.get("personality", {}).get("flags")
    if flags:
        yield "/personality/flags", f"no flags are supported, not {', '.join(flags)!r}"


def memory_policy(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#memory-policy: what set_mempolicy(2) takes together."""
    policy = linux.get("memoryPolicy")
    if not policy:
        return
    mode, nodes, flags = policy["mode"], policy.get("nodes", ""), policy.get("flags", ())
    if nodes and not is_number_list(nodes):
        yield "/memoryPolicy/nodes", f"must be a list like 0-3,7, not {nodes!r}"
    if nodes and mode in ("MPOL_DEFAULT", "MPOL_LOCAL"):
        yield "/memoryPolicy/nodes", f"must be absent for {mode}"
    if not nodes and mode not in ("MPOL_DEFAULT", "MPOL_LOCAL", "MPOL_PREFERRED"):
        yield "/memoryPolicy/nodes", f"is required for {mode}"
    if {"MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"} <= set(flags):
        yield "/memoryPolicy/flags", "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other"
    about_nodes = sorted({"MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"} & set(flags))
    if about_nodes and not nodes and mode in ("MPOL_LOCAL", "MPOL_PREFERRED"):
        yield "/memoryPolicy/flags", f"{about_nodes[0]} is about nodes, and there are none"
    if "MPOL_F_NUMA_BALANCING" in flags and mode not in ("MPOL_BIND", "MPOL_PREFERRED_MANY"):
        yield "/memoryPolicy/flags", f"MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY, not for {mode}"


def intel_rdt(linux: "Section", namespaces: "Namespaces") -> "Problems":
    """config-linux.md#intelrdt: closID is the name of one directory in resctrl; schemata are single lines."""
    settings = linux.get("intelRdt", {})
    group = settings.get("closID") or "/"
    if group != "/" and ("/" in group or "\n" in group or "\0" in group or group in RESCTRL_NAMES):
        yield "/intelRdt/closID", f'must be the name of a directory, or "/", not {group!r}'
    yield from nul_byte(settings.get("l3CacheSchema", ""), "/intelRdt/l3CacheSchema")
    bandwidth = settings.get("memBwSchema") or "MB:"
    if not bandwidth.startswith("MB:") or "\n" in bandwidth:
        yield "/intelRdt/memBwSchema", f'must be one line that begins with "MB:", not {bandwidth!r}'
    for index, line in enumerate(settings.get("schemata", ())):
        if not line or "\n" in line:
            yield f"/intelRdt/schemata/{index}", "must be a single line"


def seccomp_errno(seccomp: "Section") -> "Problems":
    """config-linux.md#seccomp: an errno for an action that cannot carry one MUST be an error."""
    yield from _errno("/defaultErrnoRet", seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
    for index, rule in enumerate(seccomp.get("syscalls", ())):
        if "errnoRet" in rule:
            yield from _errno(f"/syscalls/{index}/errnoRet", rule["action"], rule["errnoRet"])


def _errno(pointer: str, action: str, value: "int | None") -> "Problems":
    if value is None:
        return
    highest = ERRNO_ACTIONS.get(action)
    if highest is None:
        yield pointer, f"{action} does not support a return value"
    elif value > highest:
        yield pointer, f"must be at most {highest} for {action}, not {value}"


def seccomp_notify(seccomp: "Section") -> "Problems":
    """config-linux.md#seccomp: NOTIFY needs someone to listen."""
    listener = seccomp.get("listenerPath", "")
    if seccomp.get("listenerMetadata") and not listener:
        yield "/listenerMetadata", "must not be set without listenerPath"
    if uses_notify(seccomp) and not listener:
        yield "/listenerPath", "is required where SCMP_ACT_NOTIFY is used"
    yield from nul_byte(listener, "/listenerPath")


def uses_notify(seccomp: "Section") -> bool:
    """Whether an agent is asked."""
    return "SCMP_ACT_NOTIFY" in (seccomp["defaultAction"], *[rule["action"] for rule in seccomp.get("syscalls", ())])


def seccomp_conditions(seccomp: "Section") -> "Problems":
    """config-linux.md#seccomp: names are those of system calls, and a system call has six arguments."""
    for index, rule in enumerate(seccomp.get("syscalls", ())):
        if "" in rule["names"]:
            yield f"/syscalls/{index}/names", "contains an empty name"
        for number, condition in enumerate(rule.get("args", ())):
            if condition["index"] >= SYSCALL_ARGUMENTS:
                pointer = f"/syscalls/{index}/args/{number}/index"
                yield pointer, f"must be from 0 to {SYSCALL_ARGUMENTS - 1}, not {condition['index']}"


RULES = (
    linux_strings,
    namespace_entries,
    id_mappings,
    time_offsets,
    sysctls,
    hidden_paths,
    devices,
    net_devices,
    cgroups_path,
    mount_label,
    personality,
    memory_policy,
    intel_rdt,
)
SECCOMP_RULES = (seccomp_errno, seccomp_notify, seccomp_conditions)
