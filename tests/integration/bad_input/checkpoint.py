"""checkpoint and restore: what is refused before CRIU is asked."""

from tests.integration.bad_input.case import Case, World


def running(world: World) -> None:
    """The container runs."""
    world.ok("run --detach --bundle {bundle} {id}")


def created(world: World) -> None:
    """The container is created."""
    world.ok("create --bundle {bundle} {id}")


def images(world: World) -> None:
    """What looks like a checkpoint."""
    (world.folder / "images").mkdir()
    (world.folder / "images/inventory.img").touch()


CASES = [
    Case(
        "checkpoint of no container",
        "pyrunc checkpoint failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="checkpoint {id}",
    ),
    Case(
        "checkpoint of a container that was not started",
        "pyrunc checkpoint failed: {id}: Container cannot be checkpointed in created state",
        prepare=created,
        command="checkpoint --image-path {tmp}/images {id}",
    ),
    Case(
        "checkpoint without criu",
        "pyrunc checkpoint failed: {id}: find criu: {tmp}/criu: not found\n"
        "hint: install CRIU (criu.org), or name it: pyrunc --criu FILE",
        prepare=running,
        command="--criu {tmp}/criu checkpoint --image-path {tmp}/images {id}",
    ),
    Case(
        "checkpoint with something else than criu",
        "pyrunc checkpoint failed: {id}: criu ended with status 1 before it answered",
        prepare=running,
        command="--criu /bin/false checkpoint --image-path {tmp}/images {id}",
    ),
    Case(
        "checkpoint with an unknown cgroup mode",
        'pyrunc checkpoint failed: {id}: manage-cgroups-mode: "hard" is none of'
        " ignore, none, props, soft, full, strict",
        prepare=running,
        command="checkpoint --manage-cgroups-mode hard {id}",
    ),
    Case(
        "checkpoint with an empty namespace that cannot be",
        'pyrunc checkpoint failed: {id}: empty-ns: namespace "pid" is not supported\nhint: it can be: network',
        prepare=running,
        command="checkpoint --empty-ns pid {id}",
    ),
    Case(
        "checkpoint to no page server",
        "pyrunc checkpoint failed: {id}: page-server: Use --page-server ADDRESS:PORT to specify page server",
        prepare=running,
        command="checkpoint --page-server 7000 {id}",
    ),
    Case(
        "checkpoint with an absolute parent",
        "pyrunc checkpoint failed: {id}: parent-path: --parent-path must be relative to --image-path",
        prepare=running,
        command="checkpoint --parent-path {tmp} {id}",
    ),
    Case(
        "checkpoint with a status descriptor that is not open",
        "pyrunc checkpoint failed: {id}: invalid --status-fd argument 77: not open",
        prepare=running,
        command="checkpoint --status-fd 77 {id}",
    ),
    Case(
        "restore from nothing",
        "pyrunc restore failed: {id}: image-path: {tmp}/images: there is no checkpoint",
        command="restore --bundle {bundle} --image-path {tmp}/images {id}",
    ),
    Case(
        "restore without criu",
        "pyrunc restore failed: {id}: find criu: {tmp}/criu: not found\n"
        "hint: install CRIU (criu.org), or name it: pyrunc --criu FILE",
        prepare=images,
        command="--criu {tmp}/criu restore --bundle {bundle} --image-path {tmp}/images {id}",
    ),
]
