"""podman: containers with what docker does not have."""

import subprocess

from conformance.engine.base import quote, run, until
from conformance.engine.container_life import LOOP
from conformance.engine.operation import operation
from conformance.engine.podman import PARENT, Podman

FIELDS = "cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /file && stat -c %u /file"


@operation("podman", "run --uidmap --gidmap", core=True)
def user_namespace(podman: Podman) -> None:
    maps = ("--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536")
    told = podman.run(*maps, "img", "sh", "-c", FIELDS)
    assert told.split() == ["0", "100000", "65536", "0", "200000", "65536", "0", "0"]


@operation("podman", "exec in a user namespace")
def execute(podman: Podman) -> None:
    name = podman.detached("--uidmap", "0:100000:65536", *LOOP)
    assert podman.ok("exec", name, "cat", "/proc/self/uid_map").split() == ["0", "100000", "65536"]
    assert podman.ok("exec", "--user", "1234", name, "id", "-u").strip() == "1234"
    podman.remove(name)


@operation("podman", "run --userns=auto", core=True)
def automatic(podman: Podman) -> None:
    names = [podman.detached("--userns=auto:size=1000", *LOOP) for _ in range(2)]
    first, second = (podman.ok("exec", name, "cat", "/proc/self/uid_map").split() for name in names)
    assert first[0] == second[0] == "0"
    assert first[2] == second[2] == "1000"
    assert first[1] != second[1], "both have the same users"
    remove = ("rm", "--force", "--ignore", "--time", "0", *names)  # either may see the other's /dev/shm, which is busy
    until(lambda: podman.call(*remove).returncode == 0, "the containers are removed")


@operation("podman", "run --systemd=always", core=True)
def systemd(podman: Podman) -> None:
    script = "grep -cE ' (/run|/run/lock|/tmp) tmpfs' /proc/mounts; echo $container; test -w /sys/fs/cgroup/systemd"
    name = podman.detached(
        "--systemd=always", "img", "sh", "-c", f"{script} || test -w /sys/fs/cgroup; echo $?; sleep 1000"
    )
    podman.wait_log(name, "\n0\n")
    assert podman.ok("logs", name).split() == ["3", "podman", "0"]
    podman.remove(name)


@operation("podman", "run --preserve-fds")
def descriptors(podman: Podman) -> None:
    path = podman.file("opened", "through a descriptor\n")
    called = [*podman.arguments(), "run", "--rm", "--network", "none", "--preserve-fds", "1", "img"]
    command = " ".join(map(quote, [*called, "cat", "/proc/self/fd/3"]))
    whole = ["sh", "-c", f"{command} 3< {path}"]
    done = run(whole, timeout=60, input=None, env=podman.environment, cwd=podman.folder)
    assert done.stdout == "through a descriptor\n", done.stderr


@operation("podman", "run --rootfs")
def own_root(podman: Podman) -> None:
    root = podman.folder / "rootfs"
    root.mkdir()
    subprocess.run(["tar", "-C", root, "-xf", podman.image], check=True)
    assert podman.run("--rootfs", str(root), "echo", "here") == "here\n"


@operation("podman", "run --cgroup-parent, --cgroupns=host")
def cgroups(podman: Podman) -> None:
    told = podman.run("--cgroup-parent", f"/{PARENT}", "--cgroupns=host", "img", "cat", "/proc/self/cgroup")
    assert f"/{PARENT}/libpod-" in told


@operation("podman", "run --mount type=image, --secret")
def contents(podman: Podman) -> None:
    podman.ok("secret", "create", "known", "-", input="to nobody")
    options = ("--secret", "known", "--mount", "type=image,source=img,destination=/i")
    assert podman.run(*options, "img", "sh", "-c", "cat /run/secrets/known; test -e /i/bin/sh") == "to nobody"
    podman.ok("secret", "rm", "known")


@operation("podman", "build with limits")
def build(podman: Podman) -> None:
    folder = podman.folder / "build"
    folder.mkdir(exist_ok=True)
    lines = ("FROM localhost/img", "RUN echo built > /built && id -u", "USER 1234", "WORKDIR /tmp", "RUN touch mine")
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    podman.ok("build", "--memory", "64m", "--network", "none", "--tag", "localhost/built", str(folder))
    assert podman.run("localhost/built", "sh", "-c", "cat /built; stat -c %u mine") == "built\n1234\n"
    podman.ok("rmi", "localhost/built")
