"""One thing to compare: a configuration and what to look at, before it is given to a runtime."""

import copy
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import leaks
from tests.support.rootfs import GROUP, PASSWD, RootTemplate, give_to

Config = dict[str, Any]

BUNDLE = "@BUNDLE@"
"""Stands for the bundle's path in a configuration: each runtime has a bundle of its own."""

FOLDERS = ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr/bin", "srv/files", "srv/deep/er")


@dataclass
class Case:
    """A configuration, the probe's arguments, and marks that say what is in it (for the table of differences)."""

    name: str
    config: Config
    asks: list[str] = field(default_factory=list)
    marks: set[str] = field(default_factory=set)
    says: str = ""
    """For what is wrong: words that pyrunc's message has."""
    prepare: "Callable[[Path], None] | None" = None
    """Called with the bundle's folder when the root file system is there."""
    adapt: "Callable[[Path], Config] | None" = None
    """Makes the configuration for a bundle's folder; without it, it is `config` with words replaced."""

    def __str__(self) -> str:
        return self.name


def replaced(value: Any, words: Mapping[str, str]) -> Any:
    """A copy of a JSON value with words replaced in all its texts."""
    if isinstance(value, str):
        for old, new in words.items():
            value = value.replace(old, new)
        return value
    if isinstance(value, dict):
        return {key: replaced(member, words) for key, member in value.items()}
    if isinstance(value, list):
        return [replaced(member, words) for member in value]
    return value


def container_id(case: Case, runtime: str) -> str:
    """The name of the container, and of its cgroup."""
    return f"{leaks.prefix()}diff-{case.name}-{runtime}"


def write(case: Case, runtime: str, folder: Path, template: RootTemplate, words: Mapping[str, str]) -> Path:
    """Makes the bundle of a case for one runtime below `folder`; its path.

    words: what else is replaced in the configuration
    """
    bundle = folder / runtime
    make_rootfs(bundle / "rootfs", template)
    for name in ("volume", "volume/inner", "empty"):
        (bundle / name).mkdir()
    (bundle / "volume/file").write_text("a file of the volume\n")
    (bundle / "file").write_text("a file\n")
    if case.prepare:
        case.prepare(bundle)
    config = case.adapt(bundle) if case.adapt else replaced(copy.deepcopy(case.config), {BUNDLE: str(bundle), **words})
    if "root" in config:
        config["root"].setdefault("path", "rootfs")
    linux = config.get("linux")
    if isinstance(linux, dict):
        if isinstance(linux.get("cgroupsPath", "/"), str):
            linux["cgroupsPath"] = f"/{container_id(case, runtime)}"
        owner = mapped_root(linux)
        if owner:
            give_to(bundle / "rootfs", *owner)
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def mapped_root(linux: Config) -> "tuple[int, int] | None":
    """The host's ids of the container's root, None without a user namespace of its own."""
    if not any(space.get("type") == "user" for space in linux.get("namespaces") or [] if isinstance(space, dict)):
        return None
    ids = []
    for name in ("uidMappings", "gidMappings"):
        ids += [entry["hostID"] for entry in linux.get(name) or [] if entry.get("containerID") == 0]
    return (ids[0], ids[1]) if len(ids) == 2 and all(isinstance(number, int) for number in ids) else None


def make_rootfs(rootfs: Path, template: RootTemplate) -> None:
    """A root file system with the probe, busybox's shell, a few files, and links that lead astray."""
    for name in FOLDERS:
        (rootfs / name).mkdir(parents=True)
    (rootfs / "tmp").chmod(0o1777)
    shutil.copy(template.probe, rootfs / "bin/probe")
    shutil.copy(template.busybox, rootfs / "bin/busybox")
    (rootfs / "bin/sh").symlink_to("busybox")
    (rootfs / "bin/not-executable").write_text("#!/bin/sh\n")
    (rootfs / "etc/passwd").write_text(PASSWD + "user:x:1000:1000::/home/user:/bin/sh\n")
    (rootfs / "etc/group").write_text(GROUP)
    (rootfs / "srv/files/one").write_text("one\n")
    (rootfs / "srv/files/two").write_text("two\n")
    (rootfs / "srv/files/two").chmod(0o640)
    (rootfs / "srv/link-to-files").symlink_to("files")
    (rootfs / "srv/link-up").symlink_to("../../../../srv/deep")
    (rootfs / "srv/link-absolute").symlink_to("/srv/deep")
    (rootfs / "srv/link-nowhere").symlink_to("/made/by/runtime")
    os.chown(rootfs / "srv/files/one", 1000, 1000)
