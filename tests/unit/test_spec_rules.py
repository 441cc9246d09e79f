"""Each rule: what breaks it, and the exact words for it.  One line a case."""

import copy
from typing import Any

import pytest

from pyrunc.spec import rules
from pyrunc.spec.default import default_config
from pyrunc.spec.rules_linux import sysctl_path

MAPPING = {"containerID": 0, "hostID": 1000, "size": 1}
NAMES = ("pid", "network", "ipc", "uts", "mount")


def config(**changes: Any) -> Any:
    """The default configuration with changes: a__b__0=value sets config["a"]["b"][0]; None removes."""
    document: Any = copy.deepcopy(default_config())
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = document
        for part in parents:
            target = target[int(part)] if part.isdigit() else target.setdefault(part, {})
        if value is None:
            del target[last]
        else:
            target[int(last) if isinstance(target, list) else last] = value
    return document


def namespaces(*kinds: str, **paths: str) -> list[dict[str, str]]:
    return [{"type": kind} for kind in kinds] + [{"type": kind, "path": path} for kind, path in paths.items()]


def without(*kinds: str) -> list[dict[str, str]]:
    return namespaces(*(kind for kind in NAMES if kind not in kinds))


def process(**changes: Any) -> Any:
    return config(**{f"process__{key}": value for key, value in changes.items()})


def linux(**changes: Any) -> Any:
    return config(**{f"linux__{key}": value for key, value in changes.items()})


def resources(**changes: Any) -> Any:
    return config(**{f"linux__resources__{key}": value for key, value in changes.items()})


def seccomp(default: str = "SCMP_ACT_ALLOW", **members: Any) -> Any:
    return linux(seccomp={"defaultAction": default, **members})


def rule(action: str, **members: Any) -> list[dict[str, Any]]:
    return [{"names": ["mkdir"], "action": action, **members}]


def device(**members: Any) -> Any:
    return linux(devices=[{"type": "c", "path": "/dev/x", "major": 1, "minor": 3, **members}])


def mount(**members: Any) -> Any:
    return config(mounts__0={"destination": "/x", **members})


