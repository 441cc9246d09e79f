"""What tests leave on the machine: a picture of it before and after, and the difference in words.

Each kind is a function that lists what there is, as text that says where to look.  Two scopes:

own    what carries this run's name or descends from it: right while others work on the same machine
all    everything that is pyrunc's by its name, whoever made it: for a run that has the machine to itself

What is new and nobody's by name (a mount, an interface, a cgroup of another program's) is said and fails nothing.
"""

import gc
import os
import re
import time
from collections.abc import Callable

from tests.support import processes

PREFIX = "pyrunc-test-"
"""Every host object that a test makes is named PREFIX + the run's token + ..."""


def token() -> str:
    """What tells this run's objects from those of another: the pid of the first process, also in xdist's workers."""
    return os.environ.setdefault("PYRUNC_TEST_TOKEN", str(os.getpid()))


def prefix() -> str:
    """The beginning of the name of every host object of this process's tests ("pyrunc-test-4711-").

    xdist's workers have a letter of their own ("pyrunc-test-4711b-"): what one makes is not another's to look for, but
    all of it is the run's.  (One letter: sockets have short paths.)
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return f"{PREFIX}{token()}{chr(ord('a') + int(worker.removeprefix('gw'))) if worker else ''}-"


def running() -> set[str]:
    """Processes below this one, and any helper that runs elsewhere."""
    found = {processes.name_of(pid) for pid in processes.descendants(os.getpid()) if processes.alive(pid)}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and processes.alive(int(entry)):
            name = processes.name_of(int(entry))
            if "pyrunc-init" in name:
                found.add(name)
    return found - {processes.name_of(os.getpid())}


def mounts() -> set[str]:
    """Mounts of this mount namespace: place, root in the file system, type and source."""
    found = set()
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split()
            after = fields.index("-")
            found.add(f"{fields[4]} ({fields[3]} of {fields[after + 1]} {fields[after + 2]})")
    return found


def own_mounts() -> set[str]:
    """Those of them that this process's tests have made."""
    return {mount for mount in mounts() if is_own("mount", mount)}


def cgroup_hierarchies() -> list[str]:
    """Where cgroup file systems are mounted."""
    with open("/proc/self/mountinfo") as file:
        return sorted({line.split()[4] for line in file if " - cgroup" in line})


def cgroups() -> set[str]:
    """Directories of all cgroup hierarchies that are ours by name, or that stand in two of a v1 host's hierarchies
    (as a container's do, and a service manager's do not appear during a run)."""
    by_name: dict[str, set[str]] = {}
    for hierarchy in cgroup_hierarchies():
        for folder, _, _ in os.walk(hierarchy):
            by_name.setdefault(folder[len(hierarchy) :], set()).add(folder)
    return {path for name, paths in by_name.items() if len(paths) > 1 or "pyrunc" in name for path in paths}


def remove_corpus_parents() -> None:
    """Removes the cgroups between a hierarchy's root and the containers of recorded configurations, where empty.

    Engines make and keep these parents ("/docker"), so the runtime lets them be.  A container's own cgroup
    (corpus.adapt marks it with the bundle's name) is never removed here: it would be a leak.
    """
    for hierarchy in cgroup_hierarchies():
        for folder, _, _ in os.walk(f"{hierarchy}/{prefix()}corpus", topdown=False):
            if "-bundle-" not in os.path.basename(folder) and os.stat(folder).st_nlink == 2:  # has no folders
                os.rmdir(folder)


def network() -> set[str]:
    """Named network namespaces and the interfaces of this one."""
    found = {f"/run/netns/{name}" for name in listing("/run/netns")}
    return found | {f"interface {name}" for name in listing("/sys/class/net")}


def state() -> set[str]:
    """Containers in the default state roots."""
    roots = ["/run/pyrunc", os.environ.get("XDG_RUNTIME_DIR", "/nonexistent") + "/pyrunc"]
    return {f"{root}/{name}" for root in roots for name in listing(root)}


def temporary() -> set[str]:
    """Files and folders in the usual temporary places."""
    return {
        f"{folder}/{name}"
        for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run")
        for name in listing(folder)
        if "pyrunc" in name
    }


def descriptors() -> set[str]:
    """This process's open descriptors."""
    found = set()
    for name in listing("/proc/self/fd"):
        try:
            found.add(f"{name} -> {os.readlink('/proc/self/fd/' + name)}")
        except FileNotFoundError:  # the listing's own
            continue
    return found


KINDS: dict[str, Callable[[], set[str]]] = {
    "process": running,
    "mount": mounts,
    "cgroup": cgroups,
    "network": network,
    "state": state,
    "temporary file": temporary,
    "descriptor": descriptors,
}
OWN_BY_NATURE = {"descriptor"}


def listing(folder: str) -> list[str]:
    """The names in a folder, [] when it is not there."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def picture() -> dict[str, set[str]]:
    """Everything there is now, by kind."""
    return {kind: look() for kind, look in KINDS.items()}


def difference(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[tuple[str, str]]:
    """What is there now and was not before, by kind."""
    return [(kind, item) for kind in KINDS for item in sorted(after[kind] - before[kind])]


def lasting(before: dict[str, set[str]], scope: str, timeout: float = 5.0) -> tuple[list[str], list[str]]:
    """What stayed behind within the scope ("own" or "all"), and what is new besides: one line each.

    What goes away by itself within `timeout` seconds did not stay; descriptors that only a cycle of references holds
    are closed first.
    """
    gc.collect()
    deadline = time.monotonic() + timeout
    while True:
        new = difference(before, picture())
        left = [(kind, item) for kind, item in new if is_within(scope, kind, item)]
        if not left or time.monotonic() > deadline:
            others = [f"{kind} of unknown origin: {item}" for kind, item in new if (kind, item) not in left]
            return [f"{kind} left behind: {item}" for kind, item in left], others
        time.sleep(0.1)


def is_within(scope: str, kind: str, item: str) -> bool:
    """Whether the check looks at it."""
    return kind in OWN_BY_NATURE or is_own(kind, item) or (scope == "all" and "pyrunc" in item)


def is_own(kind: str, item: str) -> bool:
    """Whether this run made it, by its name or, for a process, by its descent."""
    if kind == "process":
        return int(item.split()[0]) in processes.descendants(os.getpid())
    if "PYTEST_XDIST_WORKER" in os.environ:
        return prefix() in item
    return re.search(f"{PREFIX}{token()}[a-z]?-", item) is not None


def settle(timeout: float = 2.0) -> None:
    """Waits for processes that are about to end: killed, their memory gone, but not yet a zombie."""
    for pid in processes.descendants(os.getpid()):
        if processes.is_ending(pid):
            processes.wait_gone(pid, timeout)


def own_mounts_and_processes() -> set[str]:
    """The cheap part, looked at after every test."""
    running = (processes.name_of(pid) for pid in processes.descendants(os.getpid()) if processes.alive(pid))
    return {f"mount {mount}" for mount in own_mounts()} | {f"process {name}" for name in running}
