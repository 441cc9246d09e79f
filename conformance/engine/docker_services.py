"""docker: services, those of compose and those of a swarm of one node."""

import shutil

from conformance.engine.base import run, told, until
from conformance.engine.container_life import LOOP
from conformance.engine.docker import Docker
from conformance.engine.operation import CannotRun, operation

COMPOSE = """\
version: "3"
services:
  server:
    image: img
    command: [sh, -c, "echo composed > /tmp/index.html; exec httpd -f -p 80 -h /tmp"]
    init: true
  client:
    image: img
    depends_on: [server]
    command: [sh, -c, "until wget -q -O - http://server/; do sleep 0.2; done; exec sleep 1000"]
    tmpfs: [/scratch]
"""


def compose(docker: Docker, *args: str) -> str:
    """The output of a call of docker-compose that must succeed."""
    if shutil.which("docker-compose") is None:
        raise CannotRun("docker-compose is not installed")
    environment = {**docker.environment, "DOCKER_HOST": f"unix://{docker.folder}/run/docker.sock"}
    command = ["docker-compose", "--file", str(docker.file("compose.yaml", COMPOSE)), "--project-name", "two", *args]
    done = run(command, timeout=120, input=None, env=environment, cwd=docker.folder)
    assert done.returncode == 0, told(done)
    return done.stdout


@operation("docker", "compose with two services", core=True)
def two_services(docker: Docker) -> None:
    compose(docker, "up", "--detach")
    until(lambda: "composed" in compose(docker, "logs", "--no-color", "client"), "what one service gets from the other")
    assert compose(docker, "exec", "-T", "client", "sh", "-c", "grep -c ' /scratch ' /proc/mounts").strip() == "1"
    compose(docker, "restart", "--timeout", "1", "server")
    compose(docker, "down", "--timeout", "1")
    assert docker.ok("ps", "--all", "--quiet", "--filter", "name=two_") == ""


def replicas(docker: Docker, service: str) -> str:
    """How many of the service's containers run, of how many."""
    return docker.ok("service", "ls", "--filter", f"name={service}", "--format", "{{.Replicas}}").strip()


def scale(docker: Docker, service: str, count: int) -> None:
    """Has a service that many containers, which all run."""
    docker.ok("service", "scale", "--detach", f"{service}={count}")
    until(lambda: replicas(docker, service) == f"{count}/{count}", f"the service {count} times", 60)


@operation("docker", "swarm of one node: a service scaled up, down, updated", core=True)
def swarm(docker: Docker) -> None:
    docker.ok("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1")
    try:
        service = docker.new_name()
        options = ("--detach", "--name", service, "--network", "host", "--no-resolve-image")
        docker.ok("service", "create", *options, *LOOP)
        until(lambda: replicas(docker, service) == "1/1", "the service", 60)
        for count in (3, 1):
            scale(docker, service, count)
        updates = ("--env-add", "NAME=value", "--limit-memory", "64m", "--no-resolve-image")
        docker.ok("service", "update", "--detach", *updates, service)
        until(lambda: updated(docker, service), "the updated service", 60)
        docker.ok("service", "rm", service)
        until(lambda: not containers(docker, service), "the end of the service's containers", 60)
    finally:
        docker.ok("swarm", "leave", "--force")


def containers(docker: Docker, service: str) -> list[str]:
    """The service's containers, running or not."""
    return docker.ok("ps", "--all", "--quiet", "--filter", f"name={service}.").split()


def updated(docker: Docker, service: str) -> bool:
    """Whether a container runs that has what the update gave it."""
    running = docker.ok("ps", "--quiet", "--filter", f"name={service}.").split()
    return any(docker.call("exec", name, "sh", "-c", "test $NAME = value").returncode == 0 for name in running)
