"""containerd's CRI plugin, as kubelet calls it: over gRPC, with a network by CNI."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.engine import cri_messages
from conformance.engine.base import Engine, is_file_system, run, told, until
from conformance.engine.containerd_daemon import start_containerd
from conformance.engine.image_archive import write_archive
from conformance.engine.operation import CannotRun

IMAGE, PAUSE = "localhost/img:latest", "localhost/pause:latest"
CLIENT = Path(__file__).with_name("cri_client.py")
PYTHON = "/usr/bin/python3"
PLUGINS = Path("/usr/lib/cni")
PARENT = "conformance-cri"  # the cgroup of all pods
HANDLER = "under-test"
POD, CONTAINER, NODE = range(3)  # whose namespace
READY, NOT_READY = range(2)  # a sandbox's state
CREATED, RUNNING, EXITED = range(3)  # a container's state
OWN_PROCESSES = {"security_context": {"namespace_options": {"pid": CONTAINER}}}

TABLES = """\
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    default_runtime_name = "{handler}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{handler}]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{handler}.options]
        BinaryName = "{runtime}"
"""


def network(folder: Path) -> "dict[str, object]":
    """A bridge whose addresses are given away from a list in the folder."""
    addresses = {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]], "dataDir": f"{folder}/addresses"}
    bridge = {"type": "bridge", "bridge": "cri0", "isGateway": True, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def network_of(linux: "Mapping[str, Any]") -> int:
    """Whose network a LinuxPodSandboxConfig wants."""
    return int(linux.get("security_context", {}).get("namespace_options", {}).get("network", POD))


class Cri(Engine):
    """A containerd of its own with the CRI plugin, called by a small client."""

    name = "cri"
    program = PYTHON
    package = "containerd"
    parents = (PARENT,)

    def start(self) -> None:
        """Starts containerd, imports the images, waits for the plugin and the network."""
        self.needs("ctr", PYTHON)
        if subprocess.run([PYTHON, "-c", "import grpc"], capture_output=True).returncode != 0:
            raise CannotRun(f"{PYTHON} has no gRPC (python3-grpcio)")
        if not (PLUGINS / "bridge").exists():
            raise CannotRun("the CNI plugins are not installed (containernetworking-plugins)")
        (self.folder / "cni").mkdir()
        (self.folder / "cni/10-pods.conflist").write_text(json.dumps(network(self.folder)))
        kind = "native" if is_file_system(self.folder, "overlayfs") else "overlayfs"
        values = {"folder": self.folder, "runtime": self.runtime, "handler": HANDLER, "plugins": PLUGINS}
        socket = start_containerd(self, "", TABLES.format(pause=PAUSE, snapshotter=kind, **values))
        commands = {IMAGE: ["/bin/sh"], PAUSE: ["/bin/sleep", "1000000"]}
        archive = write_archive(self.image, self.folder / "archive.tar", commands)
        importing = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "image", "import"]
        done = run([*importing, str(archive)], timeout=120, input=None, env=self.environment, cwd=self.folder)
        assert done.returncode == 0, told(done)
        until(lambda: self.call("Version").returncode == 0, "the CRI plugin", 30)

    def stop(self) -> None:
        """Removes the pods first."""
        if self.daemons and self.call("ListPodSandbox").returncode == 0:
            for pod in self.ask("ListPodSandbox", "Empty").items:
                self.remove_pod(pod.id)
        super().stop()

    def arguments(self) -> list[str]:
        """The client and the socket."""
        return [PYTHON, str(CLIENT), f"{self.folder}/run/containerd.sock"]

    def ask(self, method: str, request: str = "", **values: object) -> Any:
        """The answer to a call that must succeed.

        request: the type of what is sent, METHODRequest where it is empty
        """
        sent = cri_messages.encoded(request or f"{method}Request", values)
        answer = self.ok(method, input=sent)
        name = f"{method}Response"
        return cri_messages.decoded(name if name in cri_messages.MESSAGES else "Empty", answer)

    def refused(self, method: str, **values: object) -> str:
        """What a call says that must fail."""
        done = self.call(method, input=cri_messages.encoded(f"{method}Request", values))
        assert done.returncode != 0, f"{method} did not fail"
        return done.stderr

    def pod_configuration(self, name: str, linux: "dict[str, object]") -> "dict[str, object]":
        """What a pod of that name is asked for with."""
        return {
            "metadata": {"name": name, "uid": name, "namespace": "conformance"},
            "hostname": "" if network_of(linux) == NODE else name,
            "log_directory": str(self.folder / "logs"),
            "linux": {"cgroup_parent": f"/{PARENT}", **linux},
        }

    def remove_pod(self, pod: str) -> None:
        """Stops a pod with its containers and removes it."""
        self.ask("StopPodSandbox", "PodSandboxRequest", pod_sandbox_id=pod)
        self.ask("RemovePodSandbox", "PodSandboxRequest", pod_sandbox_id=pod)


class Pod:
    """A pod sandbox for a `with`: it is removed in the end.

    linux: its LinuxPodSandboxConfig
    """

    def __init__(self, cri: Cri, **linux: object) -> None:
        self.cri = cri
        self.configuration = cri.pod_configuration(cri.new_name(), linux)
        self.id = ""
        self.logs: dict[str, str] = {}

    def __enter__(self) -> "Pod":
        """Runs it."""
        answer = self.cri.ask("RunPodSandbox", config=self.configuration, runtime_handler=HANDLER)
        self.id = answer.pod_sandbox_id
        return self

    def __exit__(self, *_: object) -> None:
        """Stops and removes it."""
        self.cri.remove_pod(self.id)

    def status(self) -> Any:
        """Its PodSandboxStatus."""
        return self.cri.ask("PodSandboxStatus", "PodSandboxRequest", pod_sandbox_id=self.id).status

    def create(self, *command: str, linux: "Mapping[str, object] | None" = None, **more: object) -> str:
        """The id of a created container, with what its ContainerConfig has besides; processes of its own as usual."""
        name = self.cri.new_name()
        named = {"metadata": {"name": name}, "image": {"image": IMAGE}, "log_path": f"{name}.log"}
        configuration = {**named, "command": command, "linux": linux or OWN_PROCESSES, **more}
        values = {"pod_sandbox_id": self.id, "config": configuration, "sandbox_config": self.configuration}
        container = str(self.cri.ask("CreateContainer", "", **values).container_id)
        self.logs[container] = f"{name}.log"
        return container

    def start(self, *command: str, linux: "Mapping[str, object] | None" = None, **more: object) -> str:
        """The id of a running container."""
        container = self.create(*command, linux=linux, **more)
        self.cri.ask("StartContainer", container_id=container)
        return container

    def container(self, container: str) -> Any:
        """A container's ContainerStatus."""
        return self.cri.ask("ContainerStatus", "ContainerRequest", container_id=container).status

    def ended(self, container: str) -> Any:
        """The ContainerStatus of a container whose end is waited for."""
        until(lambda: self.container(container).state == EXITED, "the container's end")
        return self.container(container)

    def output(self, *command: str, linux: "Mapping[str, object] | None" = None, **more: object) -> str:
        """What a container's command writes, which ends with status 0."""
        container = self.start(*command, linux=linux, **more)
        status, told = self.ended(container), self.log(container)
        assert status.exit_code == 0, f"status {status.exit_code}: {told}"
        return told

    def log(self, container: str) -> str:
        """What a container has written: its log without times and streams."""
        lines = (self.cri.folder / "logs" / self.logs[container]).read_text().splitlines(keepends=True)
        return "".join(line.split(" ", 3)[3] for line in lines)

    def execute(self, container: str, *command: str, status: int = 0) -> str:
        """The output of ExecSync, whose command ends with the status."""
        done = self.cri.ask("ExecSync", container_id=container, cmd=command, timeout=20)
        assert done.exit_code == status, f"status {done.exit_code}: {done.stderr.decode()}"
        return str(done.stdout.decode())
