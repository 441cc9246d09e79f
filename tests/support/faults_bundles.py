"""The ten bundles whose plans faults are injected into: one of each kind that engines and people make."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyrunc.cgroups import detect
from pyrunc.spec.default import default_config
from tests.support import corpus
from tests.support.bundles import Bundle
from tests.support.namespaces import NamespaceHolder
from tests.support.ordinary_user import UID
from tests.support.rootfs import RootTemplate, give_to

SLEEP = ["/bin/sleep", "1000"]
JOINED = ("network", "ipc", "uts", "pid", "mount", "cgroup", "time")
HELD = {"joined": JOINED, "cri": ("network", "ipc", "uts")}
"""What a process holds for them to join."""
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")

Config = dict[str, Any]


def recorded(name: str) -> Callable[[Bundle, "NamespaceHolder | None"], Config]:
    """A configuration of the corpus."""

    def make(bundle: Bundle, holder: "NamespaceHolder | None") -> Config:
        return corpus.adapt(corpus.load(f"{name}.json"), bundle.rootfs, bundle.path, holder)

    return make


def default(bundle: Bundle, *, rootless: bool = False) -> Config:
    config: Config = copy.deepcopy(dict(default_config(rootless)))
    config["root"] = {"path": str(bundle.rootfs)}
    config["process"]["terminal"] = False
    return config


def joined(bundle: Bundle, holder: "NamespaceHolder | None") -> Config:
    """Nothing but the root is mounted: what is mounted in a namespace that somebody else holds is his, and stays."""
    assert holder is not None
    config = default(bundle)
    config["mounts"] = config["linux"]["maskedPaths"] = config["linux"]["readonlyPaths"] = []
    config["root"]["readonly"] = False
    config["linux"]["namespaces"] = [{"type": kind, "path": holder.path(kind)} for kind in JOINED]
    return config


def systemd(bundle: Bundle, holder: "NamespaceHolder | None") -> Config:
    """podman's systemd mode, recorded with a v1 hierarchy of systemd, for which cgroup v2 has no place."""
    config = recorded("podman-run-systemd")(bundle, holder)
    if detect().version == 2:
        config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/sys/fs/cgroup/systemd"]
    return config


def devices(bundle: Bundle, holder: "NamespaceHolder | None") -> Config:
    """Devices of all kinds: nodes, rules for the cgroup, and a network device."""
    config = recorded("docker-run-device")(bundle, holder)
    config["linux"]["netDevices"] = {"pyrunc-test-d": {"name": "moved0"}}
    return config


def hooked(bundle: Bundle, _: "NamespaceHolder | None") -> Config:
    """Two hooks of each kind: one that reads the state, one that does not."""
    config = default(bundle)
    reading = str(corpus.make_hook(bundle.path))
    config["hooks"] = {kind: [{"path": reading}, {"path": "/bin/true"}] for kind in HOOKS}
    config["hooks"]["startContainer"][0]["path"] = "/bin/true"
    return config


def idmapped(bundle: Bundle, _: "NamespaceHolder | None") -> Config:
    """A user namespace, and binds that are idmapped by it, by mappings of their own, and recursively."""
    config = corpus.adapt(corpus.load("podman-run-uidmap.json"), bundle.rootfs, bundle.path)
    maps = {
        f"{kind}Mappings": [{"containerID": 0, "hostID": config["linux"][f"{kind}Mappings"][0]["hostID"], "size": 1000}]
        for kind in ("uid", "gid")
    }
    for number, (options, extra) in enumerate(
        ((["rbind", "idmap"], {}), (["rbind", "ridmap"], {}), (["bind"], maps), (["rbind", "ro"], maps))
    ):
        source = bundle.path / f"idmapped-{number}"
        source.mkdir()
        mount = {"destination": f"/idmapped-{number}", "type": "bind", "source": str(source), "options": options}
        config["mounts"].append({**mount, **extra})
    return config


def rootless(bundle: Bundle, _: "NamespaceHolder | None") -> Config:
    config = default(bundle, rootless=True)
    mapping = [{"containerID": 0, "hostID": UID, "size": 1}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = mapping
    give_to(bundle.path, UID, UID)
    return config


MAKERS: dict[str, Callable[[Bundle, "NamespaceHolder | None"], Config]] = {
    "docker": recorded("docker-run-default"),
    "podman-userns": recorded("podman-run-uidmap"),
    "cri": recorded("containerd-cri-container"),
    "systemd": systemd,
    "joined": joined,
    "terminal": recorded("docker-run-tty"),
    "hooks": hooked,
    "devices": devices,
    "idmapped": idmapped,
    "rootless": rootless,
}
NAMES = list(MAKERS)


class FaultBundle:
    """A bundle on disk and what it needs beside it.  close() ends its holder of namespaces, if there is one.

    cgroup: where its cgroup is made, from the top of each hierarchy
    """

    def __init__(self, name: str, folder: Path, template: RootTemplate, prefix: str) -> None:
        self.name = name
        self.id = f"{prefix}{name}"
        self.holder = NamespaceHolder(HELD[name]) if name in HELD else None
        self.uid = UID if name == "rootless" else 0
        self.cgroup = f"/{prefix}faults/{name}/container"
        path = folder / name
        path.mkdir()
        template.make(path / "rootfs")
        bundle = Bundle(path, {})
        self.path = path
        bundle.config = MAKERS[name](bundle, self.holder)
        bundle.config["process"]["args"] = SLEEP
        if self.uid:
            bundle.config["linux"].pop("cgroupsPath", None)
        else:
            bundle.config["linux"]["cgroupsPath"] = self.cgroup
        self.config = bundle.config
        bundle.save()

    @property
    def terminal(self) -> bool:
        """Whether it wants a console socket."""
        return bool(self.config["process"].get("terminal"))

    def close(self) -> None:
        if self.holder:
            self.holder.close()
