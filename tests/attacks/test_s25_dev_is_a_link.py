"""S25 (CVE-2026-47766), and S21 once more: /dev, or something in it, is a link when devices and mounts are made."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.weakened import ANY_MOUNT, UNCONTAINED

pytestmark = pytest.mark.root

NAMES = ("null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "core", "ptmx", "console")


def whole(rootfs: Path, canary: Canary) -> None:
    """The image's own /dev, which leads out."""
    (rootfs / "dev").rmdir()
    (rootfs / "dev").symlink_to(canary.link)


def chain(rootfs: Path, canary: Canary) -> None:
    """By way of another link."""
    (rootfs / "dev").rmdir()
    (rootfs / "dev").symlink_to("devices")
    (rootfs / "devices").symlink_to(canary.link)


def part(rootfs: Path, canary: Canary) -> None:
    """Where pts, shm and mqueue are mounted."""
    for name in ("pts", "shm", "mqueue"):
        (rootfs / "dev" / name).symlink_to(f"{canary.link}/{name}")


def entries(rootfs: Path, canary: Canary) -> None:
    """Each name that set-up makes is there."""
    for name in NAMES:
        (rootfs / "dev" / name).symlink_to(f"{canary.link}/{'ptmx' if name == 'ptmx' else 'new-' + name}")


KINDS: dict[str, Callable[[Path, Canary], None]] = {make.__name__: make for make in (whole, chain, part, entries)}


def own_dev(made: Bundle, mounts: bool) -> Bundle:
    """A container without a tmpfs on /dev.  mounts: what belongs below it is mounted all the same."""
    below = () if not mounts else ("/dev/pts", "/dev/shm", "/dev/mqueue")
    made.config["mounts"] = [
        entry
        for entry in made.config["mounts"]
        if not entry["destination"].startswith("/dev") or entry["destination"] in below
    ]
    made.config["root"]["readonly"] = False
    return made.save()


@attack(
    "S25",
    "S21",
    weak={"uncontained": (UNCONTAINED, ANY_MOUNT)},
    when=lambda given: given["kind"] in ("whole", "chain") or (given["kind"] == "part" and given["mounts"]),
)
@pytest.mark.parametrize("mounts", [False, True], ids=["bare", "mounts"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_image(kind: str, mounts: bool, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """The marker `ptmx` outside stays, and nothing is made there."""
    made = bundle("exit 0")
    KINDS[kind](made.rootfs, canary)
    attacked.run(own_dev(made, mounts))
    broken_if(not canary.intact, f"the host's folder has changed: {sorted(os.listdir(canary.path))}")


@attack("S25", "S21", weak={"any mount": (ANY_MOUNT,)})
@pytest.mark.parametrize("bind", [False, True], ids=["nodes", "binds"])
def test_into_a_volume(bind: bool, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """The link leads to where a volume is mounted, on top of the container's own /dev: no device is left there, for the
    host's users, and no file is taken away.  bind: with a user namespace, where devices are bound on files."""
    made = bundle("exit 0")
    (made.rootfs / "dev").rmdir()
    (made.rootfs / "dev").symlink_to("data")
    (made.rootfs / "data").mkdir()
    linux = made.config["linux"]
    linux["devices"] = [{"path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": 0o606}]
    made.config["mounts"].append(
        {"destination": "/data", "type": "none", "source": str(canary.path), "options": ["rbind"]}
    )
    if bind:
        linux["namespaces"].append({"type": "user"})
        for kind in ("uidMappings", "gidMappings"):
            linux[kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    attacked.run(made.save())
    broken_if(not canary.intact, f"the volume has changed: {sorted(os.listdir(canary.path))}")


@attack("S25", "S21", weak={"uncontained": (UNCONTAINED, ANY_MOUNT)}, when=lambda given: given["verb"] == "create")
@pytest.mark.parametrize("verb", ["create", "exec"])
def test_after_create(verb: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """The same where the container is only created, and for an exec into what has exchanged its /dev since."""
    made = own_dev(bundle(("/bin/sleep", "100")), mounts=False)
    if verb == "create":
        whole(made.rootfs, canary)
    container_id = attacked.new_id()
    created = attacked("create", "--bundle", made, container_id)
    if verb == "exec":
        attacked.undecided_unless(created, "create")
        (made.rootfs / "dev").rename(made.rootfs / "devices")
        (made.rootfs / "dev").symlink_to(canary.link)
        attacked("exec", container_id, "/bin/true")
    broken_if(not canary.intact, f"the host's folder has changed: {sorted(os.listdir(canary.path))}")
