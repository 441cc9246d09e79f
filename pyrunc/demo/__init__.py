"""The bundle of `make run`: a container from what every Linux host has, without any download.

Its root file system is empty but for mount points; the host's programs and libraries come in as read-only binds.
"""

import json
import os
from pathlib import Path
from typing import Any

from pyrunc.security.capabilities import NAMES
from pyrunc.spec.default import default_config

PROGRAM_FOLDERS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu")
SETTINGS = ("passwd", "group", "ld.so.cache", "nsswitch.conf")

SCRIPT = Path(__file__).with_name("hello.sh")


def make_bundle(folder: Path, *, rootless: bool = False) -> dict[str, Any]:
    """Fills an empty folder with config.json and rootfs/; gives back the configuration.

    rootless: for a caller without privileges: the container's root user is the caller.
    """
    rootfs = folder / "rootfs"
    for name in ("dev", "etc", "proc", "sys", "tmp"):
        (rootfs / name).mkdir(parents=True)
    config: dict[str, Any] = dict(default_config(rootless))
    config["hostname"] = "pyrunc-demo"
    config["root"] = {"path": "rootfs", "readonly": True}
    config["process"].update(terminal=False, args=["/bin/sh", "-c", SCRIPT.read_text(), "hello", *capability_names()])
    config["mounts"] = config["mounts"] + host_programs(rootfs)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return config


def capability_names() -> list[str]:
    """The capabilities' names in the order of their bits, for the script to read a bit mask with."""
    return [name.removeprefix("CAP_").lower() for name in NAMES]


def host_programs(rootfs: Path) -> list[dict[str, Any]]:
    """Makes a mount point below rootfs for each of the host's program folders and settings; their bind mounts.

    Where the host has a link instead of a folder (/bin -> usr/bin), so has the container.
    """
    mounts = []
    for name in PROGRAM_FOLDERS:
        host = Path("/", name)
        if host.is_symlink():
            (rootfs / name).symlink_to(os.readlink(host))
        elif host.is_dir():
            (rootfs / name).mkdir()
            mounts.append(read_only_bind(host, "nosuid", "nodev"))
    for name in SETTINGS:
        host = Path("/etc", name)
        if host.is_file():
            (rootfs / "etc" / name).touch()
            mounts.append(read_only_bind(host, "nosuid", "nodev", "noexec"))
    return mounts


def read_only_bind(path: Path, *options: str) -> dict[str, Any]:
    """The mount that shows a host's file or folder at the same place in the container."""
    return {
        "destination": str(path),
        "type": "bind",
        "source": str(path.resolve()),
        "options": ["rbind", "ro", *options],
    }
