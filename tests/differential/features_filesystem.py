"""What a generated configuration may ask for its file system."""

from tests.differential.case import BUNDLE, Case, Config
from tests.differential.generator import Dice, Feature

TREE = "@TREE@"
"""A directory of the host with a file system mounted at sub, and in that one another at sub/below."""

FLAGS = "ro rw nosuid suid nodev dev noexec exec noatime atime relatime strictatime nodiratime diratime".split()


def add(case: Case, destination: str, kind: str, source: str, *options: str) -> None:
    """One more mount."""
    case.config["mounts"].append({"destination": destination, "type": kind, "source": source, "options": [*options]})


def tmpfs(dice: Dice, case: Case) -> None:
    """File systems of their own, with flags and data."""
    for _ in range(dice.one([1, 2, 3])):
        data = dice.some(["size=4m", "mode=1777", "mode=700", "uid=1000", "gid=5", "nr_inodes=100"], 3)
        place = dice.one(["/tmp", "/new/dir", "/srv/files", "/run", "/srv/link-to-files", "/mnt/a/b"])
        add(case, place, "tmpfs", "tmpfs", *dice.some(FLAGS, 4), *data)


def copy_up(dice: Dice, case: Case) -> None:
    """A tmpfs that begins with what it hides."""
    add(case, "/srv/files", "tmpfs", "tmpfs", "tmpcopyup", *dice.some(["nosuid", "nodev", "mode=755", "ro"], 2))


def binds(dice: Dice, case: Case) -> None:
    """Directories and files of the host with flags."""
    for number in range(dice.one([1, 2, 3])):
        source = dice.one([f"{BUNDLE}/volume", "volume", f"{BUNDLE}/file", "/dev/full", "/etc"])
        places = ["/new/file", "/srv/files/one", "/srv/link-nowhere"]
        if source not in (f"{BUNDLE}/file", "/dev/full"):
            places = ["/new/dir", "/srv/files", "/srv/link-to-files", "srv/deep", "/tmp", "/srv/link-up"]
        kind = dice.one(["bind", "none", "bind"])
        add(case, dice.one(places), kind, source, dice.one(["bind", "rbind"]), *dice.some(FLAGS, 3))
        if number and dice.chance(0.2):
            case.config["mounts"][-1].pop("type")


def trees(dice: Dice, case: Case) -> None:
    """Binds of a directory with other mounts in it."""
    recursive = dice.some(["rro", "rnosuid", "rnodev", "rnoexec", "rnoatime"], 2) if dice.chance(0.4) else []
    if recursive:
        case.marks.add("recursive-attributes")
    add(case, "/new/dir", "bind", TREE, dice.one(["bind", "rbind", "rbind"]), *dice.some(FLAGS, 3), *recursive)


def propagation(dice: Dice, case: Case) -> None:
    """Of binds, and of the root."""
    kinds = ["private", "slave", "shared", "rprivate", "rslave", "rshared", "unbindable", "runbindable"]
    add(case, "/new/dir", "bind", TREE, "rbind", *dice.some(kinds, 1))
    if dice.chance(0.5):
        case.config["linux"]["rootfsPropagation"] = dice.one(
            ["private", "slave", "rprivate", "rslave", "shared", "rshared"]
        )
        case.marks.add("root-propagation")


def read_only_root(dice: Dice, case: Case) -> None:
    """A read-only root, with a place to write perhaps."""
    case.config["root"]["readonly"] = True
    if dice.chance(0.5):
        add(case, "/tmp", "tmpfs", "tmpfs", "nosuid", "nodev")


def remount(dice: Dice, case: Case) -> None:
    """A mount that changes an earlier one."""
    add(case, "/new/dir", "tmpfs", "tmpfs", "size=4m")
    add(case, "/new/dir", "tmpfs", "tmpfs", "remount", *dice.some(["ro", "nosuid", "noexec"], 2), "size=8m")


def masks(dice: Dice, case: Case) -> None:
    """Directories, files, what is not there, what a link leads to."""
    paths = [
        "/srv/files",
        "/srv/files/one",
        "/etc/passwd",
        "/not/there",
        "/proc/kcore",
        "/sys/firmware",
        "/bin/busybox",
    ]
    case.config["linux"]["maskedPaths"] = dice.some(paths, 5)
    case.asks += ["file:/srv/files/one", "file:/etc/passwd", "list:/sys/firmware", "stat:/srv/files/one"]


def read_only_paths(dice: Dice, case: Case) -> None:
    """The same."""
    paths = ["/srv/files", "/srv/files/one", "/etc", "/not/there", "/proc/sys", "/proc/irq", "/tmp", "/dev/shm"]
    case.config["linux"]["readonlyPaths"] = dice.some(paths, 5)


def devices(dice: Dice, case: Case) -> None:
    """Nodes in /dev and elsewhere, of the defaults' paths, in folders to be made."""
    choice: list[Config] = [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666, "uid": 0, "gid": 0},
        {"path": "/dev/disk/one", "type": "b", "major": 7, "minor": 0, "fileMode": 0o640, "uid": 1000, "gid": 5},
        {"path": "/srv/files/pipe", "type": "p", "fileMode": 0o600},
        {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 3},
        {"path": "/dev/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o600, "uid": 1000, "gid": 1000},
        {"path": "/made/by/runtime/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o1666},
    ]
    case.config["linux"]["devices"] = dice.some(choice, 4)
    case.asks += ["stat:/srv/files/pipe", "stat:/made/by/runtime/null", "stat:/dev/disk/one", "stat:/dev/disk"]


def system_mounts(dice: Dice, case: Case) -> None:
    """Without some of the usual file systems, or with others of their options."""
    keep = dice.one(
        ["/proc /dev", "/proc /dev /dev/pts /sys", "/proc", "/proc /sys /sys/fs/cgroup", "/proc /dev /dev/shm"]
    )
    mounts = case.config["mounts"]
    mounts[:] = [mount for mount in mounts if mount["destination"] in keep.split() or mount["type"] in ("bind", "none")]
    for mount in mounts:
        if mount["destination"] == "/proc":
            mount["options"] = dice.some(["nosuid", "noexec", "nodev", "ro", "hidepid=2"], 3)


FEATURES: list[Feature] = [
    tmpfs,
    copy_up,
    binds,
    trees,
    propagation,
    read_only_root,
    remount,
    masks,
    read_only_paths,
    devices,
    system_mounts,
]