def scheduler(policy: str, **members: Any) -> Any:
    return process(scheduler={"policy": policy, **members})


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
    (process(args=[""]), "/process/args/0", "must name a program"),
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
            gidMappings=[{"containerID": 4294967295, "hostID": 0, "size": 2}],
        ),
        "/linux/gidMappings/0/containerID",
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
    # paths and devices
    (linux(maskedPaths=["proc"]), "/linux/maskedPaths/0", "must be an absolute path, not 'proc'"),
    (linux(readonlyPaths=["/a\0"]), "/linux/readonlyPaths/0", NUL),
    (
        linux(maskedPaths=[], namespaces=without("mount")),
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
    # what the runtime does not do yet is checked all the same
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
    (
        seccomp("SCMP_ACT_NOTIFY"),
        "/linux/seccomp/defaultAction",
        "SCMP_ACT_NOTIFY cannot be the default: not even the agent's answer would get through",
    ),
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


FINE = [
    config(),
    default_config(rootless=True),
    config(process=None),
    {"ociVersion": "1.0.0", "root": {"path": "/r"}},
    config(ociVersion="1.0.2-dev+build.7"),
    config(ociVersion="1.99.0"),
    config(hostname="", linux__namespaces=without("uts")),
    config(
        hooks={"prestart": [{"path": "/a", "args": ["a"], "env": ["A=b"], "timeout": 1}], "unknown": [{"path": "x"}]}
    ),
    process(consoleSize={"height": 70000, "width": 1}, terminal=False),
    process(user={"uid": 4294967294, "gid": 0, "umask": 0o777, "additionalGids": [1]}),
    process(capabilities={"bounding": ["CAP_NEW_THING"]}),
    process(selinuxLabel="system_u:system_r:container_t:s0:c1,c2", apparmorProfile="docker-default"),
    process(execCPUAffinity={"initial": "0-3,7", "final": ""}),
    scheduler("SCHED_FIFO", priority=99, flags=["SCHED_FLAG_RESET_ON_FORK"]),
    scheduler("SCHED_OTHER", nice=-20),
    scheduler("SCHED_DEADLINE", runtime=42000, deadline=1000000, period=1000000, nice=19),
    scheduler("SCHED_DEADLINE", runtime=42000, deadline=1000000),
    mount(options=["bind", "ridmap"], uidMappings=[MAPPING], gidMappings=[MAPPING]),
    config(
        mounts__0={"destination": "/x", "options": ["idmap"]},
        linux__namespaces=namespaces(*NAMES, "user"),
        linux__uidMappings=[MAPPING],
        linux__gidMappings=[MAPPING],
    ),
    linux(namespaces=namespaces(*NAMES, user="/proc/1/ns/user")),
    linux(namespaces=namespaces(*NAMES, "time"), timeOffsets={"monotonic": {"secs": -5, "nanosecs": 999999999}}),
    device(fileMode=0o20666),
    device(type="u", fileMode=0o600),
    linux(devices=[{"type": "p", "path": "/fifo"}]),
    linux(cgroupsPath="system.slice:runc:a..b"),
    linux(personality={"domain": "LINUX32", "flags": []}),
    linux(intelRdt={"closID": "/", "memBwSchema": "MB:0=20", "schemata": ["L3:0=f"]}),
    linux(netDevices={"eth0": {"name": "lan%d"}}),
    linux(memoryPolicy={"mode": "MPOL_PREFERRED", "nodes": ""}),
    seccomp("SCMP_ACT_ERRNO", defaultErrnoRet=38, syscalls=rule("SCMP_ACT_TRACE", errnoRet=65535)),
    seccomp(listenerPath="/s", listenerMetadata="x", syscalls=rule("SCMP_ACT_NOTIFY")),
    resources(devices=[{"allow": True, "type": "c", "major": -1, "minor": 5, "access": ""}]),
    resources(hugepageLimits=[{"pageSize": "64KB", "limit": 0}], rdma={"mlx5_1": {"hcaHandles": 1}}),
    resources(unified={"memory.high": "max\n"}),
]


@pytest.mark.parametrize("document", FINE, ids=range(len(FINE)))
def test_fine(document: Any) -> None:
    assert rules.check_rules(document) == []


SYSCTLS = {
    "kernel.msgmax": "ipc",
    "kernel/shm_rmid_forced": "ipc",
    "fs.mqueue.msg_max": "ipc",
    "fs/mqueue/msg_max": "ipc",
    "kernel.domainname": "uts",
    "net.ipv4.ip_forward": "network",
    "net/ipv4/conf/eth0.1/forwarding": "network",
    "net.ipv4.conf.eth0/1.forwarding": "network",
    "user.max_user_namespaces": "user",
}


@pytest.mark.parametrize("name", SYSCTLS)
def test_sysctl_of_a_namespace(name: str) -> None:
    maps = {"linux__uidMappings": [MAPPING], "linux__gidMappings": [MAPPING]}
    everything = config(linux__sysctl={name: "1"}, linux__namespaces=namespaces(*NAMES, "user"), **maps)
    assert rules.check_rules(everything) == []
    lacking = linux(sysctl={name: "1"}, namespaces=without(SYSCTLS[name]))
    message = f"needs a {SYSCTLS[name]} namespace: it would change the host's"
    assert (f"/linux/sysctl/{name.replace('/', '~1')}", message) in rules.check_rules(lacking)


HOST_SYSCTLS = (
    "kernel.panic",
    "kernel.core_pattern",
    "vm.swappiness",
    "fs.file-max",
    "kernel.msgmax.x",
    "kernel.sched.sem",
)
NO_SYSCTLS = ("", "net", "net..x", "net/../kernel/panic", "net.//.kernel.panic", "/net/ipv4/x", "fs.mqueue.", "net/./x")


@pytest.mark.parametrize("name", HOST_SYSCTLS)
def test_sysctl_of_the_host(name: str) -> None:
    found = rules.check_rules(linux(sysctl={name: "1"}))
    assert [message for _, message in found] == ["does not belong to a namespace: it would change the whole host"]


@pytest.mark.parametrize("name", NO_SYSCTLS)
def test_no_sysctl(name: str) -> None:
    found = rules.check_rules(linux(sysctl={name: "1"}))
    assert [message for _, message in found] == ["is not the name of a kernel parameter"]


def test_sysctl_hostname() -> None:
    assert rules.check_rules(linux(sysctl={"kernel.hostname": "x"})) == [
        ("/linux/sysctl/kernel.hostname", "is set with hostname")
    ]


def test_sysctl_in_the_host_network_namespace_by_path() -> None:
    joined = namespaces(*(kind for kind in NAMES if kind != "network"), network="/proc/self/ns/net")
    found = rules.check_rules(linux(sysctl={"net.x.y": "1"}, namespaces=joined))
    message = "would change the host's network namespace, which /proc/self/ns/net is"
    assert found == [("/linux/sysctl/net.x.y", message)]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/1.x", "net/ipv4/conf/eth0.1/x"),
        ("net/ipv4/conf/eth0.1/x", "net/ipv4/conf/eth0.1/x"),
    ],
)
def test_sysctl_path(name: str, path: str) -> None:
    assert sysctl_path(name) == path


