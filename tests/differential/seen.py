"""What the probe saw, without what differs from run to run: pids, namespace numbers, mount ids, file names."""

import json
import os
import re
from pathlib import Path
from typing import Any

DROPPED = {"args", "machine"}
# Bits of signals 32 and 33 in /proc/PID/status.
LIBC_SIGNALS = 3 << 31


def normalise(probed: dict[str, Any], pid: int, out: Path, err: Path, masked: set[str]) -> dict[str, Any]:
    """The probe's object, made comparable.

    pid: the container's process as the host sees it;  out, err: the files that its output goes to;
    masked: linux.maskedPaths
    """
    found = {key: value for key, value in probed.items() if key not in DROPPED}
    own = found["pid"]
    found["pid"] = "the host's" if own == pid else "first" if own == 1 else "another's"
    for key in ("pgid", "sid"):
        found[key] = "own" if found[key] == own else "outside" if found[key] == 0 else "another"
    found["ppid"] = "outside" if found["ppid"] == 0 else "another"
    found["env"] = variables(found["env"])
    found["mount"] = mounts(found.pop("mountinfo") or [], masked)
    found["cgroups"] = dict(line.split(":", 1)[1].split(":", 1) for line in found["cgroups"] or [])
    found["namespaces"] = {kind: whose(kind, link) for kind, link in found["namespaces"].items()}
    found["fds"] = {number: target(link, out, err) for number, link in found["fds"].items()}
    found["keyring"] = found["keyring"]["description"]
    if found["keyring"]:
        found["keyring"] = found["keyring"].rsplit(";", 1)[1]
    if found["scheduler"].get("policy") != 6:  # SCHED_DEADLINE; for others the kernel reports a slice of its own
        found["scheduler"].pop("runtime", None)
    for entry in found["stat"].values():
        if entry and entry["type"] == 4:  # a directory's size is the file system's
            entry.pop("size")
    found["stat"] = {
        path: entry and " ".join(f"{k}={v}" for k, v in entry.items()) for path, entry in found["stat"].items()
    }
    found["status"].pop("NSpid", None)
    if "SigIgn" in found["status"]:
        # GNU make has its children ignore the two signals of glibc's own, and no program of glibc can change that.
        found["status"]["SigIgn"] = f"{int(found['status']['SigIgn'], 16) & ~LIBC_SIGNALS:016x}"
    for key in ("timens_offsets", "uid_map", "gid_map"):
        found[key] = [" ".join(line.split()) for line in found[key] or []]
    return found


def variables(environment: list[str]) -> dict[str, Any]:
    """Each variable's value (all of them where it is there twice), and their order."""
    found: dict[str, Any] = {}
    for item in environment:
        name, _, value = item.partition("=")
        found[name] = f"{found[name]} AND {value}" if name in found else value
    return {**found, "(order)": [item.partition("=")[0] for item in environment]}


def whose(kind: str, link: "str | None") -> "str | None":
    """Whether a namespace is the host's."""
    if link is None:
        return None
    return "host" if link == os.readlink(f"/proc/self/ns/{kind}") else "own"


def target(link: "str | None", out: Path, err: Path) -> "str | None":
    """What a descriptor refers to."""
    if link is None:
        return None
    if link.startswith("pipe:"):
        return "pipe"
    named = {str(out): "output", str(err): "messages"}.get(link, link)
    return re.sub(r"\d{2,}", "N", named)


def mounts(lines: list[str], masked: set[str]) -> dict[str, Any]:
    """The mount table by destination (proc_pid_mountinfo(5)); what is mounted above another is "/x (2)".

    A mask is told by what hides the path, and its details apart.
    """
    table = [line.split(" ") for line in lines]
    parents = {fields[0]: fields[1] for fields in table}
    found: dict[str, Any] = {}
    for fields in sorted(table, key=lambda fields: depth(fields[0], parents)):
        split = fields.index("-")
        place, number = unescape(fields[4]), 2
        key = place
        while key in found:
            key, number = f"{place} ({number})", number + 1
        found[key] = {
            "root": fields[3],
            "options": " ".join(sorted(fields[5].split(","))),
            "propagation": propagation(fields[6:split]),
            "type": fields[split + 1],
            "source": fields[split + 2],
            "super": " ".join(sorted(fields[split + 3].split(","))),
        }
        if place in masked and (fields[3].endswith("/null") or fields[split + 1] == "tmpfs"):
            kind = "null device" if fields[3].endswith("/null") else "directory"
            found[key] = {"mask": kind, "details": " ".join(f"{name}={value}" for name, value in found[key].items())}
    return found


def depth(mount: str, parents: dict[str, str]) -> int:
    """How many mounts are below a mount, by ids: the order of the lines says nothing."""
    count = 0
    while mount in parents and parents[mount] != mount:
        mount, count = parents[mount], count + 1
    return count


def propagation(tags: list[str]) -> str:
    """The optional fields of a mount, without their numbers."""
    kinds = sorted(tag.split(":")[0] for tag in tags if not tag.startswith("propagate_from"))
    return " ".join(kinds) or "private"


def unescape(text: str) -> str:
    """Octal escapes of mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def hooks(log: str, pid: int) -> list[str]:
    """The hooks in the order in which they ran: its name and the state that it was given.

    A line is the hook's name and the state as it came; the pid is told apart by whose it is.
    """
    found = []
    for line in log.splitlines():
        name, _, text = line.partition(" ")
        state = json.loads(text)
        number = state.get("pid")
        whose_pid = "host's pid" if number == pid else "no pid" if not number else f"pid {number}"
        found.append(f"{name}: {state.get('status')}, {whose_pid}, keys {' '.join(sorted(state))}")
    return found
