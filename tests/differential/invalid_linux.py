"""The same for mounts and what the section `linux` has."""

from typing import Any

from tests.differential.invalid import MISSING, SPACES, device, mount, rule, seccomp, wrong

BPS = {"major": 254, "minor": 0, "rate": 1000}


def resources(**fields: Any) -> tuple[str, Any]:
    """Resources, with the rule that forbids devices."""
    return ("linux.resources", {"devices": [{"allow": False, "access": "rwm"}], **fields})


def joins(kind: str, path: str) -> tuple[str, Any]:
    """A namespace to join."""
    return (f"{SPACES}.+", {"type": kind, "path": path})


def without(*kinds: str) -> tuple[str, Any]:
    """The default namespaces but these."""
    every = ("pid", "network", "ipc", "uts", "mount")
    return (SPACES, [{"type": kind} for kind in every if kind not in kinds])


MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]

MOUNTS = [
    wrong("mount-unknown-type", "no such device", mount(type="nonsense", source="nonsense")),
    wrong("mount-unknown-option", "invalid argument", mount(options=["colour=red"])),
    wrong("mount-unknown-option-of-a-bind", "", mount(type="bind", source="/etc", options=["bind", "colour=red"])),
    wrong("mount-bad-size", "invalid argument", mount(options=["size=many"])),
    wrong("mount-source-missing", "no such file or directory", mount(type="bind", source="/no/such", options=["bind"])),
    wrong("mount-no-destination", "destination", ("mounts.+", {"type": "tmpfs", "source": "tmpfs"})),
    wrong("mount-empty-destination", "", mount(destination="")),
    wrong("mount-no-source", "", ("mounts.+", {"destination": "/new/dir", "type": "tmpfs"})),
    wrong("mount-no-type", "", ("mounts.+", {"destination": "/new/dir", "source": "tmpfs"})),
    wrong(
        "mount-file-on-directory", "", mount(destination="/srv", type="bind", source="/etc/passwd", options=["bind"])
    ),
    wrong(
        "mount-directory-on-file", "", mount(destination="/etc/passwd", type="bind", source="/etc", options=["bind"])
    ),
    wrong("mount-below-a-file", "", mount(destination="/etc/passwd/x")),
    wrong("mount-in-proc", "/proc", mount(destination="/proc/sys")),
    wrong("mount-in-proc-bind", "/proc", mount(destination="/proc/1", type="bind", source="/etc", options=["bind"])),
    wrong("mount-cpuinfo", "", mount(destination="/proc/cpuinfo", type="bind", source="/etc/passwd", options=["bind"])),
    wrong("mount-out-of-the-root", "", mount(destination="/../../new/dir")),
    wrong("mount-on-the-root", "", mount(destination="/")),
    wrong("mount-options-text", "options", mount(options="ro")),
    wrong("mount-options-null", "", mount(options=None)),
    wrong("mount-remount-of-nothing", "", mount(destination="/srv", options=["remount", "ro"])),
    wrong(
        "mount-maps-of-one-kind", "gidMappings", mount(type="bind", source="/etc", options=["bind"], uidMappings=MAP)
    ),
    wrong("mount-two-types", "", mount(type="tmpfs", options=["bind"], source="/etc")),
    wrong("mount-comma-in-option", "", mount(options=["nosuid,nodev"])),
]

