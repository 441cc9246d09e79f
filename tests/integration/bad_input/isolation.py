"""Namespaces, id mappings, sysctls and seccomp."""

from typing import Any

from tests.integration.bad_input.case import Case, Change, add, namespace, put, without_namespace

USER = namespace("user")
MAPPING = {"containerID": 0, "hostID": 100000, "size": 65536}


def mappings(*entries: dict[str, int]) -> list[Change]:
    """A user namespace with these mappings of users and groups."""
    return [USER, put("linux.uidMappings", list(entries)), put("linux.gidMappings", list(entries))]


def seccomp(**more: Any) -> Change:
    """A profile that allows everything but what `more` says."""
    return put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", **more})


def rule(**more: Any) -> Change:
    """A profile with one rule."""
    return seccomp(syscalls=[{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", **more}])


CASES = [
    Case(
        "namespace type unknown",
        "pyrunc create failed: {id}: config.json: /linux/namespaces/5/type: must be one of cgroup, ipc, "
        'mount, network, pid, time, user, uts, not "nowhere"',
        [namespace("nowhere")],
    ),
    Case(
        "namespace twice",
        "pyrunc create failed: {id}: config.json: /linux/namespaces/5/type: the uts namespace is listed twice",
        [add("linux.namespaces", {"type": "uts"})],
    ),
    Case(
        "namespace path missing",
        "pyrunc create failed: {id}: linux.namespaces[4] (network): join network namespace: "
        "/proc/self/ns/nowhere: no such file or directory",
        [namespace("network", "/proc/self/ns/nowhere")],
    ),
    Case(
        "namespace path relative",
        "pyrunc create failed: {id}: config.json: /linux/namespaces/4/path: must be an absolute path, "
        "not 'proc/self/ns/net'",
        [namespace("network", "proc/self/ns/net")],
    ),
    Case(
        "namespace path of another type",
        "pyrunc create failed: {id}: linux.namespaces[4] (network): join network namespace: "
        "/proc/self/ns/uts is not a network namespace",
        [namespace("network", "/proc/self/ns/uts")],
    ),
    Case(
        "namespace path is a file",
        "pyrunc create failed: {id}: linux.namespaces[4] (network): join network namespace: /etc/passwd "
        "is not a network namespace",
        [namespace("network", "/etc/passwd")],
    ),
    Case(
        "hostname without uts namespace",
        "pyrunc create failed: {id}: config.json: /hostname: needs a uts namespace: it would change the host's",
        [without_namespace("uts"), put("hostname", "x")],
    ),
    Case(
        "hostname too long",
        "pyrunc create failed: {id}: config.json: /hostname: is longer than 64 bytes",
        [put("hostname", "x" * 65)],
    ),
    Case(
        "domainname without uts namespace",
        "pyrunc create failed: {id}: config.json: /domainname: needs a uts namespace: it would change the host's",
        [without_namespace("uts"), put("hostname", ""), put("domainname", "x")],
    ),
    Case(
        "user namespace without mappings",
        "pyrunc create failed: {id}: config.json has 2 problems:\n"
        "/linux/uidMappings: a new user namespace needs at least one entry\n"
        "/linux/gidMappings: a new user namespace needs at least one entry",
        [USER],
    ),
    Case(
        "mappings without user namespace",
        "pyrunc create failed: {id}: config.json: /linux/uidMappings: needs a user namespace, and none "
        "is listed in namespaces",
        [put("linux.uidMappings", [MAPPING])],
    ),
    Case(
        "mappings overlap",
        "pyrunc create failed: {id}: config.json has 2 problems:\n"
        "/linux/uidMappings/1: overlaps entry 0\n"
        "/linux/gidMappings/1: overlaps entry 0",
        mappings(MAPPING, {"containerID": 100, "hostID": 300000, "size": 1}),
    ),
    Case(
        "mapping of size 0",
        "pyrunc create failed: {id}: config.json has 2 problems:\n"
        "/linux/uidMappings/0/size: must be at least 1\n"
        "/linux/gidMappings/0/size: must be at least 1",
        mappings({"containerID": 0, "hostID": 100000, "size": 0}),
    ),
    Case(
        "user id not mapped",
        "pyrunc create failed: {id}: config.json: /process/user/uid: 70000 is not mapped by linux.uidMappings",
        [*mappings(MAPPING), put("process.user.uid", 70000)],
    ),
    Case(
        "group id not mapped",
        "pyrunc create failed: {id}: config.json: /process/user/additionalGids/0: 70000 is not mapped by "
        "linux.gidMappings",
        [*mappings(MAPPING), put("process.user.additionalGids", [70000])],
    ),
    Case(
        "time offsets without time namespace",
        "pyrunc create failed: {id}: config.json: /linux/timeOffsets: needs a time namespace, and none "
        "is listed in namespaces",
        [put("linux.timeOffsets", {"monotonic": {"secs": 1}})],
    ),
    Case(
        "time offset too large",
        "pyrunc create failed: {id}: linux.timeOffsets: write timens_offsets: numerical result out of range",
        [namespace("time"), put("linux.timeOffsets", {"monotonic": {"secs": 1 << 62}})],
    ),
    Case(
        "sysctl unknown",
        "pyrunc create failed: {id}: linux.sysctl.net.nowhere.at_all: write sysctl: no such file or directory",
        [put("linux.sysctl", {"net.nowhere.at_all": "1"})],
    ),
    Case(
        "sysctl of the whole host",
        "pyrunc create failed: {id}: config.json: /linux/sysctl/kernel.panic: does not belong to a "
        "namespace: it would change the whole host",
        [put("linux.sysctl", {"kernel.panic": "1"})],
    ),
    Case(
        "sysctl of the host's network",
        "pyrunc create failed: {id}: config.json: /linux/sysctl/net.ipv4.ip_forward: needs a network "
        "namespace: it would change the host's",
        [without_namespace("network"), put("linux.sysctl", {"net.ipv4.ip_forward": "1"})],
    ),
    Case(
        "sysctl of the host's ipc",
        "pyrunc create failed: {id}: config.json: /linux/sysctl/kernel.msgmax: needs an ipc namespace: "
        "it would change the host's",
        [without_namespace("ipc"), put("linux.sysctl", {"kernel.msgmax": "65536"})],
    ),
    Case(
        "sysctl with ..",
        "pyrunc create failed: {id}: config.json: /linux/sysctl/net~1..~1kernel~1panic: is not the name "
        "of a kernel parameter",
        [put("linux.sysctl", {"net/../kernel/panic": "1"})],
    ),
    Case(
        "sysctl value refused",
        "pyrunc create failed: {id}: linux.sysctl.net.ipv4.ip_forward: write sysctl: invalid argument",
        [put("linux.sysctl", {"net.ipv4.ip_forward": "much"})],
    ),
    Case(
        "seccomp action unknown",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/defaultAction: must be one of "
        'SCMP_ACT_TRACE, SCMP_ACT_ERRNO, SCMP_ACT_ALLOW, ..., not "SCMP_ACT_NOWHERE"',
        [put("linux.seccomp", {"defaultAction": "SCMP_ACT_NOWHERE"})],
    ),
    Case(
        "seccomp without default action",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/defaultAction: is required",
        [put("linux.seccomp", {"syscalls": []})],
    ),
    Case(
        "seccomp architecture unknown",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/architectures/0: must be one of "
        'SCMP_ARCH_SHEB, SCMP_ARCH_SH, SCMP_ARCH_ARM, ..., not "SCMP_ARCH_NOWHERE"',
        [seccomp(architectures=["SCMP_ARCH_NOWHERE"])],
    ),
    Case(
        "seccomp flag unknown",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/flags/0: must be one of "
        "SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW, "
        'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, not "SECCOMP_FILTER_FLAG_NOWHERE"',
        [seccomp(flags=["SECCOMP_FILTER_FLAG_NOWHERE"])],
    ),
    Case(
        "seccomp rule without names",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/syscalls/0/names: must have at least one entry",
        [seccomp(syscalls=[{"names": [], "action": "SCMP_ACT_ERRNO"}])],
    ),
    Case(
        "seccomp argument index",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/syscalls/0/args/0/index: must be from 0 to 5, not 6",
        [rule(args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])],
    ),
    Case(
        "seccomp operator unknown",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/syscalls/0/args/0/op: must be one of "
        "SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT, "
        'SCMP_CMP_MASKED_EQ, not "SCMP_CMP_NOWHERE"',
        [rule(args=[{"index": 0, "value": 1, "op": "SCMP_CMP_NOWHERE"}])],
    ),
    Case(
        "seccomp errnoRet on another action",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/syscalls/0/errnoRet: SCMP_ACT_KILL does "
        "not support a return value",
        [rule(action="SCMP_ACT_KILL", errnoRet=1)],
    ),
    Case(
        "seccomp errnoRet too large",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/syscalls/0/errnoRet: must be at most "
        "4095 for SCMP_ACT_ERRNO, not 5000",
        [rule(errnoRet=5000)],
    ),
    Case(
        "seccomp notify without listener",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/listenerPath: is required where "
        "SCMP_ACT_NOTIFY is used",
        [rule(action="SCMP_ACT_NOTIFY")],
    ),
    Case(
        "seccomp listener missing",
        "pyrunc create failed: {id}: linux.seccomp.listenerPath: seccomp agent /nowhere.sock: no such file or "
        "directory",
        [seccomp(listenerPath="/nowhere.sock", syscalls=[{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}])],
    ),
    Case(
        "seccomp listener no socket",
        "pyrunc create failed: {id}: linux.seccomp.listenerPath: seccomp agent /dev/null: is not a socket",
        [seccomp(listenerPath="/dev/null", defaultAction="SCMP_ACT_NOTIFY")],
    ),
    Case(
        "seccomp metadata without listener",
        "pyrunc create failed: {id}: config.json: /linux/seccomp/listenerMetadata: must not be set without "
        "listenerPath",
        [seccomp(listenerMetadata="x")],
    ),
]
