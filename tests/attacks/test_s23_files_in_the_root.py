"""S23 (CVE-2025-24965): whatever the runtime itself puts into the root file system, or reads there, is not followed out
of it by a link of that name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.weakened import ANY_MOUNT, UNCONTAINED, Change

pytestmark = pytest.mark.root

COPIES_TARGETS: tuple[Change, ...] = (
    (
        "pyrunc/operations/copyup.py",
        "kind = posix.stat(name, dir_fd=source, follow_symlinks=False).st_mode & S_IFMT\n",
        "kind = posix.stat(name, dir_fd=source).st_mode & S_IFMT\n",
    ),
    (
        "pyrunc/operations/copyup.py",
        "        inner = posix.open(name, posix.O_RDONLY | posix.O_DIRECTORY | NOFOLLOW, dir_fd=source)\n",
        "        inner = posix.open(name, posix.O_RDONLY | posix.O_DIRECTORY, dir_fd=source)\n",
    ),
    (
        "pyrunc/operations/copyup.py",
        "        inner = posix.open(name, posix.O_RDONLY | posix.O_NONBLOCK | NOFOLLOW, dir_fd=source)\n",
        "        inner = posix.open(name, posix.O_RDONLY | posix.O_NONBLOCK, dir_fd=source)\n",
    ),
)
FOLLOWED_NODE: tuple[Change, ...] = (
    (
        "pyrunc/operations/devices.py",
        "        node = posix.open(name, posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=directory)\n",
        "        node = posix.open(name, posix.O_PATH | posix.O_CLOEXEC, dir_fd=directory)\n",
    ),
    (
        "pyrunc/operations/devices.py",
        '            status = self._check(node, "there is already something else")\n',
        "            status = posix.stat(node)\n",
    ),
    (
        "pyrunc/operations/devices.py",
        "            if there and mount_id(node) != mount_id(directory):\n",
        "            if there and mount_id(node) < 0:\n",
    ),
)
FILE = {"type": "none", "source": "/etc/hostname", "options": ["rbind"]}
FOLDER = {"type": "none", "source": "/etc", "options": ["rbind"]}
TMPFS = {"type": "tmpfs", "source": "tmpfs"}
Make = Callable[[Bundle, Canary], None]


def mount(made: Bundle, destination: str, how: dict[str, Any]) -> None:
    made.config["mounts"].append({"destination": destination, **how})


def file_target(made: Bundle, canary: Canary) -> None:
    """A file that a bind needs, where the image has a link to a file that is not there yet."""
    (made.rootfs / "etc/hostname").symlink_to(canary.link + "/new")
    mount(made, "/etc/hostname", FILE)


def file_exists(made: Bundle, canary: Canary) -> None:
    """One that is there."""
    (made.rootfs / "etc/hosts").symlink_to(canary.link + "/file")
    mount(made, "/etc/hosts", FILE)


def folder_target(made: Bundle, canary: Canary) -> None:
    (made.rootfs / "data").symlink_to(canary.link + "/new")
    mount(made, "/data", FOLDER)


def parents(made: Bundle, canary: Canary) -> None:
    (made.rootfs / "data").symlink_to(canary.link)
    mount(made, "/data/a/b/c", TMPFS)


def working_directory(made: Bundle, canary: Canary) -> None:
    (made.rootfs / "work").symlink_to(canary.link + "/work")
    made.config["process"]["cwd"] = "/work/deeper"


def device(made: Bundle, canary: Canary) -> None:
    """A device where the image has a link."""
    (made.rootfs / "devices").symlink_to(canary.link)
    made.config["linux"]["devices"] = [{"path": "/devices/null", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]


def device_name(made: Bundle, canary: Canary) -> None:
    """The device's own name is one, to a file whose mode and owner would be changed."""
    (made.rootfs / "devices").mkdir()
    (made.rootfs / "devices/null").symlink_to(canary.link + "/file")
    made.config["linux"]["devices"] = [
        {"path": "/devices/null", "type": "c", "major": 1, "minor": 3, "fileMode": 438, "uid": 7, "gid": 7}
    ]


