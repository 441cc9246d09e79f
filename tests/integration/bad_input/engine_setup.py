"""setup: files of engines that are not as they should be, or that somebody else has written."""

from collections.abc import Callable

from tests.integration.bad_input.case import Case, World

DOCKER = "{tmp}/etc/docker/daemon.json"
CONTAINERD = "{tmp}/etc/containerd/config.toml"
PODMAN = "{tmp}/etc/containers/containers.conf.d/pyrunc.conf"


def holds(path: str, text: str) -> Callable[[World], None]:
    """The file is there, with its folders."""

    def prepare(world: World) -> None:
        target = world.folder / path.removeprefix("{tmp}/")
        target.parent.mkdir(parents=True)
        target.write_text(text)

    return prepare


def link(world: World) -> None:
    """daemon.json is a link."""
    holds("etc/other.json", "{}")(world)
    (world.folder / "etc/docker").mkdir()
    (world.folder / "etc/docker/daemon.json").symlink_to("../other.json")


CASES = [
    Case(
        "setup of no engine",
        'pyrunc setup failed: unknown engine "lxc"\nhint: there are podman, docker and containerd',
        command="setup --prefix {tmp} lxc",
    ),
    Case(
        "setup below nothing",
        "pyrunc setup failed: {tmp}/nowhere/etc/docker/daemon.json: {tmp}/nowhere: no such file or directory",
        command="setup --prefix {tmp}/nowhere docker",
    ),
    Case(
        "setup below an empty name", "pyrunc setup failed: --prefix needs a directory", command="setup --prefix= docker"
    ),
    Case(
        "setup of a file that is no JSON",
        f"pyrunc setup failed: {DOCKER}: is no JSON: line 2, column 1: Expecting ':' delimiter\n"
        "hint: nothing was changed",
        prepare=holds(DOCKER, '{"a"\n}'),
        command="setup --prefix {tmp} docker",
    ),
    Case(
        "setup of a file that is a link",
        f"pyrunc setup failed: {DOCKER}: is a link to ../other.json\n"
        "hint: setup writes no file through a link; change the one it leads to",
        prepare=link,
        command="setup --prefix {tmp} docker",
    ),
    Case(
        "setup of a directory",
        f"pyrunc setup failed: {DOCKER}: is no regular file",
        prepare=lambda world: (world.folder / "etc/docker/daemon.json").mkdir(parents=True),
        command="setup --prefix {tmp} docker",
    ),
    Case(
        "setup where another pyrunc is",
        f"pyrunc setup failed: {DOCKER}: runtimes.pyrunc is there already and differs\nhint: nothing was changed;"
        " what setup wrote is removed by pyrunc setup docker --undo, other things by hand",
        prepare=holds(DOCKER, '{"runtimes": {"pyrunc": {"path": "/opt/pyrunc"}}}'),
        command="setup --prefix {tmp} docker",
    ),
    Case(
        "undo of an entry that was changed",
        f"pyrunc setup failed: {DOCKER}: runtimes.pyrunc was changed since setup wrote it\n"
        "hint: nothing was changed; remove it by hand",
        prepare=holds(DOCKER, '{"runtimes": {"pyrunc": {"path": "/opt/pyrunc", "runtimeArgs": []}}}'),
        command="setup --prefix {tmp} docker --undo",
    ),
    Case(
        "setup of a file that is no TOML",
        f"pyrunc setup failed: {CONTAINERD}: is no TOML: Invalid value (at line 2, column 4)\n"
        "hint: nothing was changed",
        prepare=holds(CONTAINERD, "version = 2\nx =\n"),
        command="setup --prefix {tmp} containerd",
    ),
    Case(
        "setup of containerd's first version",
        f"pyrunc setup failed: {CONTAINERD}: is of version 1\n"
        "hint: pyrunc knows 2 and 3; `containerd config migrate` prints a file in the newest",
        prepare=holds(CONTAINERD, 'disabled_plugins = ["cri"]\n'),
        command="setup --prefix {tmp} containerd",
    ),
    Case(
        "setup of podman where a file of that name is",
        f"pyrunc setup failed: {PODMAN}: the file is there already and differs\nhint: nothing was changed;"
        " what setup wrote is removed by pyrunc setup podman --undo, other things by hand",
        prepare=holds(PODMAN, '[engine]\nruntime = "pyrunc"\n'),
        command="setup --prefix {tmp} podman",
    ),
    Case(
        "undo of podman's file that was changed",
        f"pyrunc setup failed: {PODMAN}: the file was changed since setup wrote it\n"
        "hint: nothing was changed; remove it by hand",
        prepare=holds(PODMAN, '[engine]\nruntime = "pyrunc"\n'),
        command="setup --prefix {tmp} podman --undo",
    ),
]
