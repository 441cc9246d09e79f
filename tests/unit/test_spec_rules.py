"""Each rule: what breaks it, and the exact words for it.  One line a case."""

from typing import Any

import pytest

from pyrunc.spec import rules
from tests.support.spec_documents import (
    MAPPING,
    NAMES,
    config,
    device,
    linux,
    mount,
    namespaces,
    on_the_hosts_mounts,
    process,
    resources,
    rule,
    scheduler,
    seccomp,
    user_namespace,
    without,
)

NUL = "contains a NUL byte"
BROKEN: list[tuple[Any, str, str]] = [
    (
        config(ociVersion="2.0.0"),
        "/ociVersion",
        "version 2.0.0 is not supported: pyrunc follows 1.3.0 and takes all of 1.x",
    ),
    (
        config(ociVersion="0.9.0"),
        "/ociVersion",
        "version 0.9.0 is not supported: pyrunc follows 1.3.0 and takes all of 1.x",
    ),
    (config(ociVersion="1.0"), "/ociVersion", "must be a semantic version like 1.3.0, not '1.0'"),
    (config(ociVersion="1.0.01"), "/ociVersion", "must be a semantic version like 1.3.0, not '1.0.01'"),
    (config(ociVersion="1.0.0-"), "/ociVersion", "must be a semantic version like 1.3.0, not '1.0.0-'"),
    (config(ociVersion="1.0.\u0663"), "/ociVersion", "must be a semantic version like 1.3.0, not '1.0.\u0663'"),
    (config(root__path=""), "/root/path", "must not be empty"),
    (config(root__path="a\0b"), "/root/path", NUL),
    (config(hostname="a\0b"), "/hostname", NUL),
    (config(hostname="x" * 65), "/hostname", "is longer than 64 bytes"),
    (linux(namespaces=without("uts")), "/hostname", "needs a uts namespace: it would change the host's"),
    (
        config(hostname="", domainname="x", linux__namespaces=without("uts")),
        "/domainname",
        "needs a uts namespace: it would change the host's",
    ),
    (config(annotations={"": "x"}), "/annotations/", "the key of an annotation must not be empty"),
    # process
    (process(cwd="tmp"), "/process/cwd", "must be an absolute path, not 'tmp'"),
    (process(cwd=""), "/process/cwd", "must be an absolute path, not ''"),
    (process(cwd="/a\0"), "/process/cwd", NUL),
    (process(args=["a", "b\0"]), "/process/args/1", NUL),
    (process(env=["A=b\0c"]), "/process/env/0", NUL),
    (
        process(consoleSize={"height": 70000, "width": 1}),
        "/process/consoleSize/height",
        "must be at most 65535, not 70000",
    ),
    (process(user={"uid": 4294967295}), "/process/user/uid", "must be below 4294967295"),
    (process(user={"gid": 4294967295}), "/process/user/gid", "must be below 4294967295"),
    (process(user={"additionalGids": [0, 4294967295]}), "/process/user/additionalGids/1", "must be below 4294967295"),
    (
        process(rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}] * 2),
        "/process/rlimits/1/type",
        "RLIMIT_CORE is set twice",
    ),
    (
        process(rlimits=[{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
        "/process/rlimits/0",
        "RLIMIT_CORE: soft limit 2 is above hard limit 1: invalid argument",
    ),
    (process(selinuxLabel="x"), "/process/selinuxLabel", "must be a context like user:role:type:level, not 'x'"),
    (process(apparmorProfile="a\nb"), "/process/apparmorProfile", "must be a single line"),
    (process(apparmorProfile="a\0b"), "/process/apparmorProfile", NUL),
    (scheduler("SCHED_OTHER", nice=20), "/process/scheduler/nice", "must be from -20 to 19, not 20"),
    (scheduler("SCHED_FIFO"), "/process/scheduler/priority", "must be from 1 to 99 for SCHED_FIFO, not 0"),
    (scheduler("SCHED_RR", priority=100), "/process/scheduler/priority", "must be from 1 to 99 for SCHED_RR, not 100"),
    (
        scheduler("SCHED_BATCH", priority=1),
        "/process/scheduler/priority",
        "is only for SCHED_FIFO and SCHED_RR, not for SCHED_BATCH",
    ),
    (
        scheduler("SCHED_OTHER", runtime=1),
        "/process/scheduler/runtime",
        "is only for SCHED_DEADLINE, not for SCHED_OTHER",
    ),
    (
        scheduler("SCHED_IDLE", deadline=1),
        "/process/scheduler/deadline",
        "is only for SCHED_DEADLINE, not for SCHED_IDLE",
    ),
    (
        scheduler("SCHED_FIFO", priority=1, period=1),
        "/process/scheduler/period",
        "is only for SCHED_DEADLINE, not for SCHED_FIFO",
    ),
    (
        scheduler("SCHED_DEADLINE", runtime=20000, deadline=10000),
        "/process/scheduler",
        "SCHED_DEADLINE needs 1024 <= runtime <= deadline <= period",
    ),
    (scheduler("SCHED_ISO"), "/process/scheduler/policy", "Linux does not implement SCHED_ISO"),
    (
        process(execCPUAffinity={"final": "3-1"}),
        "/process/execCPUAffinity/final",
        "must be a list like 0-3,7, not '3-1'",
    ),
    (
        process(execCPUAffinity={"initial": "a"}),
        "/process/execCPUAffinity/initial",
        "must be a list like 0-3,7, not 'a'",
    ),
    # mounts and hooks
    (mount(destination=""), "/mounts/0/destination", "must not be empty"),
    (mount(source="a\0"), "/mounts/0/source", NUL),
    (mount(type="a\0"), "/mounts/0/type", NUL),
    (mount(options=["ro", "a\0"]), "/mounts/0/options/1", NUL),
    (mount(uidMappings=[MAPPING]), "/mounts/0/gidMappings", "must be set, since uidMappings is"),
    (mount(gidMappings=[MAPPING]), "/mounts/0/uidMappings", "must be set, since gidMappings is"),
    (
        mount(options=["bind", "idmap"]),
        "/mounts/0/options",
        "idmap needs uidMappings and gidMappings, or a user namespace to take them from",
    ),
    (
        mount(uidMappings=[MAPPING], gidMappings=[{**MAPPING, "size": 0}]),
        "/mounts/0/gidMappings/0/size",
        "must be at least 1",
    ),
    (config(hooks={"poststart": [{"path": "a"}]}), "/hooks/poststart/0/path", "must be an absolute path, not 'a'"),
    (config(hooks={"prestart": [{"path": "/a", "args": ["\0"]}]}), "/hooks/prestart/0/args/0", NUL),
    (config(hooks={"poststop": [{"path": "/a", "env": ["\0"]}]}), "/hooks/poststop/0/env/0", NUL),
    # namespaces and ids
    (linux(namespaces=namespaces(*NAMES, "pid")), "/linux/namespaces/5/type", "the pid namespace is listed twice"),
    (
        linux(namespaces=namespaces(*NAMES, cgroup="ns")),
        "/linux/namespaces/5/path",
        "must be an absolute path, not 'ns'",
    ),
    (linux(uidMappings=[MAPPING]), "/linux/uidMappings", "needs a user namespace, and none is listed in namespaces"),
    (
        linux(namespaces=namespaces(*NAMES, "user"), uidMappings=[MAPPING]),
        "/linux/gidMappings",
        "a new user namespace needs at least one entry",
    ),
    (
        linux(
            namespaces=namespaces(*NAMES, "user"),
            uidMappings=[MAPPING],
            gidMappings=[{"containerID": 0, "hostID": 4294967295, "size": 2}],
        ),
        "/linux/gidMappings/0/hostID",
        "4294967295 and 2 ids from there go beyond 32 bits",
    ),
    (
        linux(timeOffsets={"boottime": {"secs": 1}}),
        "/linux/timeOffsets",
        "needs a time namespace, and none is listed in namespaces",
    ),
    (
        linux(timeOffsets={"boottime": {}}, namespaces=namespaces(*NAMES, time="/proc/1/ns/time")),
        "/linux/timeOffsets",
        "cannot be set in a time namespace that is joined (/proc/1/ns/time)",
    ),
    (
        linux(timeOffsets={"realtime": {}}, namespaces=namespaces(*NAMES, "time")),
        "/linux/timeOffsets/realtime",
        "unknown clock; there are monotonic and boottime",
    ),
    (
        linux(timeOffsets={"boottime": {"nanosecs": 10**9}}, namespaces=namespaces(*NAMES, "time")),
        "/linux/timeOffsets/boottime/nanosecs",
        "must be below 1000000000",
    ),
    (user_namespace([MAPPING], 1), "/process/user/uid", "1 is not mapped by linux.uidMappings"),
    (user_namespace([MAPPING], gid=1), "/process/user/gid", "1 is not mapped by linux.gidMappings"),
    (
        user_namespace([MAPPING], additionalGids=[0, 7]),
        "/process/user/additionalGids/1",
        "7 is not mapped by linux.gidMappings",
    ),
    (
        mount(uidMappings=[MAPPING, {**MAPPING, "containerID": 5}], gidMappings=[MAPPING]),
        "/mounts/0/uidMappings/1",
        "overlaps entry 0",
    ),
    (
        mount(
            uidMappings=[{"containerID": first, "hostID": first, "size": 10} for first in (30, 0, 20, 9)],
            gidMappings=[MAPPING],
        ),
        "/mounts/0/uidMappings/3",
        "overlaps entry 1",
    ),
    # paths and devices
    (linux(maskedPaths=["proc"]), "/linux/maskedPaths/0", "must be an absolute path, not 'proc'"),
    (linux(readonlyPaths=["/a\0"]), "/linux/readonlyPaths/0", NUL),
    # without a mount namespace all these would change the host's mounts
    (on_the_hosts_mounts(mounts=[{"destination": "/x"}]), "/mounts", "needs a mount namespace"),
    (on_the_hosts_mounts(root__readonly=True), "/root/readonly", "needs a mount namespace"),
    (on_the_hosts_mounts(linux__rootfsPropagation="shared"), "/linux/rootfsPropagation", "needs a mount namespace"),
    (on_the_hosts_mounts(linux__devices=[{"type": "p", "path": "/p"}]), "/linux/devices", "needs a mount namespace"),
    (
        on_the_hosts_mounts(linux__maskedPaths=["/proc/kcore"]),
        "/linux/maskedPaths",
        "needs a mount namespace, and none is listed in namespaces",
    ),
    (
        on_the_hosts_mounts(linux__readonlyPaths=["/proc/sys"]),
        "/linux/readonlyPaths",
        "needs a mount namespace, and none is listed in namespaces",
    ),
    (device(path="dev/x"), "/linux/devices/0/path", "must be an absolute path, not 'dev/x'"),
    (device(path="/dev/\0"), "/linux/devices/0/path", NUL),
    (device(major=None), "/linux/devices/0/major", "is required for a device of type c"),
    (device(minor=-1), "/linux/devices/0/minor", "must be from 0 to 1048575, not -1"),
    (device(major=4096), "/linux/devices/0/major", "must be from 0 to 4095, not 4096"),
    (device(fileMode=0o60660), "/linux/devices/0/fileMode", "0o60660 is no mode of a device of type c"),
    (device(fileMode=0o1000000), "/linux/devices/0/fileMode", "0o1000000 is no mode of a device of type c"),
    (device(uid=4294967295), "/linux/devices/0/uid", "must be below 4294967295"),
    (linux(cgroupsPath="/a/../b"), "/linux/cgroupsPath", 'must not contain ".."'),
    (linux(cgroupsPath="/a\0"), "/linux/cgroupsPath", NUL),
    (linux(mountLabel='a"b'), "/linux/mountLabel", "must be a single line without quotation marks"),
    (
        linux(personality={"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}),
        "/linux/personality/flags",
        "no flags are supported, not 'ADDR_NO_RANDOMIZE'",
    ),
    (linux(netDevices={"a/b": {}}), "/linux/netDevices/a~1b", "'a/b' is no name of a network device"),
    (linux(netDevices={"x" * 16: {}}), f"/linux/netDevices/{'x' * 16}", f"'{'x' * 16}' is no name of a network device"),
    (
        linux(netDevices={"a": {"name": "eth%d%d"}}),
        "/linux/netDevices/a/name",
        "'eth%d%d' is no name for a network device",
    ),
    (
        linux(netDevices={"a": {}}, namespaces=without("network")),
        "/linux/netDevices",
        "needs a network namespace, and none is listed in namespaces",
    ),
    (
        linux(netDevices={"a": {"name": "b"}, "b": {}}),
        "/linux/netDevices/b",
        "would have the name 'b', as another one of them has",
    ),
    (
        linux(netDevices={"a": {}}, namespaces=[*without("network"), {"type": "network", "path": "/proc/self/ns/net"}]),
        "/linux/netDevices",
        "would stay in the host's network namespace, which /proc/self/ns/net is",
    ),
    (linux(memoryPolicy={"mode": "MPOL_BIND"}), "/linux/memoryPolicy/nodes", "is required for MPOL_BIND"),
    (
        linux(memoryPolicy={"mode": "MPOL_LOCAL", "nodes": "0"}),
        "/linux/memoryPolicy/nodes",
        "must be absent for MPOL_LOCAL",
    ),
    (
        linux(memoryPolicy={"mode": "MPOL_BIND", "nodes": "0;1"}),
        "/linux/memoryPolicy/nodes",
        "must be a list like 0-3,7, not '0;1'",
    ),
    (
        linux(
            memoryPolicy={"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}
        ),
        "/linux/memoryPolicy/flags",
        "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other",
    ),
    (
        linux(memoryPolicy={"mode": "MPOL_LOCAL", "flags": ["MPOL_F_STATIC_NODES"]}),
        "/linux/memoryPolicy/flags",
        "MPOL_F_STATIC_NODES is about nodes, and there are none",
    ),
    (
        linux(memoryPolicy={"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}),
        "/linux/memoryPolicy/flags",
        "MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY, not for MPOL_INTERLEAVE",
    ),
    (
        linux(intelRdt={"closID": "a/b"}),
        "/linux/intelRdt/closID",
        "must be the name of a directory, or \"/\", not 'a/b'",
    ),
    (linux(intelRdt={"closID": ".."}), "/linux/intelRdt/closID", "must be the name of a directory, or \"/\", not '..'"),
    (
        linux(intelRdt={"memBwSchema": "L3:0=1"}),
        "/linux/intelRdt/memBwSchema",
        "must be one line that begins with \"MB:\", not 'L3:0=1'",
    ),
    (linux(intelRdt={"schemata": ["L3:0=1\nMB:0=1"]}), "/linux/intelRdt/schemata/0", "must be a single line"),
    # seccomp
    (seccomp(defaultErrnoRet=1), "/linux/seccomp/defaultErrnoRet", "SCMP_ACT_ALLOW does not support a return value"),
    (
        seccomp("SCMP_ACT_ERRNO", defaultErrnoRet=4096),
        "/linux/seccomp/defaultErrnoRet",
        "must be at most 4095 for SCMP_ACT_ERRNO, not 4096",
    ),
    (
        seccomp(syscalls=rule("SCMP_ACT_KILL", errnoRet=0)),
        "/linux/seccomp/syscalls/0/errnoRet",
        "SCMP_ACT_KILL does not support a return value",
    ),
    (seccomp(listenerMetadata="x"), "/linux/seccomp/listenerMetadata", "must not be set without listenerPath"),
    (seccomp("SCMP_ACT_NOTIFY"), "/linux/seccomp/listenerPath", "is required where SCMP_ACT_NOTIFY is used"),
    (
        seccomp(syscalls=rule("SCMP_ACT_NOTIFY")),
        "/linux/seccomp/listenerPath",
        "is required where SCMP_ACT_NOTIFY is used",
    ),
    (
        seccomp(syscalls=rule("SCMP_ACT_ALLOW", args=[{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}])),
        "/linux/seccomp/syscalls/0/args/0/index",
        "must be from 0 to 5, not 6",
    ),
    (
        seccomp(syscalls=[{"names": ["a", ""], "action": "SCMP_ACT_ALLOW"}]),
        "/linux/seccomp/syscalls/0/names",
        "contains an empty name",
    ),
    # resources
    (
        resources(devices=[{"allow": True, "access": "rx"}]),
        "/linux/resources/devices/0/access",
        "must be made of r, w and m, not 'rx'",
    ),
    (
        resources(devices=[{"allow": True, "major": -2}]),
        "/linux/resources/devices/0/major",
        "must be a device number, or -1 for all, not -2",
    ),
    (
        resources(blockIO={"weightDevice": [{"major": 1, "minor": 2}]}),
        "/linux/resources/blockIO/weightDevice/0",
        "must have a weight or a leafWeight",
    ),
    (
        resources(blockIO={"throttleReadBpsDevice": [{"major": -1, "minor": 2, "rate": 1}]}),
        "/linux/resources/blockIO/throttleReadBpsDevice/0/major",
        "must not be negative, not -1",
    ),
    (resources(unified={"../x": "1"}), "/linux/resources/unified/..~1x", "'../x' is no name of a cgroup file"),
    (resources(unified={"a.b": "1\0"}), "/linux/resources/unified/a.b", NUL),
    (
        resources(hugepageLimits=[{"pageSize": "../2MB", "limit": 1}]),
        "/linux/resources/hugepageLimits/0/pageSize",
        "must be a size like 2MB, not '../2MB'",
    ),
    (
        resources(hugepageLimits=[{"pageSize": "MB", "limit": 1}]),
        "/linux/resources/hugepageLimits/0/pageSize",
        "must be a size like 2MB, not 'MB'",
    ),
    (resources(rdma={".x": {"hcaObjects": 1}}), "/linux/resources/rdma/.x", "'.x' is no name of an RDMA device"),
    (resources(rdma={"x": {}}), "/linux/resources/rdma/x", "must have hcaHandles or hcaObjects"),
    (resources(cpu={"cpus": "0\0"}), "/linux/resources/cpu/cpus", NUL),
    (
        resources(network={"priorities": [{"name": "a b", "priority": 1}]}),
        "/linux/resources/network/priorities/0/name",
        "'a b' is no name of a network interface",
    ),
]


@pytest.mark.parametrize(
    ("document", "pointer", "message"), BROKEN, ids=[f"{p}-{i}" for i, (_, p, _) in enumerate(BROKEN)]
)
def test_broken(document: Any, pointer: str, message: str) -> None:
    assert rules.check_rules(document) == [(pointer, message)]
