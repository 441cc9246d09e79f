"""S19 (CVE-2025-54867): S6 once more, in the forms in which it came back in another runtime: links behind links, a link
that a container has left to the next one with the same root, a file, and a volume that brings the link along."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.weakened import UNCONTAINED, Change

pytestmark = pytest.mark.root

FOLLOWS: Change = (
    "pyrunc/operations/filesystem.py",
    'strict=fstype in ("proc", "sysfs"),',
    "strict=False,",
)
LOOK = """
for name in proc sys; do
    if [ -L /$name ]; then echo link $name; fi
done
"""


def chain(rootfs: Path, name: str) -> None:
    """Two links, and a directory made to look like the real thing."""
    (rootfs / "forged/self/attr").mkdir(parents=True)
    (rootfs / name).symlink_to("one")
    (rootfs / "one").symlink_to("/forged")


def dangling(rootfs: Path, name: str) -> None:
    """Where it leads will be made."""
    (rootfs / name).symlink_to("/var/made/by/it")


def other(rootfs: Path, name: str) -> None:
    """/proc on /sys and the reverse."""
    (rootfs / name).symlink_to({"proc": "sys", "sys": "proc"}[name])


def magic(rootfs: Path, name: str) -> None:
    """Through a link of procfs, which is there when /sys is mounted."""
    (rootfs / name).symlink_to("/proc/self/root/forged" if name == "sys" else "/proc/../forged")
    (rootfs / "forged").mkdir()


KINDS = {kind.__name__: kind for kind in (chain, dangling, other, magic)}


def hostile(made: Bundle, name: str, kind: str) -> Bundle:
    (made.rootfs / name).rmdir()
    KINDS[kind](made.rootfs, name)
    return made


@attack("S19", weak={"follows": (FOLLOWS,)}, when=lambda given: given["kind"] == "chain")
@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_links(kind: str, name: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    result = attacked.run(hostile(bundle(LOOK), name, kind))
    broken_if(f"link {name}" in result.stdout, f"the container runs with a link at /{name}")
    broken_if(not canary.intact, "the host's folder has changed")
    if attacked.own:
        assert f"/{name} must be an ordinary directory, reached through no link" in result.stderr


@attack("S19", weak={"follows": (FOLLOWS, UNCONTAINED)})
def test_link_to_the_host(bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """With create, and exec into what that made: neither is there."""
    made = bundle(("/bin/sleep", "100"))
    (made.rootfs / "proc").rmdir()
    (made.rootfs / "proc").symlink_to(canary.link + "/new")
    container_id = attacked.new_id()
    created = attacked("create", "--bundle", made, container_id)
    broken_if(not canary.intact, "the host's folder has changed")
    result = attacked("exec", container_id, "/bin/sh", "-c", LOOK)
    broken_if("link proc" in result.stdout, "the container runs with a link at /proc")
    if attacked.own:
        assert created.returncode == 1
        assert "does not exist" in result.stderr


@attack("S19", weak={"follows": (FOLLOWS,)})
def test_link_left_behind(bundle: BundleFactory, attacked: Attacked) -> None:
    """By a container that ran with the same root and had no procfs mounted."""
    made = bundle("mkdir /forged && rmdir /proc && ln -s forged /proc && echo left")
    everything = made.config["mounts"]
    made.config["mounts"] = [entry for entry in everything if entry["destination"] != "/proc"]
    made.config["root"]["readonly"] = False
    made.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    first = attacked.undecided_unless(attacked.run(made.save()), "a container without a procfs")
    assert "left" in first.stdout
    made.config["mounts"] = everything
    made.config["process"]["args"] = ["/bin/sh", "-c", LOOK]
    broken_if("link" in attacked.run(made.save()).stdout, "the container runs with a link at /proc")


@attack("S19")
@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/dev/null")], ids=["file", "link"])
def test_volume_with_it(
    make: Callable[[Path], object], bundle: BundleFactory, attacked: Attacked, folder: Path, canary: Canary
) -> None:
    """A procfs that is to be mounted inside a volume, on what the volume's owner has put there."""
    volume = folder / "volume"
    volume.mkdir()
    make(volume / "proc")
    made = bundle("cat /proc/self/mountinfo")
    made.config["mounts"] += [
        {"destination": "/vol", "type": "none", "source": str(volume), "options": ["rbind"]},
        {"destination": "/vol/proc", "type": "proc", "source": "proc"},
    ]
    result = attacked.run(made.save())
    places = [line.split()[4] for line in result.stdout.splitlines() if " - proc " in line]
    broken_if([place for place in places if place not in ("/proc", "/vol/proc")], "a procfs is mounted elsewhere")
    broken_if(not canary.intact, "the host's folder has changed")
    if attacked.own:
        assert result.returncode == 1
