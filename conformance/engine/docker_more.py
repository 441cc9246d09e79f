"""docker: what podman does otherwise or not at all."""

from conformance.engine.base import until
from conformance.engine.container_life import LOOP
from conformance.engine.docker import Docker
from conformance.engine.operation import operation


@operation("docker", "healthcheck")
def healthcheck(docker: Docker) -> None:
    name = docker.detached("--health-cmd", "test -e /tmp/well", "--health-interval", "200ms", *LOOP)
    docker.ok("exec", name, "touch", "/tmp/well")
    until(lambda: docker.inspect(name, "{{.State.Health.Status}}") == "healthy", "a healthy container")
    docker.remove(name)


@operation("docker", "create, then start")
def create(docker: Docker) -> None:
    name = docker.new_name()
    docker.ok("create", "--name", name, "--network", "none", "img", "echo", "started")
    assert docker.ok("start", "--attach", name) == "started\n"
    docker.remove(name)


@operation("docker", "restart policy")
def restart_policy(docker: Docker) -> None:
    name = docker.detached("--restart", "on-failure:2", "img", "sh", "-c", "echo again; exit 3")
    until(lambda: docker.inspect(name, "{{.State.Status}} {{.RestartCount}}") == "exited 2", "two restarts")
    assert docker.ok("logs", name) == "again\n" * 3
    docker.remove(name)


@operation("docker docker-userns", "run out of memory: the engine knows")
def out_of_memory(docker: Docker) -> None:
    name = docker.detached("--memory", "16m", "img", "tail", "/dev/zero")
    docker.ok("wait", name)
    until(lambda: docker.inspect(name, "{{.State.OOMKilled}}") == "true", "OOMKilled")
    docker.remove(name)
