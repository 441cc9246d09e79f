"""buildah: no daemon; all its state below one folder."""

from pathlib import Path

from conformance.engine.base import Engine, is_file_system
from conformance.engine.image_archive import write_archive

IMAGE = "localhost/img:latest"
ISOLATION = ("--isolation", "oci")


class Buildah(Engine):
    """buildah as root, with isolation `oci`."""

    name = "buildah"
    program = "buildah"
    package = "buildah"

    def start(self) -> None:
        """Takes the image over from an archive."""
        self.needs("buildah")
        for name in ("run", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        policy = self.folder / ".config/containers/policy.json"
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.environment.update(TMPDIR=str(self.folder / "tmp"), BUILDAH_RUNTIME=str(self.runtime))
        archive = write_archive(self.image, self.folder / "archive.tar", {IMAGE: ["/bin/sh"]})
        self.ok("pull", f"docker-archive:{archive}", timeout=120)

    def stop(self) -> None:
        """Removes the containers first."""
        self.call("rm", "--all")
        super().stop()

    def arguments(self) -> list[str]:
        """The state's places."""
        driver = "vfs" if is_file_system(self.folder, "overlayfs") else "overlay"
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run/storage")]
        return ["buildah", *places, "--storage-driver", driver]

    def container(self) -> str:
        """The name of a new working container."""
        return self.ok("from", "--pull-never", IMAGE).strip()

    def run_arguments(self, *options: str) -> list[str]:
        """What comes before the container's name."""
        return ["run", "--runtime", str(self.runtime), *ISOLATION, *options]

    def run(self, *command: str, options: "tuple[str, ...]" = (), status: int = 0) -> str:
        """The output of a command in a new working container, which ends with the status."""
        name = self.container()
        done = self.call(*self.run_arguments(*options), name, "--", *command)
        self.ok("rm", name)
        assert done.returncode == status, f"status {done.returncode}: {done.stderr.strip()[-500:]}"
        return done.stdout

    def build(self, lines: str, *options: str, status: int = 0) -> str:
        """What a build from our image with these lines prints; its image is removed."""
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        (context / "Containerfile").write_text(f"FROM {IMAGE}\n{lines}\n")
        flags = ("--runtime", str(self.runtime), *ISOLATION, "--no-cache", "--pull-never", *options)
        done = self.call("bud", *flags, "--tag", "built", str(context))
        self.call("rmi", "built")
        assert done.returncode == status, f"status {done.returncode}: {done.stderr.strip()[-500:]}"
        return done.stdout

    def shared(self) -> Path:
        """A folder with a file, for volumes."""
        folder = self.folder / "shared"
        folder.mkdir(exist_ok=True)
        (folder / "file").write_text("text\n")
        return folder
