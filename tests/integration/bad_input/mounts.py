"""Mounts, devices and paths of the root filesystem."""

from typing import Any

from tests.integration.bad_input.case import Case, Change, World, add, put


def mount(destination: str, kind: str, source: str, *options: str, **more: Any) -> Change:
    """One more mount."""
    entry = {"destination": destination, "type": kind, "source": source, "options": list(options), **more}
    return add("mounts", entry)


def device(path: str, kind: str = "c", **more: Any) -> Change:
    """One more device."""
    return add("linux.devices", {"path": path, "type": kind, **more})


def link_loop(world: World) -> None:
    """Two links that name each other."""
    (world.bundle.rootfs / "loop").symlink_to("pool")
    (world.bundle.rootfs / "pool").symlink_to("loop")


CASES = [
    Case(
        "mount destination missing",
        "pyrunc create failed: {id}: config.json: /mounts/7/destination: is required",
        [add("mounts", {"type": "tmpfs", "source": "tmpfs"})],
    ),
    Case(
        "mount type unknown",
        "pyrunc create failed: {id}: mounts[7] (/mnt): mount nowherefs on /mnt: fsopen nowherefs: no such device",
        [mount("/mnt", "nowherefs", "none")],
    ),
    Case(
        "mount type missing",
        "pyrunc create failed: {id}: mounts[7] (/mnt): a mount that is not a bind needs a type",
        [add("mounts", {"destination": "/mnt", "source": "none"})],
    ),
    Case(
        "mount source missing",
        "pyrunc create failed: {id}: mounts[7] (/mnt): bind /nowhere on /mnt: open_tree /nowhere: no "
        "such file or directory",
        [mount("/mnt", "bind", "/nowhere", "rbind")],
    ),
    Case(
        "mount source empty",
        "pyrunc create failed: {id}: mounts[7] (/mnt): a bind mount needs a source",
        [mount("/mnt", "bind", "", "rbind")],
    ),
    Case(
        "mount data of the wrong form",
        "pyrunc create failed: {id}: mounts[7] (/mnt): mount tmpfs on /mnt: fsconfig size=much: invalid "
        "argument (tmpfs: Bad value for 'size')",
        [mount("/mnt", "tmpfs", "tmpfs", "size=much")],
    ),
    Case(
        "mount data unknown",
        "pyrunc create failed: {id}: mounts[7] (/mnt): mount tmpfs on /mnt: fsconfig nowhere: invalid "
        "argument (tmpfs: Unknown parameter 'nowhere')",
        [mount("/mnt", "tmpfs", "tmpfs", "nowhere")],
    ),
    Case(
        "mount option unknown on a bind",
        "pyrunc create failed: {id}: mounts[7] (/mnt): bind mounts cannot have any filesystem-specific "
        "options applied (nowhere)",
        [mount("/mnt", "bind", "/tmp", "bind", "nowhere")],
    ),
    Case(
        "mount target below a file",
        "pyrunc create failed: {id}: mounts[7] (/etc/passwd/mnt): mount tmpfs on /etc/passwd/mnt: "
        "openat2 /etc/passwd/mnt: not a directory",
        [mount("/etc/passwd/mnt", "tmpfs", "tmpfs")],
    ),
    Case(
        "mount of a directory on a file",
        "pyrunc create failed: {id}: mounts[7] (/etc/passwd): mount tmpfs on /etc/passwd: openat2 "
        "/etc/passwd: not a directory",
        [mount("/etc/passwd", "tmpfs", "tmpfs")],
    ),
    Case(
        "bind of a file on a directory",
        "pyrunc create failed: {id}: mounts[7] (/tmp): bind /etc/hostname on /tmp: mount a file on /tmp: "
        "not a directory",
        [mount("/tmp", "bind", "/etc/hostname", "bind")],
    ),
    Case(
        "bind of a directory on a file",
        "pyrunc create failed: {id}: mounts[7] (/etc/passwd): bind /tmp on /etc/passwd: openat2 "
        "/etc/passwd: not a directory",
        [mount("/etc/passwd", "bind", "/tmp", "bind")],
    ),
    Case(
        "mount target through a loop of links",
        "pyrunc create failed: {id}: mounts[7] (/loop/x): mount tmpfs on /loop/x: openat2 /loop/x: too "
        "many levels of symbolic links",
        [mount("/loop/x", "tmpfs", "tmpfs")],
        link_loop,
    ),
    Case(
        "idmapped mount without mappings",
        "pyrunc create failed: {id}: config.json: /mounts/7/options: idmap needs uidMappings and "
        "gidMappings, or a user namespace to take them from",
        [mount("/mnt", "bind", "/tmp", "bind", "idmap")],
    ),
    Case(
        "id mappings on one side",
        "pyrunc create failed: {id}: config.json: /mounts/7/gidMappings: must be set, since uidMappings is",
        [mount("/mnt", "bind", "/tmp", "bind", uidMappings=[{"containerID": 0, "hostID": 1, "size": 1}])],
    ),
    Case(
        "rootfsPropagation unknown",
        "pyrunc create failed: {id}: config.json: /linux/rootfsPropagation: must be one of private, "
        'shared, slave, unbindable, rprivate, rshared, rslave, runbindable, not "sideways"',
        [put("linux.rootfsPropagation", "sideways")],
    ),
    Case(
        "maskedPaths relative",
        "pyrunc create failed: {id}: config.json: /linux/maskedPaths/10: must be an absolute path, not 'proc/kcore'",
        [add("linux.maskedPaths", "proc/kcore")],
    ),
    Case(
        "readonlyPaths relative",
        "pyrunc create failed: {id}: config.json: /linux/readonlyPaths/5: must be an absolute path, not 'proc/sys'",
        [add("linux.readonlyPaths", "proc/sys")],
    ),
    Case(
        "device type unknown",
        'pyrunc create failed: {id}: config.json: /linux/devices/0/type: must be one of c, b, u, p, not "x"',
        [device("/dev/x", "x", major=1, minor=3)],
    ),
    Case(
        "device path relative",
        "pyrunc create failed: {id}: config.json: /linux/devices/0/path: must be an absolute path, not 'dev/x'",
        [device("dev/x", major=1, minor=3)],
    ),
    Case(
        "device without numbers",
        "pyrunc create failed: {id}: config.json has 2 problems:\n"
        "/linux/devices/0/major: is required for a device of type c\n"
        "/linux/devices/0/minor: is required for a device of type c",
        [device("/dev/x")],
    ),
    Case(
        "device number out of range",
        "pyrunc create failed: {id}: config.json: /linux/devices/0/major: must be from 0 to 4095, not 1099511627776",
        [device("/dev/x", major=1 << 40, minor=3)],
    ),
    Case(
        "device below a file",
        "pyrunc create failed: {id}: linux.devices[0] (/etc/passwd/x): make device /etc/passwd/x c 1:3 "
        "mode 666: openat2 /etc/passwd: not a directory",
        [device("/etc/passwd/x", major=1, minor=3)],
    ),
    Case(
        "device differs from what is there",
        "pyrunc create failed: {id}: linux.devices[0] (/etc/passwd): make device /etc/passwd c 1:3 mode "
        "666: /etc/passwd is not the device c 1:3: there is already something else",
        [device("/etc/passwd", major=1, minor=3)],
    ),
    Case(
        "two devices of one path",
        "pyrunc create failed: {id}: linux.devices[1] (/dev/x): make device /dev/x c 1:5 mode 666: "
        "/dev/x is not the device c 1:5: there is already something else",
        [device("/dev/x", major=1, minor=3), device("/dev/x", major=1, minor=5)],
    ),
    Case(
        "network device missing",
        "pyrunc create failed: {id}: linux.netDevices['nowhere0']: move network device nowhere0 as eth0: there is no "
        "such device\nhint: devices are those of the runtime's network namespace",
        [put("linux.netDevices", {"nowhere0": {"name": "eth0"}})],
    ),
    Case(
        "network device whose name is taken",
        "pyrunc create failed: {id}: linux.netDevices['lo']: move network device lo: the container has a device lo "
        'already\nhint: another "name" helps, also one with a number for the kernel to choose, like lo%d',
        [put("linux.netDevices", {"lo": {}})],
    ),
]
