"""podman: what docker does otherwise or not at all."""

import shutil

from conformance.engine.base import until
from conformance.engine.container_life import LOOP
from conformance.engine.operation import CannotRun, operation
from conformance.engine.podman import Podman


@operation("podman", "healthcheck")
def healthcheck(podman: Podman) -> None:
    name = podman.detached("--health-cmd", "test -e /tmp/well", "--health-interval", "disable", *LOOP)
    assert podman.call("healthcheck", "run", name).returncode == 1
    podman.ok("exec", name, "touch", "/tmp/well")
    assert podman.call("healthcheck", "run", name).returncode == 0
    podman.remove(name)


@operation("podman", "init, then start")
def initialise(podman: Podman) -> None:
    name = podman.new_name()
    podman.ok("create", "--name", name, "--network", "none", "img", "echo", "started")
    podman.ok("init", name)
    assert podman.inspect(name, "{{.State.Status}}") in ("initialized", "created")
    podman.ok("start", name)
    podman.ok("wait", name)
    assert podman.ok("logs", name) == "started\n"
    podman.remove(name)


@operation("podman", "checkpoint, restore")
def checkpoint(podman: Podman) -> None:
    if shutil.which("criu") is None:
        raise CannotRun("criu is not installed")
    name = podman.detached("img", "sh", "-c", "n=0; while :; do n=$((n+1)); echo $n > /tmp/n; sleep 0.1; done")

    def counted() -> int:
        return int(podman.ok("exec", name, "cat", "/tmp/n"))

    until(lambda: counted() > 5, "what the container counts")
    podman.ok("container", "checkpoint", name)
    assert podman.inspect(name, "{{.State.Checkpointed}}") == "true"
    podman.ok("container", "restore", name)
    assert counted() > 5, "it has begun anew"
    podman.remove(name)
