"""What surrounds the command: disks that are full, users that may not, descriptors that are closed."""

import os
import resource
import subprocess

from tests.integration.bad_input.case import Case, World

NOBODY = 65534


def small_root(world: World, options: str) -> str:
    """A state root on a tmpfs of its own."""
    place = world.folder / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "pyrunc-test", place], check=True)
    world.undo.append(lambda: subprocess.run(["umount", place], check=True))
    return str(place)


def full_disk(world: World) -> None:
    """Not a byte is free."""
    place = small_root(world, "size=4k,mode=755")
    with open(f"{place}/filler", "wb") as filler:
        filler.write(b"x" * 4096)


def no_inodes(world: World) -> None:
    """Not a file can be made."""
    small_root(world, "nr_inodes=1,mode=755")


def read_only(world: World) -> None:
    """Nothing can be written."""
    place = small_root(world, "mode=755")
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)


def as_nobody(world: World) -> None:
    """The command is given by an ordinary user, who can read the bundle and has a state root."""
    (world.folder / "own").mkdir()
    os.chown(world.folder / "own", NOBODY, NOBODY)
    world.options.update(user=NOBODY, group=NOBODY, extra_groups=[])


def unreadable_config(world: World) -> None:
    """config.json is root's alone, the command an ordinary user's."""
    os.chmod(world.bundle.path / "config.json", 0o600)
    as_nobody(world)


def unreadable_root(world: World) -> None:
    """The state root is root's alone, the command an ordinary user's."""
    world.pyrunc.root.mkdir(mode=0o700)
    as_nobody(world)


def few_descriptors(world: World) -> None:
    """Six descriptors for everything."""
    world.options["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6))


def gone_directory(world: World) -> None:
    """The command's working directory has been removed."""

    def enter_and_remove() -> None:
        place = world.folder / "gone"
        place.mkdir()
        os.chdir(place)
        place.rmdir()

    world.options["preexec_fn"] = enter_and_remove


CASES = [
    Case(
        "state root on a full disk",
        "pyrunc create failed: {id}: write {tmp}/small/{id}/state.json: no space left on device\n"
        "hint: the file system of the state root is full: name another with --root",
        prepare=full_disk,
        command="--root {tmp}/small create --bundle {bundle} {id}",
    ),
    Case(
        "state root without inodes",
        "pyrunc create failed: {id}: create {tmp}/small/{id}: no space left on device\n"
        "hint: the file system of the state root is full: name another with --root",
        prepare=no_inodes,
        command="--root {tmp}/small create --bundle {bundle} {id}",
    ),
    Case(
        "state root read-only",
        "pyrunc create failed: {id}: create {tmp}/small/{id}: read-only file system\n"
        "hint: the file system of the state root is read-only: name another with --root",
        prepare=read_only,
        command="--root {tmp}/small create --bundle {bundle} {id}",
    ),
    Case(
        "config.json unreadable",
        "pyrunc create failed: {id}: read {bundle}/config.json: permission denied",
        prepare=unreadable_config,
        command="--root {tmp}/own create --bundle {bundle} {id}",
    ),
    Case(
        "list of an unreadable state root",
        "pyrunc list failed: list containers: {root}: permission denied",
        prepare=unreadable_root,
        command="list",
    ),
    Case(
        "state in an unreadable state root",
        "pyrunc state failed: {id}: open the state root {root}: permission denied\n"
        "hint: name a directory of your own with --root",
        prepare=unreadable_root,
        command="state {id}",
    ),
    Case(
        "few descriptors",
        "pyrunc create failed: {id}: write {state}/state.json: .state.json.new: too many open files",
        prepare=few_descriptors,
    ),
    Case(
        "the bundle is a working directory that is gone",
        "pyrunc create failed: {id}: the current directory: no such file or directory",
        prepare=gone_directory,
        command="create {id}",
    ),
]
