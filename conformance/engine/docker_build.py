"""docker: both of its builders."""

from conformance.engine.docker import Docker
from conformance.engine.operation import operation

CLASSIC, BUILDKIT = "0", "1"
LINES = """\
FROM img
RUN echo built > /built && id -u
USER 1234
WORKDIR /tmp
RUN touch mine
"""
MOUNTS = """\
FROM img
RUN --mount=type=tmpfs,target=/t --mount=type=cache,target=/c echo x > /t/a && echo y > /c/b && \
    test "$(grep -cE ' (/t|/c) ' /proc/self/mountinfo)" = 2
"""


def build(docker: Docker, builder: str, lines: str, network: str = "none") -> "tuple[int, str]":
    """The status of a build, and all that it said."""
    folder = docker.folder / "build"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(lines)
    plain = ("--progress", "plain") if builder == BUILDKIT else ()
    options = ("build", "--no-cache", *plain, "--network", network, "--tag", "built", str(folder))
    done = docker.call(*options, timeout=120, env={"DOCKER_BUILDKIT": builder})
    return done.returncode, done.stdout + done.stderr


def check(docker: Docker, builder: str) -> None:
    """A build of two steps, and its image."""
    status, told = build(docker, builder, LINES)
    assert status == 0, told[-500:]
    assert docker.run("built", "sh", "-c", "cat /built; stat -c %u mine") == "built\n1234\n"
    docker.ok("rmi", "built")


def check_failure(docker: Docker, builder: str) -> None:
    """A step's exit status."""
    status, told = build(docker, builder, "FROM img\nRUN exit 13\n")
    assert status != 0
    assert "13" in told


@operation("docker docker-userns", "build (classic)", core=True)
def classic(docker: Docker) -> None:
    check(docker, CLASSIC)


@operation("docker docker-userns", "build (classic): a step fails")
def classic_failure(docker: Docker) -> None:
    check_failure(docker, CLASSIC)


@operation("docker", "build (BuildKit)", core=True)
def buildkit(docker: Docker) -> None:
    check(docker, BUILDKIT)


@operation("docker", "build (BuildKit): a step fails")
def buildkit_failure(docker: Docker) -> None:
    check_failure(docker, BUILDKIT)


@operation("docker", "build (BuildKit): RUN --mount")
def mounts(docker: Docker) -> None:
    status, told = build(docker, BUILDKIT, MOUNTS)
    assert status == 0, told[-500:]


@operation("docker", "build (BuildKit) --network host")
def host_network(docker: Docker) -> None:
    status, told = build(docker, BUILDKIT, "FROM img\nRUN ip link show lo\n", network="host")
    assert status == 0, told[-500:]
