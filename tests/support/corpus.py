"""The configurations that real engines made (tests/corpus), pointed at things that exist on the test's machine."""

import copy
import json
import os
from pathlib import Path
from typing import Any

from tests.support import leaks
from tests.support.namespaces import NamespaceHolder
from tests.support.rootfs import give_to

FOLDER = Path(__file__).resolve().parent.parent / "corpus"
FILE_TARGETS = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv", "/hn", "/sbin/docker-init")
"""Where the engines bind files; every other bind whose source is missing gets a folder."""

HOOK = """#!/bin/sh
# Stands for the engine's hook: keeps the state that it was given.
exec cat >> {log}
"""


def names() -> list[str]:
    """The corpus's bundle configurations (not its exec processes and update resources)."""
    return sorted(path.name for path in FOLDER.glob("*.json") if not path.stem.endswith(("-process", "-resources")))


def load(name: str) -> dict[str, Any]:
    """One file of the corpus."""
    value = json.loads((FOLDER / name).read_text())
    assert isinstance(value, dict)
    return value


def adapt(
    config: dict[str, Any], rootfs: Path, folder: Path, holder: "NamespaceHolder | None" = None
) -> dict[str, Any]:
    """A copy of a recorded configuration in which every path of the recording machine names something that exists.

    rootfs: the root file system, given to the container's root user where there is a user namespace
    folder: where sources of binds, hooks and their log (`hooks.log`) are made
    holder: whose namespaces stand for those that were joined by path
    What is asked for stays as it was: nothing is dropped, no limit is changed.
    """
    config = copy.deepcopy(config)
    config["root"]["path"] = str(rootfs)
    for number, mount in enumerate(config.get("mounts") or []):
        if is_bind(mount):
            mount["source"] = bind_source(mount, folder / f"volume-{number}")
    for hooks in (config.get("hooks") or {}).values():
        for hook in hooks:
            hook["path"] = str(make_hook(folder))
    linux = config.get("linux") or {}
    for namespace in linux.get("namespaces") or []:
        if namespace.get("path"):
            if holder is None:
                raise ValueError(f"joins a {namespace['type']} namespace: give a holder")
            namespace["path"] = holder.path(namespace["type"])
    if linux.get("cgroupsPath"):
        linux["cgroupsPath"] = f"/{leaks.prefix()}corpus{linux['cgroupsPath']}-{folder.name}"
    give_to_mapped_root(linux, rootfs)
    return config


def is_bind(mount: dict[str, Any]) -> bool:
    """Whether the mount is a bind: by its options, whatever its type says."""
    return mount.get("type") == "bind" or any(option in ("bind", "rbind") for option in mount.get("options") or [])


def bind_source(mount: dict[str, Any], substitute: Path) -> str:
    """The mount's own source where it exists on every Linux (/dev, /sys, ...), else a substitute, which is made."""
    source = str(mount["source"])
    if source.startswith(("/dev/", "/sys/", "/proc/")) and os.path.exists(source):
        return source
    if mount["destination"] in FILE_TARGETS:
        substitute.write_text(f"stands for {source}\n")
    else:
        substitute.mkdir()
        substitute.chmod(0o777)
    return str(substitute)


def make_hook(folder: Path) -> Path:
    """A program that stands for the engine's hooks; appends the state it reads to hooks.log."""
    path = folder / "hook"
    if not path.exists():
        path.write_text(HOOK.format(log=folder / "hooks.log"))
        path.chmod(0o755)
    return path


def give_to_mapped_root(linux: dict[str, Any], rootfs: Path) -> None:
    """Changes the owner of the root file system to the user that is root in the container."""
    hosts = [
        [entry["hostID"] for entry in linux.get(name) or [] if entry["containerID"] == 0]
        for name in ("uidMappings", "gidMappings")
    ]
    if all(hosts) and hosts[0][0]:
        give_to(rootfs, hosts[0][0], hosts[1][0])
