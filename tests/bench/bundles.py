"""The two bundles that every runtime gets: `spec`'s default, and what docker hands over for a plain `docker run`."""

import copy
import json
import os
import shutil
import typing

Config = dict[str, typing.Any]

APPLETS = ("sh", "true", "false", "sleep", "cat", "echo", "ls", "id", "env", "hostname", "mount", "ps")
NAME = f"pyrunc-test-bench-{os.getpid()}"
"""The beginning of every container and cgroup that this benchmark makes."""


def find_busybox() -> str:
    """Debian's busybox-static.  A benchmark of starting processes must not measure a dynamic loader."""
    path = shutil.which("busybox")
    if path is None:
        raise SystemExit("bench: busybox is not installed (apt-get install busybox-static)")
    with open(path, "rb") as file:
        if b"/lib64/ld-linux" in file.read(65536):
            raise SystemExit(f"bench: {path} is not static (apt-get install busybox-static)")
    return path


def make_rootfs(directory: str) -> None:
    """A root filesystem of one static busybox and the directories that engines' images have."""
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "root", "var"):
        os.makedirs(os.path.join(directory, name))
    shutil.copy(find_busybox(), os.path.join(directory, "bin", "busybox"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(directory, "bin", applet))
    for name in ("resolv.conf", "hostname", "hosts"):
        with open(os.path.join(directory, "etc", name), "x", encoding="ascii"):
            pass  # targets of docker's binds


def default_config(spec_text: str) -> Config:
    """`spec`'s config.json without its terminal, which only a person can use."""
    config: Config = json.loads(spec_text)
    config["process"]["terminal"] = False
    return config


def docker_config(path: str, binds: str) -> Config:
    """docker's config.json for `docker run IMAGE`, whole but for what only dockerd can provide.

    Its libnetwork hook goes; the three files that dockerd writes for a container are made in `binds`; the
    cgroup gets a name that is ours.
    """
    with open(path, encoding="utf-8") as file:
        config: Config = json.load(file)
    del config["hooks"]
    config["linux"]["cgroupsPath"] = f"/{NAME}/docker"
    for mount in config["mounts"]:
        if mount["type"] == "bind":
            mount["source"] = os.path.join(binds, os.path.basename(mount["destination"]))
            with open(mount["source"], "x", encoding="ascii") as file:
                file.write("127.0.0.1 localhost\n")
    return config


def write_bundle(directory: str, config: Config, rootfs: str, args: list[str]) -> str:
    """A bundle in `directory` that runs `args` in `rootfs`; returns the directory."""
    os.makedirs(directory)
    config = copy.deepcopy(config)
    config["process"]["args"] = args
    config["root"]["path"] = rootfs
    with open(os.path.join(directory, "config.json"), "x", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    return directory
