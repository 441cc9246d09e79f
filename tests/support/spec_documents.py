"""Configurations that differ from the default one by what a test is about."""

import copy
from typing import Any

from pyrunc.spec.default import default_config

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


def on_the_hosts_mounts(**changes: Any) -> Any:
    """A container without a mount namespace, and without all that needs one."""
    plain = {"mounts": [], "root__readonly": False, "linux__maskedPaths": [], "linux__readonlyPaths": []}
    return config(**{**plain, "linux__namespaces": without("mount"), **changes})


def process(**changes: Any) -> Any:
    return config(**{f"process__{key}": value for key, value in changes.items()})


def linux(**changes: Any) -> Any:
    return config(**{f"linux__{key}": value for key, value in changes.items()})


def user_namespace(mappings: list[dict[str, int]], uid: int = 0, **user: Any) -> Any:
    """A new user namespace with these mappings of users and groups, and a process of that user."""
    kinds = namespaces(*NAMES, "user")
    ids = {"uid": uid, "gid": 0, **user}
    maps = {"linux__uidMappings": mappings, "linux__gidMappings": mappings}
    return config(process__user=ids, linux__namespaces=kinds, **maps)


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