UNSUPPORTED = {
    "/linux/intelRdt": linux(intelRdt={"closID": "x"}),
    "/linux/memoryPolicy": linux(memoryPolicy={"mode": "MPOL_LOCAL"}),
    "/linux/netDevices": linux(netDevices={"eth0": {}}),
    "/linux/seccomp/listenerPath": seccomp(listenerPath="/s", syscalls=rule("SCMP_ACT_NOTIFY")),
    "/linux/namespaces": linux(namespaces=without("mount"), maskedPaths=[], readonlyPaths=[]),
}


@pytest.mark.parametrize("pointer", UNSUPPORTED)
def test_unsupported(pointer: str) -> None:
    """Until the runtime does it: refused by name."""
    named = [place for place, _ in rules.unsupported(UNSUPPORTED[pointer])]
    if pointer not in named:
        pytest.skip("the runtime does this now")
    assert named == [pointer]


@pytest.mark.parametrize("document", [config(), linux(intelRdt={}), seccomp(listenerPath="/unused")], ids=range(3))
def test_nothing_unsupported(document: Any) -> None:
    assert rules.unsupported(document) == []


WARNED: list[tuple[Any, str, str]] = [
    (mount(destination="data"), "/mounts/0/destination", "relative path 'data' is taken as relative to /"),
    (config(ociVersion="1.4.0-rc.1"), "/ociVersion", "1.4.0-rc.1 is newer than 1.3.0: new properties are ignored"),
    (
        process(capabilities={"bounding": ["CAP_CHOWN", "CAP_NEW"]}),
        "/process/capabilities/bounding/1",
        "unknown capability 'CAP_NEW' is left out",
    ),
    (process(env=["A=b", "=c"]), "/process/env/1", "'=c' is not of the form NAME=VALUE"),
    (
        linux(devices=[{"type": "c", "path": f"/dev/{name}", "major": 1, "minor": 3} for name in "ab"]),
        "/linux/devices/1",
        "the same device is listed before",
    ),
    (
        linux(namespaces=namespaces(*NAMES, user="/u"), uidMappings=[MAPPING]),
        "/linux/uidMappings",
        "is not written: /u, which is joined, has its own",
    ),
]


@pytest.mark.parametrize(("document", "pointer", "message"), WARNED, ids=[pointer for _, pointer, _ in WARNED])
def test_warnings(document: Any, pointer: str, message: str) -> None:
    assert rules.check_rules(document) == []
    assert rules.warnings(document) == [(pointer, message)]
