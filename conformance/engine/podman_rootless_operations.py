"""podman as an ordinary user: who is who."""

from conformance.engine.operation import operation
from conformance.engine.podman_rootless import FIRST, USER, PodmanRootless


@operation("podman-rootless", "run: the user is root inside", core=True)
def root(podman: PodmanRootless) -> None:
    ids = podman.run("img", "sh", "-c", "id -u; cat /proc/self/uid_map").split()
    assert ids == ["0", "0", str(USER), "1", "1", str(FIRST), "65536"]


@operation("podman-rootless", "run --userns keep-id")
def kept(podman: PodmanRootless) -> None:
    assert podman.run("--userns", "keep-id", "img", "id", "-u").strip() == str(USER)


@operation("podman-rootless", "run --volume: whose files are made")
def volume(podman: PodmanRootless) -> None:
    folder = podman.folder / "tmp/shared"
    folder.mkdir()
    folder.chmod(0o777)
    podman.run("--volume", f"{folder}:/v", "img", "sh", "-c", "touch /v/his; touch /v/other; chown 5:5 /v/other")
    assert (folder / "his").stat().st_uid == USER
    assert (folder / "other").stat().st_uid == FIRST + 4


@operation("podman-rootless", "run --privileged")
def privileged(podman: PodmanRootless) -> None:
    podman.run("--privileged", "img", "sh", "-c", "mount -t tmpfs x /tmp && touch /tmp/file")


@operation("podman-rootless", "run --device")
def device(podman: PodmanRootless) -> None:
    podman.run("--device", "/dev/null:/dev/other", "img", "sh", "-c", "test -c /dev/other && echo x > /dev/other")
