"""What the rules allow, what they say about sysctls, what is refused for now, and what only earns a warning."""

from typing import Any

import pytest

from pyrunc.spec import rules
from pyrunc.spec.default import default_config
from pyrunc.spec.rules_linux import sysctl_path
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

FINE = [
    config(),
    default_config(rootless=True),
    config(process=None),
    {"ociVersion": "1.0.0", "root": {"path": "/r"}},
    config(ociVersion="1.0.2-dev+build.7"),
    config(ociVersion="1.99.0"),
    config(hostname="", linux__namespaces=without("uts")),
    on_the_hosts_mounts(),
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
    # nobody knows here what a namespace that is joined maps
    config(process__user={"uid": 7, "gid": 7}, linux__namespaces=namespaces(*NAMES, user="/proc/1/ns/user")),
    user_namespace(
        [{"containerID": 0, "hostID": 1000, "size": 10}, {"containerID": 10, "hostID": 990, "size": 10}], 19
    ),
    linux(namespaces=namespaces(*NAMES, "time"), timeOffsets={"monotonic": {"secs": -5, "nanosecs": 999999999}}),
    device(fileMode=0o20666),
    device(type="u", fileMode=0o600),
    linux(devices=[{"type": "p", "path": "/fifo"}]),
    linux(cgroupsPath="system.slice:runc:a..b"),
    linux(personality={"domain": "LINUX32", "flags": []}),
    linux(intelRdt={"closID": "/", "memBwSchema": "MB:0=20", "schemata": ["L3:0=f"]}),
    linux(netDevices={"eth0": {"name": "lan%d"}, "eth1": {"name": "lan%d"}, "eth2": {"name": "eth0"}}),
    linux(memoryPolicy={"mode": "MPOL_PREFERRED", "nodes": ""}),
    linux(memoryPolicy={"mode": "MPOL_DEFAULT", "nodes": "", "flags": ["MPOL_F_STATIC_NODES"]}),
    linux(memoryPolicy={"mode": "MPOL_BIND", "nodes": "1023-1026, 4", "flags": ["MPOL_F_NUMA_BALANCING"]}),
    seccomp("SCMP_ACT_ERRNO", defaultErrnoRet=38, syscalls=rule("SCMP_ACT_TRACE", errnoRet=65535)),
    seccomp(listenerPath="/s", listenerMetadata="x", syscalls=rule("SCMP_ACT_NOTIFY")),
    seccomp("SCMP_ACT_NOTIFY", listenerPath="s"),
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
    article = "an" if SYSCTLS[name] == "ipc" else "a"
    message = f"needs {article} {SYSCTLS[name]} namespace: it would change the host's"
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
