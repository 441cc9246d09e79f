"""config-linux.md: devices, default devices, default symbolic links, the console."""

import os
import stat
from collections.abc import Mapping

from conformance.command import Runtime
from conformance.requirement import MUST, SHOULD, Break, check, drop, forgive, garble
from tests.support.bundles import Bundle


def with_devices(oci: Runtime, *devices: "Mapping[str, object]") -> Bundle:
    """A bundle whose probe looks at the devices that it asks for."""
    made = oci.probe(*(f"stat:{device['path']}" for device in devices))
    made.config["linux"]["devices"] = list(devices)
    return made


def removing(path: str) -> Break:
    """The container lacks a file that the runtime makes."""
    return garble("/hooks", {"startContainer": [{"path": "/bin/rm", "args": ["rm", path]}]})


FUSE = {"path": "/dev/conformance", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 3, "gid": 4}


@check(
    430,
    MUST,
    "config-linux.md#devices",
    "a device has its type, number, mode and owner",
    drop("/linux/devices"),
    garble("/linux/devices/0/minor", 228),
    garble("/linux/devices/0/fileMode", 0o600),
    garble("/linux/devices/0/uid", 0),
    garble("/linux/devices/0/gid", 0),
)
def test_device(oci: Runtime) -> None:
    seen = oci.see(with_devices(oci, FUSE))["stat"][str(FUSE["path"])]
    assert seen is not None
    assert (seen["type"] << 12, seen["mode"]) == (stat.S_IFCHR, 0o640)
    assert (seen["major"], seen["minor"], seen["uid"], seen["gid"]) == (10, 229, 3, 4)


@check(
    431,
    MUST,
    "config-linux.md#devices",
    "block devices and FIFOs are made",
    drop("/linux/devices/0"),
    drop("/linux/devices/1"),
)
def test_kinds(oci: Runtime) -> None:
    block = {"path": "/dev/conformance-b", "type": "b", "major": 7, "minor": 0}
    pipe = {"path": "/dev/conformance-p", "type": "p"}
    seen = oci.see(with_devices(oci, block, pipe))["stat"]
    assert [entry and entry["type"] << 12 for entry in seen.values()] == [stat.S_IFBLK, stat.S_IFIFO]


@check(432, MUST, "config-linux.md#devices", "a device may be anywhere in the file system", drop("/linux/devices"))
def test_elsewhere(oci: Runtime) -> None:
    device = {**FUSE, "path": "/opt/some/where/device"}
    assert oci.see(with_devices(oci, device))["stat"]["/opt/some/where/device"]["minor"] == 229


@check(
    433,
    MUST,
    "config-linux.md#devices",
    "a file that is there and is another one is an error",
    forgive("create"),
    drop("/linux/devices"),
)
def test_other_file(oci: Runtime) -> None:
    made = with_devices(oci, {**FUSE, "path": "/opt/taken"})
    (made.rootfs / "opt").mkdir()
    (made.rootfs / "opt/taken").write_text("a file\n")
    oci.refuses(made)


DEFAULTS = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


@check(
    434,
    MUST,
    "config-linux.md#default-devices",
    "null, zero, full, random, urandom and tty are there",
    *(removing(f"/dev/{name}") for name in DEFAULTS),
)
def test_default_devices(oci: Runtime) -> None:
    seen = oci.see(oci.probe(*(f"stat:/dev/{name}" for name in DEFAULTS)))["stat"]
    assert [path for path, entry in seen.items() if not entry or entry["type"] << 12 != stat.S_IFCHR] == []
    assert {name: (seen[f"/dev/{name}"]["major"], seen[f"/dev/{name}"]["minor"]) for name in DEFAULTS} == DEFAULTS


@check(
    435,
    MUST,
    "config-linux.md#default-devices",
    "/dev/ptmx is pts/ptmx of the container's devpts",
    removing("/dev/ptmx"),
)
def test_ptmx(oci: Runtime) -> None:
    made = oci.bundle('test "$(readlink /dev/ptmx)" = pts/ptmx || test "$(readlink /dev/ptmx)" = /dev/pts/ptmx')
    result = oci.run(made)
    if result.returncode != 0:
        same = oci.run(oci.bundle('test "$(stat -c %d:%i /dev/ptmx)" = "$(stat -c %d:%i /dev/pts/ptmx)"'))
        assert same.returncode == 0, result


@check(
    436,
    MUST,
    "config-linux.md#default-devices",
    "with a terminal /dev/console is that terminal",
    drop("/process/terminal"),
)
def test_console(oci: Runtime) -> None:
    made = oci.bundle("stat -c %t:%T /dev/console /dev/pts/0 > /x; mv /x /numbers; sleep 1000")
    made.config["process"]["terminal"] = True
    with oci.console() as console:
        name, _ = oci.create(made.save(), "--console-socket", str(console.path))
        oci.ok("start", name)
        numbers = oci.wait_for(made, "numbers").read_text().split()
    assert len(numbers) == 2
    assert numbers[0] == numbers[1]


LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}


@check(
    700,
    MUST,
    "runtime-linux.md#dev-symbolic-links",
    "/dev/fd, stdin, stdout and stderr link to /proc/self/fd",
    *(removing(f"/dev/{name}") for name in LINKS),
)
def test_links(oci: Runtime) -> None:
    made = oci.bundle("for n in fd stdin stdout stderr; do readlink /dev/$n; done")
    assert oci.run(made).stdout.split() == list(LINKS.values())


@check(
    701,
    MUST,
    "runtime-linux.md#file-descriptors",
    "only stdin, stdout and stderr are kept open",
    garble("/process/args", ["/bin/sh", "-c", "exec 5</dev/null; exec /bin/probe"]),
)
def test_descriptors(oci: Runtime) -> None:
    made = oci.probe().save()
    extra = os.open("/dev/null", os.O_RDONLY)
    try:
        result = oci("run", "--bundle", made, oci.new_id(), pass_fds=[extra])
    finally:
        os.close(extra)
    assert sorted(result.json()["fds"]) == ["0", "1", "2"]


@check(
    437,
    SHOULD,
    "config-linux.md#default-filesystems",
    "/proc, /sys, /dev/pts and /dev/shm can be had as configured",
    *(drop(f"/mounts/{index}") for index in (0, 2, 3)),
)
def test_default_filesystems(oci: Runtime) -> None:
    types = {line.split()[4]: line.split(" - ")[1].split()[0] for line in oci.see(oci.probe())["mountinfo"]}
    wanted = {"/proc": "proc", "/sys": "sysfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs"}
    assert {path: types.get(path) for path in wanted} == wanted
