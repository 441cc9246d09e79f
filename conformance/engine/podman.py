"""podman: no daemon; all its state below one folder, its configuration in a file that only our calls see."""

import json

from conformance.engine.base import is_file_system
from conformance.engine.containers import ContainerEngine
from conformance.engine.host_users import add_user, remove_user
from conformance.engine.image_archive import SEARCH_PATH

PARENT = "conformance-parent"  # a cgroup for --cgroup-parent
CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "under-test"
runtime_supports_json = ["under-test", "{name}"]
infra_image = "localhost/pause"
infra_command = ""
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
    parents = (PARENT, "libpod_parent")

    def start(self) -> None:
        """Writes the configuration and imports the image."""
        self.needs("podman", "conmon")
        self.configure()
        add_user(self.folder, "containers", 3998, 1000000, 1 << 20)  # whose ids --userns=auto gives away
        self.import_images()

    def configure(self) -> None:
        """Writes the configuration, of which the environment tells."""
        for name in ("run", "networks", "volumes", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        configuration = self.folder / "containers.conf"
        values = {"folder": self.folder, "runtime": self.runtime, "name": self.runtime.name}
        configuration.write_text(CONFIGURATION.format(**values))
        policy = self.folder / ".config/containers/policy.json"
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.environment.update(CONTAINERS_CONF=str(configuration), TMPDIR=str(self.folder / "tmp"))

    def import_images(self) -> None:
        """Makes `img`, and what keeps a pod."""
        for name, command in (("img", "/bin/sh"), ("pause", "/bin/sleep 1000000")):
            changes = ("--change", f"CMD {json.dumps(command.split())}", "--change", f"ENV {SEARCH_PATH}")
            self.ok("import", *changes, str(self.image), f"localhost/{name}", timeout=120)

    def stop(self) -> None:
        """Removes pods, containers and volumes first."""
        if "CONTAINERS_CONF" in self.environment:
            self.remove_all()
        super().stop()
        remove_user()

    def remove_all(self) -> None:
        """Removes what operations have left."""
        self.call("pod", "rm", "--all", "--force", "--time", "0")
        self.call("rm", "--all", "--force", "--time", "0")
        self.call("volume", "rm", "--all", "--force")
        self.call("network", "prune", "--force")

    def arguments(self) -> list[str]:
        """The state's places."""
        driver = "vfs" if is_file_system(self.folder, "overlayfs") else "overlay"
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run/storage")]
        return ["podman", *places, "--storage-driver", driver, "--tmpdir", str(self.folder / "run/libpod")]

    def remove(self, name: str) -> None:
        """Without the ten seconds of grace."""
        self.ok("rm", "--force", "--time", "0", name)
