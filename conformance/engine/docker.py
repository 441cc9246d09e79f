"""docker: dockerd and a containerd of its own, with state below one folder."""

import json

from conformance.engine.base import is_file_system, until
from conformance.engine.containerd_daemon import search_path, start_containerd
from conformance.engine.containers import ContainerEngine
from conformance.engine.host_users import add_user, remove_user
from conformance.engine.operation import CannotRun


class Docker(ContainerEngine):
    """docker with the runtime as its default, and as the `runc` of BuildKit."""

    name = "docker"
    program = "/usr/bin/docker"
    package = "docker.io"
    parents = ("docker",)
    # Options of dockerd.
    options: tuple[str, ...] = ()
    top_columns = ("-o", "pid,args")

    def swap(self, limit: str) -> list[str]:
        """dockerd wants the swap limit above that of memory in the same call."""
        return ["--memory-swap", limit]

    def start(self) -> None:
        """Starts containerd and dockerd, imports the image."""
        self.needs("dockerd", "containerd", self.program)
        self.daemons_up()
        self.ok("import", "--change", "CMD /bin/sh", str(self.image), "img", timeout=120)

    def daemons_up(self) -> None:
        """Starts containerd and dockerd."""
        run = self.folder / "run"
        path = {"PATH": search_path(self)}
        socket = start_containerd(self)
        settings = {
            "runtimes": {"under-test": {"path": str(self.runtime)}},
            "default-runtime": "under-test",
            "storage-driver": "vfs" if is_file_system(self.folder, "overlayfs") else "overlay2",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "containerd": str(socket),
            "data-root": str(self.folder / "data"),
            "exec-root": str(run / "docker"),
            "pidfile": str(run / "docker.pid"),
            "hosts": [f"unix://{run}/docker.sock"],
        }
        (self.folder / "daemon.json").write_text(json.dumps(settings))
        started = self.daemon("dockerd", "--config-file", str(self.folder / "daemon.json"), *self.options, env=path)
        until(lambda: started.poll() is not None or self.answers(), "dockerd", 60)
        if started.poll() is not None:
            log = (self.folder / "dockerd.log").read_text(errors="replace").strip().splitlines()
            raise CannotRun(f"dockerd does not start: {log[-1] if log else ''}")

    def answers(self) -> bool:
        """Whether dockerd answers."""
        return self.call("version").returncode == 0

    def stop(self) -> None:
        """Removes the containers first."""
        if self.daemons:
            listed = self.call("ps", "--all", "--quiet").stdout.split()
            if listed:
                self.call("rm", "--force", "--volumes", *listed)
        super().stop()

    def arguments(self) -> list[str]:
        """The socket."""
        return [self.program, "--host", f"unix://{self.folder}/run/docker.sock"]


class DockerUserns(Docker):
    """docker with userns-remap."""

    name = "docker-userns"

    def start(self) -> None:
        """With ids of a user that /etc/subuid gives in this run's namespaces only."""
        add_user(self.folder, "remapped", 3999, 300000)
        self.options = ("--userns-remap=remapped",)
        super().start()

    def stop(self) -> None:
        """Takes the binds away again."""
        super().stop()
        remove_user()
