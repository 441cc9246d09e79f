"""Cgroups and the limits that the kernel refuses.  The values that only cgroup v1 has are marked so."""

from typing import Any

from tests.integration.bad_input.case import Case, Change, put

V1 = ["cgroup1"]


def resources(**limits: Any) -> list[Change]:
    """linux.resources with these members."""
    return [put(f"linux.resources.{name}", value) for name, value in limits.items()]


def systemd(name: str, message: str, *changes: Change) -> Case:
    """What is refused before systemd is told anything; the host has to have one."""
    return Case(
        f"systemd: {name}",
        f"pyrunc create failed: {{id}}: {message}",
        [put("linux.cgroupsPath", ":pyrunc-test:x"), *changes],
        command="--systemd-cgroup create --bundle {bundle} {id}",
        marks=["systemd"],
    )


CASES = [
    Case(
        "cgroup path with ..",
        'pyrunc create failed: {id}: config.json: /linux/cgroupsPath: must not contain ".."',
        [put("linux.cgroupsPath", "/pyrunc-test/../../x")],
    ),
    Case(
        "cgroup path is the root",
        "pyrunc create failed: {id}: linux.cgroupsPath: '/' does not name a cgroup of its own",
        [put("linux.cgroupsPath", "/")],
    ),
    Case(
        "cgroup path with a NUL byte",
        "pyrunc create failed: {id}: config.json: /linux/cgroupsPath: contains a NUL byte",
        [put("linux.cgroupsPath", "/a\0b")],
    ),
    Case(
        "pids limit too large",
        "pyrunc create failed: {id}: linux.resources.pids.limit: write '4611686018427387904' to "
        "/sys/fs/cgroup/pids{cgroup}/pids.max: invalid argument",
        resources(pids={"limit": 1 << 62}),
        marks=V1,
    ),
    Case(
        "memory limit below zero",
        "pyrunc create failed: {id}: linux.resources.memory.limit: write '-5' to "
        "/sys/fs/cgroup/memory{cgroup}/memory.limit_in_bytes: invalid argument\n"
        "hint: -1 is no limit; any other must not be above that of memory plus swap: change both",
        resources(memory={"limit": -5}),
        marks=V1,
    ),
    Case(
        "memory limit beyond 64 bits",
        "pyrunc create failed: {id}: config.json: /linux/resources/memory/limit: must be from "
        "-9223372036854775808 to 9223372036854775807, not 9223372036854775808",
        resources(memory={"limit": 1 << 63}),
    ),
    Case(
        "memory and swap below memory",
        "pyrunc create failed: {id}: linux.resources.memory.swap: write '33554432' to "
        "/sys/fs/cgroup/memory{cgroup}/memory.memsw.limit_in_bytes: invalid argument\n"
        "hint: swap counts memory plus swap: it needs a memory limit, and is at least that",
        resources(memory={"limit": 64 << 20, "swap": 32 << 20}),
        marks=V1,
    ),
    Case(
        "swap without memory",
        "pyrunc create failed: {id}: linux.resources.memory.swap: write '33554432' to "
        "/sys/fs/cgroup/memory{cgroup}/memory.memsw.limit_in_bytes: invalid argument\n"
        "hint: swap counts memory plus swap: it needs a memory limit, and is at least that",
        resources(memory={"swap": 32 << 20}),
        marks=V1,
    ),
    Case(
        "swappiness out of range",
        "pyrunc create failed: {id}: config.json: /linux/resources/memory/swappiness: must be from 0 to 100, not 300",
        resources(memory={"swappiness": 300}),
        marks=V1,
    ),
    Case(
        "cpu quota too small",
        "pyrunc create failed: {id}: linux.resources.cpu.quota: write '10' to "
        "/sys/fs/cgroup/cpu{cgroup}/cpu.cfs_quota_us: invalid argument\n"
        "hint: quota and period are in microseconds and at least 1000, a period at most 1000000",
        resources(cpu={"quota": 10, "period": 100000}),
        marks=V1,
    ),
    Case(
        "cpu period too small",
        "pyrunc create failed: {id}: linux.resources.cpu.period: write '10' to "
        "/sys/fs/cgroup/cpu{cgroup}/cpu.cfs_period_us: invalid argument\n"
        "hint: quota and period are in microseconds and at least 1000, a period at most 1000000",
        resources(cpu={"quota": 50000, "period": 10}),
        marks=V1,
    ),
    Case(
        "cpuset of a cpu that is not there",
        "pyrunc create failed: {id}: linux.resources.cpu.cpus: write '4000' to "
        "/sys/fs/cgroup/cpuset{cgroup}/cpuset.cpus: numerical result out of range",
        resources(cpu={"cpus": "4000"}),
        marks=V1,
    ),
    Case(
        "cpuset of the wrong form",
        "pyrunc create failed: {id}: linux.resources.cpu.cpus: write 'first' to "
        "/sys/fs/cgroup/cpuset{cgroup}/cpuset.cpus: invalid argument",
        resources(cpu={"cpus": "first"}),
        marks=V1,
    ),
    Case(
        "cpuset of a memory node that is not there",
        "pyrunc create failed: {id}: linux.resources.cpu.mems: write '1000' to "
        "/sys/fs/cgroup/cpuset{cgroup}/cpuset.mems: invalid argument",
        resources(cpu={"mems": "1000"}),
        marks=V1,
    ),
    Case(
        "throttled device missing",
        "pyrunc create failed: {id}: linux.resources.blockIO.throttleReadBpsDevice[0]: write '4000:1 1' "
        "to /sys/fs/cgroup/blkio{cgroup}/blkio.throttle.read_bps_device: no such device",
        resources(blockIO={"throttleReadBpsDevice": [{"major": 4000, "minor": 1, "rate": 1}]}),
        marks=V1,
    ),
    Case(
        "huge page size unknown",
        "pyrunc create failed: {id}: linux.resources.hugepageLimits[0]: write '0' to "
        "/sys/fs/cgroup/unified{cgroup}/hugetlb.3MB.max: this host has no huge pages of 3MB",
        resources(hugepageLimits=[{"pageSize": "3MB", "limit": 0}]),
        marks=V1,
    ),
    Case(
        "huge page size of the wrong form",
        "pyrunc create failed: {id}: config.json: /linux/resources/hugepageLimits/0/pageSize: must be a "
        "size like 2MB, not 'big'",
        resources(hugepageLimits=[{"pageSize": "big", "limit": 0}]),
    ),
    Case(
        "device rule of an unknown type",
        'pyrunc create failed: {id}: config.json: /linux/resources/devices/0/type: must be one of a, b, c, not "x"',
        resources(devices=[{"allow": True, "type": "x", "access": "rwm"}]),
    ),
    Case(
        "device rule of unknown access",
        "pyrunc create failed: {id}: config.json: /linux/resources/devices/0/access: must be made of r, "
        "w and m, not 'xyz'",
        resources(devices=[{"allow": True, "type": "c", "access": "xyz"}]),
    ),
    Case(
        "unified on cgroup v1",
        "pyrunc create failed: {id}: linux.resources.unified: the unified resources need cgroup v2",
        resources(unified={"memory.high": "1000000"}),
        marks=V1,
    ),
    Case(
        "unified file with a slash",
        "pyrunc create failed: {id}: config.json: /linux/resources/unified/..~1memory.high: "
        "'../memory.high' is no name of a cgroup file",
        resources(unified={"../memory.high": "1000000"}),
    ),
    Case(
        "rdma controller missing",
        "pyrunc create failed: {id}: linux.resources.rdma.mlx5_1: enable controllers for "
        "/sys/fs/cgroup/unified{cgroup}: rdma: the rdma controller is not available in "
        "/sys/fs/cgroup/unified{cgroup}\n"
        "hint: /sys/fs/cgroup/unified/cgroup.subtree_control: invalid argument",
        resources(rdma={"mlx5_1": {"hcaHandles": 3}}),
        marks=V1,
    ),
    Case(
        "network class without controller",
        "pyrunc create failed: {id}: linux.resources.network.classID: the net_cls cgroup controller is not available",
        resources(network={"classID": 1048577}),
        marks=V1,
    ),
    Case(
        "systemd without systemd",
        "pyrunc create failed: {id}: systemd not running on this host, cannot use systemd cgroups manager",
        [put("linux.cgroupsPath", "system.slice:pyrunc-test:x")],
        command="--systemd-cgroup create --bundle {bundle} {id}",
        marks=V1,
    ),
    systemd(
        "absolute path",
        'linux.cgroupsPath: expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, '
        'got "/pyrunc-test/x" instead',
        put("linux.cgroupsPath", "/pyrunc-test/x"),
    ),
    systemd(
        "slice that is none",
        "linux.cgroupsPath: invalid slice name: system",
        put("linux.cgroupsPath", "system:pyrunc-test:x"),
    ),
    systemd(
        "unit name with a slash",
        "linux.cgroupsPath: 'pyrunc-test-a/b.scope' is not a valid name for a unit\n"
        "hint: units are named with letters, digits and : - _ . \\ @, and at most 255 of them",
        put("linux.cgroupsPath", ":pyrunc-test:a/b"),
    ),
    systemd(
        "slice for a container",
        "linux.cgroupsPath: x.slice: a container's processes are in a scope, not in a slice",
        put("linux.cgroupsPath", ":pyrunc-test:x.slice"),
    ),
    systemd(
        "property that runs a program",
        "annotations['org.systemd.property.ExecStop']: "
        "the unit property ExecStop is not one that an annotation may set",
        put("annotations", {"org.systemd.property.ExecStop": "'/bin/true'"}),
    ),
    systemd(
        "property that is no GVariant",
        "annotations['org.systemd.property.TimeoutStopUSec']: 'soon': expected a number (uint64) at position 1",
        put("annotations", {"org.systemd.property.TimeoutStopUSec": "soon"}),
    ),
    systemd(
        "property of a limit that is set",
        "annotations['org.systemd.property.TasksMax']: TasksMax is what linux.resources sets",
        put("annotations", {"org.systemd.property.TasksMax": "5"}),
        *resources(pids={"limit": 4}),
    ),
    systemd(
        "CPUs that are no list",
        "linux.resources.cpu.cpus: 'all' is not a list of numbers and ranges like 0-3,7",
        *resources(cpu={"cpus": "all"}),
    ),
]