def sysctl(made: Bundle, canary: Canary) -> None:
    """A file below /proc/sys, where the image has a link instead of a procfs."""
    made.config["mounts"] = [entry for entry in made.config["mounts"] if entry["destination"] != "/proc"]
    (made.rootfs / "proc/sys").symlink_to(canary.link)
    made.config["linux"].update(sysctl={"file": "1", "kernel.shmmni": "4095"}, maskedPaths=[], readonlyPaths=[])
    made.config["linux"]["sysctl"].pop("file")


HIDING: dict[str, Make] = {
    make.__name__: make
    for make in (file_target, file_exists, folder_target, parents, working_directory, device, device_name, sysctl)
}
UNCONTAINED_KINDS = ("file_target", "parents", "working_directory", "device")
"""What changes the host's folder where links are followed; the others do so in other ways, or only in the container."""


@attack(
    "S23",
    weak={"uncontained": (UNCONTAINED, ANY_MOUNT), "followed node": FOLLOWED_NODE},
    when=lambda given: given["kind"] in (("device_name",) if given["attacked"] == FOLLOWED_NODE else UNCONTAINED_KINDS),
)
@pytest.mark.parametrize("kind", list(HIDING))
def test_link_at_the_name(kind: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """The container comes about or not; nothing is made, mounted or changed at the link's other end."""
    made = bundle("cat /etc/hosts /proc/self/mountinfo")
    made.config["root"]["readonly"] = False
    HIDING[kind](made, canary)
    before = Path("/proc/self/mountinfo").read_text().count(str(canary.path))
    attacked.run(made.save())
    broken_if(not canary.intact, "the host's folder has changed")
    after = Path("/proc/self/mountinfo").read_text().count(str(canary.path))
    broken_if(after != before, "something is mounted on the host's folder")


def image_of_copy_up(made: Bundle, canary: Canary) -> None:
    """A folder that is copied into a tmpfs: links to the host's files, folders, and one into procfs."""
    secrets = made.rootfs / "secrets"
    (secrets / "sub").mkdir(parents=True)
    (secrets / "one").symlink_to(canary.link + "/file")
    (secrets / "all").symlink_to(canary.link)
    (secrets / "sub/deep").symlink_to(str(canary.path / "file"))
    (secrets / "proc").symlink_to(f"/proc/self/cwd{canary.path}/file")
    os.mkfifo(secrets / "fifo")


@attack("S23", weak={"follows": COPIES_TARGETS})
def test_copied_up(bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """tmpcopyup copies links, not what they lead to on the host; it does not hang on a fifo."""
    # Links are read in the container, where they lead to nothing, and the fifo would hang it.
    made = bundle("for f in $(find /secrets ! -type p ! -type d); do cat $f; done")
    image_of_copy_up(made, canary)
    mount(made, "/secrets", {**TMPFS, "options": ["tmpcopyup"]})
    result = attacked.in_time(lambda: attacked.run(made.save(), timeout=20), "tmpcopyup")
    broken_if("host" in result.stdout, "a file of the host's can be read in the container")
    broken_if(not canary.intact, "the host's folder has changed")
    if attacked.own:
        assert "No such file" in result.stderr


@attack("S23")
@pytest.mark.parametrize("name", ["etc/passwd", "etc/group"])
def test_read_from_the_image(name: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """What is read in the image is the image's: HOME does not come from a file of the host."""
    (canary.path / "users").write_text("root:x:0:0:root:/host-home:/bin/sh\n")
    made = bundle("echo $HOME")
    made.config["process"]["env"] = ["PATH=/bin:/usr/bin"]
    (made.rootfs / name).unlink()
    (made.rootfs / name).symlink_to(canary.link + "/users")
    broken_if("host-home" in attacked.run(made.save()).stdout, "HOME comes from a file of the host's")
