"""What a generated configuration may ask of namespaces, cgroups, seccomp and hooks."""

from pathlib import Path
from typing import Any

from tests.differential.case import BUNDLE, Case
from tests.differential.generator import Dice, Feature
from tests.support import corpus

HOOK = """#!/bin/sh
# Writes its name and the state that it is given, in a line.
{ printf '%s ' "$1"; tr -d '\\n'; echo; } >> "$2"
"""
HOOK_KINDS = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")

SYSCTLS = {
    "ipc": {
        "kernel.shmmax": "67108864",
        "kernel.msgmnb": "32768",
        "kernel.sem": "250 32000 100 128",
        "fs.mqueue.msg_max": "20",
    },
    "network": {"net.ipv4.ip_forward": "1", "net.ipv4.ip_unprivileged_port_start": "80", "net.core.somaxconn": "512"},
    "uts": {"kernel.domainname": "example.org"},
}
PROFILES = ("docker-run-default", "podman-run-default", "docker-run-seccomp-custom", "containerd-cri-container")


def kinds(case: Case) -> set[str]:
    """The namespaces that the case has of its own."""
    return {space["type"] for space in case.config["linux"]["namespaces"]}


def namespaces(dice: Dice, case: Case) -> None:
    """Fewer or more than by default."""
    keep = ["pid", "network", "ipc", "uts", "mount"]
    if "sysctl" not in case.marks:
        for name in dice.some(["pid", "network", "ipc"], 2):
            keep.remove(name)
    if dice.chance(0.4):
        keep.append("cgroup")
    keep += kinds(case) & {"user"}
    case.config["linux"]["namespaces"] = [{"type": kind} for kind in keep]
    if "network" not in keep:  # sysfs is the network namespace's
        replace_sys(case)


def replace_sys(case: Case) -> None:
    """A bind of the host's /sys in the place of a new sysfs, which only its network namespace's owner may mount."""
    for mount in case.config["mounts"]:
        if mount["destination"] == "/sys":
            mount.update(type="bind", source="/sys", options=["rbind", "nosuid", "noexec", "nodev", "ro"])
    case.marks.add("host-sys")


def user_namespace(dice: Dice, case: Case) -> None:
    """Root of the container is another user outside; with ranges that cover all ids used here."""
    first = dice.one([100000, 1000000])
    linux = case.config["linux"]
    linux["namespaces"].append({"type": "user"})
    for name in ("uidMappings", "gidMappings"):
        linux[name] = [{"containerID": 0, "hostID": first, "size": 5000000}]
    if dice.chance(0.3):
        linux["uidMappings"] = [
            {"containerID": 0, "hostID": first, "size": 1000},
            {"containerID": 1000, "hostID": 7000000, "size": 4999000},
        ]


def sysctl(dice: Dice, case: Case) -> None:
    """Those of the namespaces that the case has."""
    found: dict[str, str] = {}
    for kind, names in SYSCTLS.items():
        if kind in kinds(case):
            found.update((name, names[name]) for name in dice.some(list(names), 2))
    case.config["linux"]["sysctl"] = found
    case.asks += [f"sysctl:{name}" for name in found]


def names(dice: Dice, case: Case) -> None:
    """Host name and domain name."""
    case.config["hostname"] = dice.one(["a", "host.example.org", "x" * 64, "with_underscore", "UPPER"])
    if dice.chance(0.5):
        case.config["domainname"] = dice.one(["example.org", "d" * 64])
        case.marks.add("domainname")


def resources(dice: Dice, case: Case) -> None:
    """Limits that both versions of cgroups have."""
    found: dict[str, Any] = case.config["linux"]["resources"]
    if dice.chance(0.6):
        limit = dice.one([64 << 20, 100_000_001, 1 << 30])
        found["memory"] = {"limit": limit}
        if dice.chance(0.5):
            found["memory"]["swap"] = dice.one([limit, 2 * limit, -1])
        if dice.chance(0.5):
            found["memory"]["reservation"] = limit // 2
    if dice.chance(0.6):
        found["cpu"] = {"shares": dice.one([2, 100, 1024, 262144])}
        if dice.chance(0.6):
            found["cpu"].update(period=dice.one([100000, 50000]), quota=dice.one([20000, 150000, -1]))
        if dice.chance(0.4):
            found["cpu"].update(cpus=dice.one(["0", "0-1"]), mems="0")
    if dice.chance(0.6):
        found["pids"] = {"limit": dice.one([1, 100, -1, 32768])}
    if found.get("pids") == {"limit": -1} or found.get("cpu", {}).get("quota") == -1:
        case.marks.add("unlimited")


