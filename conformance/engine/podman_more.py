"""podman: what docker does otherwise or not at all."""

from conformance.engine.container_life import LOOP
from conformance.engine.operation import operation
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
