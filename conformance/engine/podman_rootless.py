"""podman as an ordinary user."""

import os
import subprocess

from conformance.engine.host_users import add_user
from conformance.engine.operation import CannotRun
from conformance.engine.podman import Podman

USER = 3997
FIRST = 400000  # of his subordinate ids


class PodmanRootless(Podman):
    """podman as a user whom only this run's namespaces know, with subordinate ids and without the right to cgroups."""

    name = "podman-rootless"

    def start(self) -> None:
        """Gives everything to the user.  Raises CannotRun when he cannot call the runtime."""
        self.needs("podman", "conmon", "newuidmap", "setpriv")
        self.configure()
        add_user(self.folder, "rootless", USER, FIRST, home=str(self.folder))
        for folder, _, names in os.walk(self.folder):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, USER, USER)
        (self.folder / "run").chmod(0o700)
        self.environment["USER"] = "rootless"
        version = [*self.as_user(), str(self.runtime), "--version"]
        if subprocess.run(version, capture_output=True, env=self.environment, cwd=self.folder).returncode != 0:
            raise CannotRun(f"an ordinary user cannot call {self.runtime}")
        self.import_images()

    def remove_all(self) -> None:
        """Ends the process that keeps the user's namespaces, too."""
        super().remove_all()
        self.call("system", "migrate")

    def as_user(self) -> list[str]:
        """What makes a command the user's."""
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all"]

    def arguments(self) -> list[str]:
        """The state's places, and copies for layers: overlays are not for every user."""
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run/storage")]
        options = ["--storage-driver", "vfs", "--tmpdir", str(self.folder / "run/libpod")]
        return [*self.as_user(), "podman", *places, *options]
