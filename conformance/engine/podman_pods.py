"""podman: pods, and those of a YAML file."""

from collections.abc import Iterator
from contextlib import contextmanager

from conformance.engine.base import until
from conformance.engine.container_life import LOOP
from conformance.engine.container_options import fetched, limit
from conformance.engine.operation import operation
from conformance.engine.podman import Podman

KUBE = """\
apiVersion: v1
kind: Pod
metadata:
  name: kube
spec:
  containers:
  - name: first
    image: localhost/img
    command: [sh, -c, "echo up; exec sleep 1000"]
    securityContext:
      readOnlyRootFilesystem: true
      runAsUser: 1000
      capabilities:
        drop: [ALL]
    resources:
      limits:
        memory: 64Mi
        cpu: 500m
    volumeMounts:
    - name: empty
      mountPath: /e
  - name: second
    image: localhost/img
    command: [sleep, "1000"]
  volumes:
  - name: empty
    emptyDir: {}
"""


@contextmanager
def pod(podman: Podman, *options: str) -> Iterator[str]:
    """The name of a pod, which is removed in the end."""
    name = podman.new_name()
    podman.ok("pod", "create", "--name", name, *options)
    yield name
    podman.ok("pod", "rm", "--force", "--time", "0", name)


def inside(podman: Podman, pod: str, *args: str) -> str:
    """The name of a running container in a pod."""
    name = podman.new_name()
    podman.ok("run", "--detach", "--pod", pod, "--name", name, *args)
    return name


def state(podman: Podman, pod: str) -> str:
    """The pod's state as podman says it."""
    return podman.ok("pod", "inspect", "--format", "{{.State}}", pod).strip()


@operation("podman", "pod: containers share namespaces", core=True)
def shared(podman: Podman) -> None:
    read = ("sh", "-c", "for kind in net ipc uts; do readlink /proc/self/ns/$kind; done")
    with pod(podman, "--network", "none") as name:
        first, second = (inside(podman, name, *LOOP) for _ in range(2))
        assert podman.ok("exec", first, *read) == podman.ok("exec", second, *read)
        assert podman.ok("exec", first, "hostname") == f"{name}\n"


@operation("podman", "pod stop, start, pause, top")
def life(podman: Podman) -> None:
    with pod(podman, "--network", "none") as name:
        container = inside(podman, name, "img", "sleep", "1000")
        assert "sleep 1000" in podman.ok("pod", "top", name, "args")
        podman.ok("pod", "pause", name)
        assert podman.inspect(container, "{{.State.Status}}") == "paused"
        podman.ok("pod", "unpause", name)
        podman.ok("pod", "stop", "--time", "0", name)
        assert state(podman, name) == "Exited"
        podman.ok("pod", "start", name)
        assert state(podman, name) == "Running"


@operation("podman", "pod with a shared pid namespace")
def processes(podman: Podman) -> None:
    with pod(podman, "--network", "none", "--share", "pid,net,ipc,uts") as name:
        container = inside(podman, name, "img", "sh", "-c", "sleep 2222 & exec sleep 3333")
        other = inside(podman, name, *LOOP)
        until(lambda: "sleep 2222" in podman.ok("exec", other, "ps"), "the background process of another container")
        podman.ok("kill", container)
        podman.ok("wait", container)
        until(lambda: "sleep 2222" not in podman.ok("exec", other, "ps"), "its end")


@operation("podman", "pod in a bridge network, a published port")
def published(podman: Podman) -> None:
    with pod(podman, "--publish", "127.0.0.1:8098:80") as name:
        inside(podman, name, "img", "sh", "-c", "echo pod > /tmp/index.html; exec httpd -f -p 80 -h /tmp")
        until(lambda: fetched("http://127.0.0.1:8098/") == "pod\n", "an answer from the published port")


@operation("podman", "play kube", core=True)
def kube(podman: Podman) -> None:
    path = str(podman.file("kube.yaml", KUBE))
    podman.ok("play", "kube", "--network", "none", path)
    name = "kube-first"
    podman.wait_log(name, "up")
    script = "id -u; grep CapEff /proc/self/status; ! touch /x 2>/dev/null && test -d /e"
    assert podman.ok("exec", name, "sh", "-c", script).split() == ["1000", "CapEff:", "0" * 16]
    assert limit(podman, name, "memory/memory.limit_in_bytes", "memory.max") == str(64 << 20)
    podman.ok("play", "kube", "--down", path)
    assert podman.ok("ps", "--all", "--quiet") == ""
