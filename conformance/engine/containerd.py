"""containerd, called by ctr."""

import re
from pathlib import Path

from conformance.engine.base import Engine, is_file_system, quote, until
from conformance.engine.containerd_daemon import start_containerd
from conformance.engine.image_archive import write_archive

NAMESPACE = "conformance"
IMAGE = "localhost/img:latest"


class Containerd(Engine):
    """ctr and a containerd of its own."""

    name = "containerd"
    program = "ctr"
    package = "containerd"
    parents = (NAMESPACE,)

    def start(self) -> None:
        """Starts containerd and imports the image."""
        self.needs("ctr")
        start_containerd(self)
        archive = write_archive(self.image, self.folder / "archive.tar", {IMAGE: ["/bin/sh"]})
        self.ok("image", "import", "--snapshotter", self.snapshotter(), str(archive), timeout=120)

    def stop(self) -> None:
        """Removes the containers first."""
        if self.daemons:
            for name in self.call("container", "list", "--quiet").stdout.split():
                self.remove(name)
        super().stop()

    def arguments(self) -> list[str]:
        """The socket, and a namespace of our own: it names the cgroups."""
        return ["ctr", "--address", f"{self.folder}/run/containerd.sock", "--namespace", NAMESPACE]

    def snapshotter(self) -> str:
        """The kind of snapshots that the folder's file system can hold."""
        return "native" if is_file_system(self.folder, "overlayfs") else "overlayfs"

    def run_arguments(self, *options: str) -> list[str]:
        """What comes before a new container's name."""
        return ["run", "--snapshotter", self.snapshotter(), "--runc-binary", str(self.runtime), *options, IMAGE]

    def run(self, *command: str, options: "tuple[str, ...]" = (), status: int = 0) -> str:
        """The output of a container's command, which ends with the status."""
        done = self.call(*self.run_arguments("--rm", *options), self.new_name(), *command)
        assert done.returncode == status, f"status {done.returncode}: {done.stderr.strip()[-500:]}"
        return done.stdout

    def detached(self, *command: str, options: "tuple[str, ...]" = ()) -> str:
        """The name of a running container."""
        name = self.new_name()
        self.ok(*self.run_arguments("--detach", *options), name, *command)
        return name

    def execute(self, name: str, *command: str, options: "tuple[str, ...]" = (), status: int = 0) -> str:
        """The output of one more process in a container."""
        done = self.call("task", "exec", "--exec-id", self.new_name(), *options, name, *command)
        assert done.returncode == status, f"status {done.returncode}: {done.stderr.strip()[-500:]}"
        return done.stdout

    def wait_for(self, name: str, test: str) -> None:
        """Waits until a shell command succeeds in a container."""
        command = ("task", "exec", "--exec-id")
        until(lambda: self.call(*command, self.new_name(), name, "sh", "-c", test).returncode == 0, quote(test))

    def state(self, name: str) -> str:
        """RUNNING, PAUSED, STOPPED, or nothing where there is no task."""
        rows = [line.split() for line in self.ok("task", "list").splitlines()]
        return next((row[2] for row in rows if row[0] == name), "")

    def wait_state(self, name: str, state: str) -> None:
        """Waits until a task is in a state."""
        until(lambda: self.state(name) == state, f"{name} is {state}")

    def end_of(self, name: str) -> int:
        """Deletes a task that has stopped; its exit status, of which ctr warns when it is not 0."""
        done = self.call("task", "delete", name)
        told = re.search(r"exit code (\d+)", done.stderr)
        return int(told[1]) if told else done.returncode

    def limit(self, name: str, controller: str, old: str, new: str) -> str:
        """What a container's cgroup says in the file of cgroup v1, or that of v2."""
        first = Path("/sys/fs/cgroup", controller, NAMESPACE, name, old)
        return (first if first.exists() else Path("/sys/fs/cgroup", NAMESPACE, name, new)).read_text().strip()

    def remove(self, name: str) -> None:
        """Removes a task, running or not, and its container."""
        if self.state(name):
            self.call("task", "delete", "--force", name)
        self.ok("container", "delete", name)
