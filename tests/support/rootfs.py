"""A small root file system for containers: static busybox with its applets, and the probe."""

import os
import shutil
import subprocess
from pathlib import Path

PROBE_SOURCE = Path(__file__).with_name("probe.c")
FOLDERS = ("bin", "dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"


def build_probe(folder: Path) -> Path:
    """Compiles probe.c; the path of the static program."""
    program = folder / "probe"
    flags = ["-std=c11", "-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", program, PROBE_SOURCE], check=True)
    return program


def find_busybox() -> Path:
    """Debian's busybox-static (`make test` installs it)."""
    path = shutil.which("busybox")
    if path is None:
        raise FileNotFoundError("busybox: not found (Debian: busybox-static)")
    return Path(path)


class RootTemplate:
    """Makes root file systems that are alike; each is a real copy, so that a test can spoil it."""

    def __init__(self, folder: Path) -> None:
        self.busybox = find_busybox()
        self.probe = build_probe(folder)
        listed = subprocess.run([self.busybox, "--list"], capture_output=True, text=True, check=True)
        self.applets = [name for name in listed.stdout.split() if name not in ("busybox", "probe")]

    def make(self, rootfs: Path) -> Path:
        """Makes the root file system in a folder that is not there yet; every folder mode 755, /tmp 1777."""
        for name in FOLDERS:
            (rootfs / name).mkdir(parents=True)
        shutil.copy(self.busybox, rootfs / "bin/busybox")
        shutil.copy(self.probe, rootfs / "bin/probe")
        for name in self.applets:
            (rootfs / "bin" / name).symlink_to("busybox")
        (rootfs / "etc/passwd").write_text(PASSWD)
        (rootfs / "etc/group").write_text(GROUP)
        (rootfs / "tmp").chmod(0o1777)
        return rootfs


def give_to(rootfs: Path, uid: int, gid: int) -> None:
    """Changes the owner of a whole tree, as engines do for a container with a user namespace."""
    for folder, folders, files in os.walk(rootfs):
        os.chown(folder, uid, gid)
        for name in folders + files:
            os.lchown(os.path.join(folder, name), uid, gid)