NAMESPACES = [
    wrong("namespace-unknown", "type", (f"{SPACES}.+", {"type": "nonsense"})),
    wrong("namespace-twice", "", (f"{SPACES}.+", {"type": "pid"})),
    wrong("namespace-no-type", "type", (f"{SPACES}.+", {})),
    wrong("namespace-path-missing", "no such file or directory", joins("cgroup", "/no/such")),
    wrong("namespace-wrong-kind", "", without("network"), joins("network", "/proc/self/ns/uts")),
    wrong("namespace-path-no-namespace", "", without("network"), joins("network", "/etc/passwd")),
    wrong("namespace-path-relative", "", without("network"), joins("network", "proc/self/ns/net")),
    wrong("namespaces-none", "", (SPACES, []), ("hostname", MISSING)),
    wrong("namespace-mount-none", "", without("mount")),
    wrong("namespace-hosts-by-path", "", without("network"), joins("network", "/proc/1/ns/net")),
    wrong("maps-without-userns", "uidMappings", ("linux.uidMappings", MAP), ("linux.gidMappings", MAP)),
    wrong("userns-without-maps", "", (f"{SPACES}.+", {"type": "user"})),
    wrong("userns-with-one-map", "", (f"{SPACES}.+", {"type": "user"}), ("linux.uidMappings", MAP)),
    wrong(
        "maps-overlap",
        "",
        (f"{SPACES}.+", {"type": "user"}),
        ("linux.uidMappings", [*MAP, *MAP]),
        ("linux.gidMappings", MAP),
    ),
    wrong(
        "map-of-no-size",
        "",
        (f"{SPACES}.+", {"type": "user"}),
        ("linux.uidMappings", [{"containerID": 0, "hostID": 1, "size": 0}]),
        ("linux.gidMappings", MAP),
    ),
    wrong("time-offsets-without-namespace", "", ("linux.timeOffsets", {"boottime": {"secs": 10}})),
]

DEVICES = [
    wrong("device-type", "type", device(type="x")),
    wrong("device-relative", "path", device(path="dev/x")),
    wrong("device-no-major", "", ("linux.devices", [{"path": "/dev/x", "type": "c"}])),
    wrong("device-negative", "", device(major=-1)),
    wrong("device-mode-large", "", device(fileMode=0o10666)),
    wrong("device-twice", "", device(), ("linux.devices.+", {"path": "/dev/x", "type": "c", "major": 1, "minor": 5})),
    wrong("device-below-a-file", "", device(path="/etc/passwd/x")),
    wrong("device-in-the-place-of-a-file", "", device(path="/etc/passwd")),
    wrong("device-rule-access", "access", ("linux.resources.devices.+", {"allow": True, "type": "c", "access": "x"})),
    wrong("device-rule-type", "type", ("linux.resources.devices.+", {"allow": True, "type": "z", "access": "r"})),
    wrong("device-rule-empty", "", ("linux.resources.devices.+", {"allow": True})),
]

