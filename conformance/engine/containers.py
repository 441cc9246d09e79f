"""What podman and docker have in common: the command line of containers."""

from conformance.engine.base import Engine, until

# Words for `operation`: the engines for what needs no cgroup, and for what does.
ALL = "podman podman-rootless docker docker-userns"
WITH_CGROUPS = "podman docker docker-userns"
# For what the others do in the same way, as far as the runtime is concerned.
BOTH = "podman docker"


class ContainerEngine(Engine):
    """An engine whose command knows run, exec, inspect, logs and rm."""

    # What `top` is to print beside nothing else.
    top_columns: tuple[str, ...] = ("args",)

    def swap(self, _limit: str) -> list[str]:
        """Options of `update` that a memory limit needs beside it."""
        return []

    def run(self, *args: str, status: int = 0) -> str:
        """The output of `run --rm --network none ARGS`, which ends with the status."""
        done = self.call("run", "--rm", "--network", "none", *args)
        assert done.returncode == status, f"status {done.returncode}: {done.stderr.strip()[-500:]}"
        return done.stdout

    def detached(self, *args: str, network: str = "none") -> str:
        """The name of a running container, made with these options, image and command."""
        name = self.new_name()
        self.ok("run", "--detach", "--name", name, "--network", network, *args)
        return name

    def inspect(self, name: str, format: str) -> str:
        """One thing that the engine knows of a container."""
        return self.ok("inspect", "--format", format, name).strip()

    def wait_log(self, name: str, text: str) -> None:
        """Waits until the container has written the text."""
        until(lambda: text in self.ok("logs", name), f"{text!r} in the log of {name}")

    def remove(self, name: str) -> None:
        """Removes a container, running or not."""
        self.ok("rm", "--force", "--volumes", name)
