"""The image as an archive that `docker save` would write: containerd and buildah take no bare tar file."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write_archive(layer: Path, archive: Path, commands: Mapping[str, Sequence[str]]) -> Path:
    """Writes the images NAME: COMMAND, which have the tar file `layer` as their only layer; the archive's path."""
    with open(layer, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = []
    with tarfile.open(archive, "w") as tar:
        tar.add(layer, "layer.tar")
        for number, (name, command) in enumerate(commands.items()):
            add(tar, f"config{number}.json", configuration(digest, command))
            manifest.append({"Config": f"config{number}.json", "RepoTags": [name], "Layers": ["layer.tar"]})
        add(tar, "manifest.json", manifest)
    return archive


def configuration(digest: str, command: Sequence[str]) -> dict[str, object]:
    """An image's configuration (image specification, config.md)."""
    machine = platform.machine()
    return {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Cmd": list(command), "Env": [SEARCH_PATH]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }


def add(tar: tarfile.TarFile, name: str, content: object) -> None:
    """Adds a JSON file."""
    text = json.dumps(content).encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(text)
    tar.addfile(entry, io.BytesIO(text))