def resources_of_v1(dice: Dice, case: Case) -> None:
    """Limits that cgroup v1 alone has."""
    memory = case.config["linux"]["resources"].setdefault("memory", {})
    memory.update(swappiness=dice.one([0, 10, 60, 100]))
    if dice.chance(0.5):
        memory["disableOOMKiller"] = dice.one([True, False])
    if dice.chance(0.3):
        memory["kernelTCP"] = 16 << 20


def device_rules(dice: Dice, case: Case) -> None:
    """What may be used: lists whose order counts."""
    rules: list[dict[str, Any]] = [
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
        {"allow": True, "type": "b", "access": "r"},
        {"allow": True, "type": "c", "major": 7, "access": "rw"},
        {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "w"},
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"},
    ]
    whole = [{"allow": True, "access": "rwm"}] if dice.chance(0.2) else [{"allow": False, "access": "rwm"}]
    case.config["linux"]["resources"]["devices"] = whole + dice.some(rules, 4)
    if whole[0]["allow"]:
        case.marks.add("devices-allowed")


def hooks(dice: Dice, case: Case) -> None:
    """Some of each kind; they write down in which order they ran and what they were told."""
    found: dict[str, list[Any]] = {}
    for kind in dice.some(HOOK_KINDS, 4):
        for number in range(dice.one([1, 2])):
            arguments = ["hook", f"{kind}-{number}", f"{BUNDLE}/hooks.log"]
            found.setdefault(kind, []).append(
                {"path": f"{BUNDLE}/hook", "args": arguments, "env": ["PATH=/usr/bin:/bin"]}
            )
    case.config["hooks"] = found
    case.prepare = write_hook


def write_hook(bundle: Path) -> None:
    """The program that the hooks run, and the file that they write to, whoever they are."""
    (bundle / "hook").write_text(HOOK)
    (bundle / "hook").chmod(0o755)
    (bundle / "hooks.log").touch()
    (bundle / "hooks.log").chmod(0o666)


def seccomp(dice: Dice, case: Case) -> None:
    """A profile of an engine, or one with comparisons of arguments."""
    case.asks.append("calls")
    if dice.chance(0.3):
        case.config["linux"]["seccomp"] = corpus.load(f"{dice.one(PROFILES)}.json")["linux"]["seccomp"]
        return
    operator = dice.one("SCMP_CMP_NE SCMP_CMP_LT SCMP_CMP_LE SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT".split())
    masked = {"index": 0, "value": dice.one([8, 0xFF, 1 << 40]), "valueTwo": 8, "op": "SCMP_CMP_MASKED_EQ"}
    action = dice.one(["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_KILL", "SCMP_ACT_LOG"])
    rules: list[dict[str, Any]] = [
        {"names": ["personality"], "action": action, "args": [{"index": 0, "value": 8, "op": operator}]},
        {
            "names": ["syncfs", "not_a_system_call", "bpf"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": dice.one([1, 38, 4095]),
        },
        {"names": ["unshare"], "action": "SCMP_ACT_ERRNO", "args": [masked]},
        {"names": ["setns", "ptrace"], "action": action},
    ]
    case.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    if dice.chance(0.5):
        case.config["linux"]["seccomp"]["architectures"] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"]
    case.asks += [f"call:personality:{value}" for value in (0, 7, 8, 9, 1 << 40)]
    case.asks += [f"call:unshare:{value}" for value in (8, 0x108, (1 << 40) + 8, 9)]


def personality(dice: Dice, case: Case) -> None:
    """The two that there are."""
    case.config["linux"]["personality"] = {"domain": dice.one(["LINUX", "LINUX32"])}


def annotations(dice: Dice, case: Case) -> None:
    """Any text."""
    case.config["annotations"] = dice.one(
        [{}, {"a": "b"}, {"org.example/x": "y z", "empty": ""}, {"\u03b1": "\u03b2\n"}]
    )


FEATURES: list[Feature] = [
    namespaces,
    user_namespace,
    sysctl,
    names,
    resources,
    resources_of_v1,
    device_rules,
    hooks,
    seccomp,
    personality,
    annotations,
]
