"""The engines by name: their classes, and the modules with their operations."""

import importlib
from pathlib import Path
from typing import NamedTuple

from conformance.engine.base import Engine
from conformance.engine.operation import OPERATIONS, Operation

CONTAINERS = ("container_life", "container_options", "load")
PACKAGE = "conformance.engine"


class Entry(NamedTuple):
    """lane: of those whose lanes differ, two may run at the same time: they have no cgroup in common."""

    lane: int
    module: str
    kind: str
    operations: tuple[str, ...]


ENGINES = {
    "podman": Entry(0, "podman", "Podman", (*CONTAINERS, "podman_more", "podman_options", "podman_pods")),
    "podman-rootless": Entry(
        0, "podman_rootless", "PodmanRootless", ("container_life", "container_options", "podman_rootless_operations")
    ),
    "docker-userns": Entry(1, "docker", "DockerUserns", (*CONTAINERS, "docker_more", "docker_build")),
    "docker": Entry(1, "docker", "Docker", (*CONTAINERS, "docker_more", "docker_build", "docker_services")),
    "containerd": Entry(0, "containerd", "Containerd", ("containerd_operations",)),
    "cri": Entry(0, "cri", "Cri", ("cri_operations", "cri_streams")),
    "buildah": Entry(0, "buildah", "Buildah", ("buildah_operations",)),
}


def kind_of(name: str) -> type[Engine]:
    """The engine's class."""
    entry = ENGINES[name]
    found: type[Engine] = getattr(importlib.import_module(f"{PACKAGE}.{entry.module}"), entry.kind)
    return found


def new(name: str, folder: Path, runtime: Path, image: Path) -> Engine:
    """An engine that has not been started."""
    return kind_of(name)(folder, runtime, image)


def operations(name: str, core: bool, text: str) -> list[Operation]:
    """The engine's operations: one of each kind, or all, with a text in their names."""
    for module in ENGINES[name].operations:
        importlib.import_module(f"{PACKAGE}.{module}")
    return [one for one in OPERATIONS if one.engine == name and (one.core or not core) and text in one.name]
