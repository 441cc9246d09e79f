"""podman: no daemon; all its state below one folder, its configuration in a file that only our calls see."""

from conformance.engine.base import is_file_system
from conformance.engine.containers import ContainerEngine

CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "under-test"
runtime_supports_json = ["under-test", "{name}"]
infra_image = "localhost/img"
infra_command = "/bin/sleep 1000000"
volume_path = "{folder}/volumes"
[engine.runtimes]
under-test = ["{runtime}"]
[network]
network_config_dir = "{folder}/networks"
"""


class Podman(ContainerEngine):
    """podman as root."""

    name = "podman"
    program = "podman"
    package = "podman"

    def start(self) -> None:
        """Writes the configuration and imports the image."""
        self.needs("podman", "conmon")
        for name in ("run", "networks", "volumes", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        configuration = self.folder / "containers.conf"
        values = {"folder": self.folder, "runtime": self.runtime, "name": self.runtime.name}
        configuration.write_text(CONFIGURATION.format(**values))
        policy = self.folder / ".config/containers/policy.json"
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.environment.update(CONTAINERS_CONF=str(configuration), TMPDIR=str(self.folder / "tmp"))
        self.ok("import", "--change", "CMD /bin/sh", str(self.image), "localhost/img", timeout=120)

    def stop(self) -> None:
        """Removes pods, containers and volumes first."""
        self.call("pod", "rm", "--all", "--force", "--time", "0")
        self.call("rm", "--all", "--force", "--time", "0")
        self.call("volume", "rm", "--all", "--force")
        self.call("network", "prune", "--force")
        super().stop()

    def arguments(self) -> list[str]:
        """The state's places."""
        driver = "vfs" if is_file_system(self.folder, "overlayfs") else "overlay"
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run/storage")]
        return ["podman", *places, "--storage-driver", driver, "--tmpdir", str(self.folder / "run/libpod")]

    def remove(self, name: str) -> None:
        """Without the ten seconds of grace."""
        self.ok("rm", "--force", "--time", "0", name)
