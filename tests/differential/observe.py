"""Runs a case under one runtime from create to delete and writes down all that can be seen of it, as flat facts."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from tests.differential import case, cgroup_files, seen
from tests.differential.case import Case
from tests.differential.runtimes import Result, Runtime, ends
from tests.differential.world import World
from tests.support import leaks, processes

Facts = dict[str, Any]

STATE_KEYS = ("ociVersion", "id", "pid", "status", "bundle", "rootfs", "owner", "annotations", "created")

# What conmon and docker make of a message: the status that `podman run` and `docker run` end with.
NOT_PERMITTED = re.compile("permission denied|operation not permitted", re.IGNORECASE)
NOT_FOUND = re.compile("executable file not found in|no such file or directory", re.IGNORECASE)


class Observation:
    """The facts of one run, flat: "seen umask" -> 18; and the messages, for who reads a failure."""

    def __init__(self, facts: "Facts | None" = None) -> None:
        self.facts: Facts = facts or {}
        self.messages = ""

    @property
    def works(self) -> bool:
        """Whether the program was started."""
        return bool(self.facts.get("outcome") == "works")


def observe(given: Case, runtime: Runtime, folder: Path, world: World) -> Observation:
    """Runs a case.  The runtime is left without any container, whatever happens."""
    made = Observation()
    bundle = case.write(given, runtime.name, folder, world.template, world.words)
    name = case.container_id(given, runtime.name)
    words = {name: "ID", str(bundle): "BUNDLE", **{path: word for word, path in world.words.items()}}
    try:
        live(made, given, runtime, bundle, name)
    finally:
        if made.facts.get("deleted") != 0:
            runtime("delete", "--force", name)
        if runtime is not world.ours:
            remove_cgroups(name)
        shutil.rmtree(bundle)
    made.facts = case.replaced(made.facts, words)
    return made


def live(made: Observation, given: Case, runtime: Runtime, bundle: Path, name: str) -> None:
    """create, state, start, the program's end, state, delete."""
    facts = made.facts
    created = runtime("create", "--bundle", bundle, name)
    if created.status:
        failed(made, "create", created, name, runtime)
        return
    pid = state(facts, "state created", runtime, name)
    flatten(
        facts, "host", {"cgroup": cgroup_files.look(pid), "oom_score_adj": oom_score(pid), "output": owner(created)}
    )
    cgroups = list(cgroup_files.folders(pid).values())
    started = runtime("start", name)
    if started.status:
        failed(made, "start", started, name, runtime)
        return
    assert ends(pid, 10), f"{runtime.name} {name}: the program does not end"
    facts["exit"] = processes.wait_exit(pid)
    facts["outcome"] = "works"
    made.messages = created.stderr + started.stderr
    facts["warns"] = bool(made.messages.strip())
    state(facts, "state stopped", runtime, name)
    facts["deleted"] = runtime("delete", name).status
    facts["left"] = left(runtime, name) + [str(path) for path in cgroups if path.name == name and path.exists()]
    if created.stdout.startswith("{"):
        masked = set(given.config["linux"].get("maskedPaths") or [])
        probed = json.loads(created.stdout)
        flatten(facts, "seen", seen.normalise(probed, pid, created.out, created.err, masked))
    else:
        facts["output"] = created.stdout
    log = bundle / "hooks.log"
    if log.exists() and log.stat().st_size:
        facts["hooks"] = seen.hooks(log.read_text(), pid)


def failed(made: Observation, stage: str, result: Result, name: str, runtime: Runtime) -> None:
    """Notes a command that failed; the container is as good as it leaves it."""
    text = result.stderr
    code = 126 if NOT_PERMITTED.search(text) else 127 if NOT_FOUND.search(text) else 125
    made.messages = text
    made.facts.clear()
    made.facts.update(outcome="fails", stage=stage, status=result.status, code=code)
    made.facts["left"] = left(runtime, name) if stage == "create" else []


def left(runtime: Runtime, name: str) -> list[str]:
    """What a runtime keeps of a container that it should not know any more."""
    known = [f"state {name}"] if runtime("state", name).status == 0 else []
    return known + [path for path in map(f"{{}}/{name}".format, leaks.cgroup_hierarchies()) if os.path.isdir(path)]


def remove_cgroups(name: str) -> None:
    """Removes what a peer forgot."""
    for path in map(f"{{}}/{name}".format, leaks.cgroup_hierarchies()):
        if os.path.isdir(path):
            os.rmdir(path)


def state(facts: Facts, key: str, runtime: Runtime, name: str) -> int:
    """Adds the state JSON, as far as it has runc's keys, and what differs from run to run as what it is.  The pid."""
    result = runtime("state", name)
    assert result.status == 0, result.stderr
    found = json.loads(result.stdout)
    for member in set(found) & set(STATE_KEYS) - {"pid", "created"}:
        flatten(facts, f"{key} {member}", found[member])
    facts[f"{key} pid"] = "none" if found.get("pid", 0) == 0 else "some"
    facts[f"{key} created"] = re.sub(r"\d", "9", found.get("created", ""))[:19]
    return int(found.get("pid", 0))


def oom_score(pid: int) -> str:
    """The OOM score adjustment of the process that waits for start."""
    return Path(f"/proc/{pid}/oom_score_adj").read_text().strip()


def owner(result: Result) -> str:
    """Who owns the file that is the container's standard output, and its mode."""
    status = result.out.stat()
    return f"uid {status.st_uid} gid {status.st_gid} mode {status.st_mode & 0o7777:o}"


def flatten(into: Facts, key: str, value: Any) -> None:
    """Adds the leaves of nested dicts, each at its path in words."""
    if isinstance(value, dict):
        for name, member in value.items():
            flatten(into, f"{key} {name}", member)
    else:
        into[key] = value