OTHER = [
    wrong("sysctl-of-the-host", "kernel.panic", ("linux.sysctl", {"kernel.panic": "1"})),
    wrong("sysctl-unknown", "", ("linux.sysctl", {"net.no.such": "1"})),
    wrong("sysctl-bad-value", "", ("linux.sysctl", {"net.ipv4.ip_forward": "many"})),
    wrong("sysctl-without-namespace", "net.", without("network"), ("linux.sysctl", {"net.ipv4.ip_forward": "1"})),
    wrong("sysctl-hostname", "hostname", ("linux.sysctl", {"kernel.hostname": "x"})),
    wrong("sysctl-slashes", "", ("linux.sysctl", {"net/ipv4/ip_forward": "1"})),
    wrong("sysctl-leads-out", "", ("linux.sysctl", {"net.ipv4...panic": "1"})),
    wrong("sysctl-number", "sysctl", ("linux.sysctl", {"net.ipv4.ip_forward": 1})),
    wrong("masked-relative", "maskedPaths", ("linux.maskedPaths", ["proc/kcore"])),
    wrong("readonly-relative", "readonlyPaths", ("linux.readonlyPaths", ["proc/sys"])),
    wrong("masked-through-a-link", "", ("linux.maskedPaths", ["/srv/link-to-files"])),
    wrong("propagation-unknown", "rootfsPropagation", ("linux.rootfsPropagation", "sometimes")),
    wrong("personality-unknown", "personality", ("linux.personality", {"domain": "WINDOWS"})),
    wrong("personality-flags", "flags", ("linux.personality", {"domain": "LINUX", "flags": ["X"]})),
    wrong("mount-label-without-selinux", "", ("linux.mountLabel", "system_u:object_r:x_t:s0")),
    wrong("seccomp-default-action", "defaultAction", seccomp(defaultAction="SCMP_ACT_NEVER")),
    wrong("seccomp-no-default", "defaultAction", ("linux.seccomp", {"syscalls": []})),
    wrong("seccomp-action", "action", rule(action="SCMP_ACT_NEVER")),
    wrong("seccomp-no-names", "names", rule(names=[])),
    wrong("seccomp-unknown-call", "", rule(names=["no_such_call"])),
    wrong("seccomp-operator", "op", rule(args=[{"index": 0, "value": 1, "op": "SCMP_CMP_X"}])),
    wrong("seccomp-index", "", rule(args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])),
    wrong("seccomp-errno-too-large", "", rule(errnoRet=5000)),
    wrong("seccomp-errno-on-allow", "errnoRet", rule(action="SCMP_ACT_KILL", errnoRet=1)),
    wrong("seccomp-architecture", "architectures", seccomp(architectures=["SCMP_ARCH_Z80"])),
    wrong("seccomp-flag", "flags", seccomp(flags=["SECCOMP_FILTER_FLAG_X"])),
    wrong("seccomp-notify-without-listener", "", rule(action="SCMP_ACT_NOTIFY")),
    wrong("seccomp-metadata-without-listener", "listenerMetadata", seccomp(listenerMetadata="x")),
    wrong("seccomp-same-rule-twice", "", seccomp(syscalls=[{"names": ["syncfs"], "action": "SCMP_ACT_ERRNO"}] * 2)),
    wrong("cgroups-path-number", "cgroupsPath", ("linux.cgroupsPath", 1)),
]

CGROUPS = [
    wrong("memory-too-small", "", resources(memory={"limit": 1})),
    wrong("memory-negative", "", resources(memory={"limit": -2})),
    wrong("memory-text", "limit", resources(memory={"limit": "1g"})),
    wrong("memory-swap-below-limit", "", resources(memory={"limit": 1 << 28, "swap": 1 << 27})),
    wrong("memory-swap-alone", "", resources(memory={"swap": 1 << 28})),
    wrong("swappiness-large", "", resources(memory={"swappiness": 1000})),
    wrong("cpu-quota-small", "", resources(cpu={"quota": 1})),
    wrong("cpu-period-large", "", resources(cpu={"period": 10**9})),
    wrong("cpu-shares-zero", "", resources(cpu={"shares": 0})),
    wrong("cpu-shares-one", "", resources(cpu={"shares": 1})),
    wrong("cpus-not-there", "", resources(cpu={"cpus": "1000"})),
    wrong("cpus-nonsense", "", resources(cpu={"cpus": "all"})),
    wrong("cpu-idle-nonsense", "", resources(cpu={"idle": 7})),
    wrong("pids-zero", "", resources(pids={"limit": 0})),
    wrong("pids-zero-of-1.3", "", ("ociVersion", "1.3.0"), resources(pids={"limit": 0})),
    wrong("pids-negative", "", resources(pids={"limit": -5})),
    wrong("blkio-no-device", "", resources(blockIO={"throttleReadBpsDevice": [{**BPS, "major": 999}]})),
    wrong("blkio-rate", "", resources(blockIO={"throttleReadBpsDevice": [BPS]})),
    wrong("blkio-weight-large", "", resources(blockIO={"weight": 5000})),
    wrong("hugepages-size", "", resources(hugepageLimits=[{"pageSize": "3MB", "limit": 1}])),
    wrong("hugepages-size-spelling", "", resources(hugepageLimits=[{"pageSize": "2 megabytes", "limit": 1}])),
    wrong("unified-on-v1", "", resources(unified={"memory.high": "1000000"})),
    wrong("unified-leads-out", "", resources(unified={"../memory.high": "1000000"})),
    wrong("rdma-no-device", "", resources(rdma={"no-such": {"hcaHandles": 1}})),
]
