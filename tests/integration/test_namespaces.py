"""Namespaces: made, joined and inherited in all pairs of types, compared with what the host sees of the process."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import leaks
from tests.support.bundles import Bundle, BundleFactory
from tests.support.combinations import pairs_of, pairwise
from tests.support.namespaces import FLAGS, NamespaceHolder
from tests.support.rootfs import give_to
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

Holder = Callable[..., NamespaceHolder]
TYPES = tuple(FLAGS)
LINKS = {kind: name for kind, (_, name) in FLAGS.items()}
HOST_ID = 200000
ROWS = pairwise(dict.fromkeys(TYPES, ("new", "joined", "inherited")))


def links(pid: "int | str") -> dict[str, str]:
    """The namespaces of a process, by the runtime spec's names."""
    return {kind: os.readlink(f"/proc/{pid}/ns/{name}") for kind, name in LINKS.items()}


def bare(made: Bundle, row: "dict[str, str]", held: "NamespaceHolder | None") -> Bundle:
    """Changes the bundle to one without mounts, with the namespaces of the row (type -> new, joined, inherited)."""
    config = made.config
    linux = config["linux"]
    config["mounts"] = []
    config["root"]["readonly"] = False
    for name in ("maskedPaths", "readonlyPaths"):
        linux.pop(name)
    config.pop("hostname")
    linux["namespaces"] = []
    for kind, how in row.items():
        if how == "new":
            linux["namespaces"].append({"type": kind})
        elif how == "joined":
            assert held is not None
            linux["namespaces"].append({"type": kind, "path": held.path(kind)})
    if row.get("user") == "new":
        linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": HOST_ID, "size": 65536}]
        give_to(made.rootfs, HOST_ID, HOST_ID)
    if row.get("time") == "new":
        linux["timeOffsets"] = {"monotonic": {"secs": 1000}, "boottime": {"secs": 2000, "nanosecs": 5}}
    return made.save()


def label(row: "dict[str, str]") -> str:
    return "-".join(f"{kind}_{how}" for kind, how in row.items())


def test_the_rows_cover_all_pairs() -> None:
    met = set().union(*(pairs_of(row) for row in ROWS))
    assert len(met) == len(TYPES) * (len(TYPES) - 1) // 2 * 9


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_combination(
    row: "dict[str, str]", bundle: BundleFactory, pyrunc: Pyrunc, holder: Holder, folder: Path
) -> None:
    """The created container's process, and one that exec adds, are in exactly the namespaces asked for."""
    joined = [kind for kind in TYPES if row[kind] == "joined"]
    held = holder(*joined) if joined else None
    made = bare(bundle(("/bin/sleep", "1000")), row, held)
    if row["mount"] == "joined" and row["user"] == "new":
        # Root of the new user namespace may not mount in a mount namespace of the host's: so it is with runc.
        before = leaks.own_mounts_and_processes()
        result = pyrunc("create", "--bundle", made, pyrunc.new_id())
        assert result.returncode == 1
        assert "operation not permitted" in result.stderr
        assert leaks.own_mounts_and_processes() == before
        return
    container_id, _ = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    own = links("self")
    seen = links(pid)
    for kind, how in row.items():
        if how == "joined":
            assert held is not None
            assert seen[kind] == os.readlink(held.path(kind)), kind
        elif how == "inherited":
            assert seen[kind] == own[kind], kind
        else:
            assert seen[kind] != own[kind], kind
            assert held is None or kind not in joined or seen[kind] != os.readlink(held.path(kind)), kind
    pyrunc.ok("start", container_id)
    assert links(pid) == seen
    pid_file = folder / "pid"
    pyrunc.ok("exec", "--detach", "--pid-file", pid_file, container_id, "/bin/sleep", "1000")
    added = pid_file.read_text()
    assert links(added) == seen
    assert os.path.samestat(os.stat(f"/proc/{added}/root"), os.stat(f"/proc/{pid}/root"))
    for process in (pid, added):
        assert os.readlink(f"/proc/{process}/exe").endswith("/busybox")


def test_everything_new_seen_from_inside(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(("/bin/probe",))
    made.config["linux"]["namespaces"] = [
        {"type": kind} for kind in ("pid", "network", "mount", "ipc", "uts", "cgroup")
    ]
    made.save()
    seen = pyrunc.run(made).json()
    host = links("self")
    assert (seen["pid"], seen["ppid"], seen["pgid"], seen["sid"]) == (1, 0, 1, 1)
    for kind, name in LINKS.items():
        assert (seen["namespaces"][name] == host[kind]) == (kind in ("user", "time")), kind
    assert all(line.endswith(":/") for line in seen["cgroups"] if not line.startswith("0::")), seen["cgroups"]


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "cgroup", "time", "pid"])
def test_shared_with_the_host_by_path(kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Joining what the runtime is in already is as good as inheriting it."""
    made = bundle(("/bin/probe",))
    made.config.pop("hostname")
    made.config["mounts"] = [entry for entry in made.config["mounts"] if entry["type"] == "proc"]
    spaces = [entry for entry in made.config["linux"]["namespaces"] if entry["type"] != kind]
    made.config["linux"]["namespaces"] = [*spaces, {"type": kind, "path": f"/proc/{os.getpid()}/ns/{LINKS[kind]}"}]
    made.save()
    seen = pyrunc.run(made).json()
    assert seen["namespaces"][LINKS[kind]] == os.readlink(f"/proc/self/ns/{LINKS[kind]}")


def test_own_user_namespace_by_path(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The kernel refuses to enter it again; to name it is to stay in it."""
    made = bundle(("/bin/probe",))
    made.config["linux"]["namespaces"].append({"type": "user", "path": f"/proc/{os.getpid()}/ns/user"})
    made.save()
    container_id, result = pyrunc.create(made)
    pyrunc.ok("start", container_id)
    pyrunc.wait_status(container_id, "stopped")
    assert result.json()["namespaces"]["user"] == os.readlink("/proc/self/ns/user")


@pytest.mark.parametrize("kind", TYPES)
def test_wrong_type_behind_a_path(kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    other = "net" if kind != "network" else "uts"
    check_refused(pyrunc, bundle(), kind, f"/proc/self/ns/{other}", " namespace")


@pytest.mark.parametrize("kind", TYPES)
def test_missing_path(kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    check_refused(pyrunc, bundle(), kind, f"/proc/{2**22 + 1}/ns/{LINKS[kind]}", "no such file or directory")


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc", "/dev/null", "/proc/self/ns/time_for_children"])
def test_path_of_something_else(path: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    check_refused(pyrunc, bundle(), "uts", path, f"{path} is not a uts namespace")


def test_fifo_as_path(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    check_refused(pyrunc, bundle(), "ipc", str(folder / "fifo"), "is not an ipc namespace")


def check_refused(pyrunc: Pyrunc, made: Bundle, kind: str, path: str, words: str) -> None:
    """A namespace of that type cannot be joined by that path; nothing is made."""
    spaces = [entry for entry in made.config["linux"]["namespaces"] if entry["type"] != kind]
    made.config["linux"]["namespaces"] = [*spaces, {"type": kind, "path": path}]
    made.save()
    result = pyrunc.run(made)
    assert result.returncode == 1
    assert words in result.stderr
    assert f"linux.namespaces[{len(spaces)}]" in result.stderr
    assert leaks.listing(str(pyrunc.root)) == []
    assert not [path for path in leaks.cgroups() if pyrunc.root.name.removeprefix("root-") in path]


@pytest.mark.parametrize("kind", TYPES)
def test_twice(kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle()
    spaces = [entry for entry in made.config["linux"]["namespaces"] if entry["type"] != kind]
    made.config["linux"]["namespaces"] = [*spaces, {"type": kind}, {"type": kind}]
    made.save()
    result = pyrunc.run(made)
    assert result.returncode == 1
    assert f"the {kind} namespace is listed twice" in result.stderr
    assert leaks.listing(str(pyrunc.root)) == []


def offsets(made: Bundle, values: "dict[str, Any]") -> Bundle:
    made.config["linux"]["namespaces"].append({"type": "time"})
    made.config["linux"]["timeOffsets"] = values
    return made.save()


def test_time_offsets(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    script = "cat /proc/uptime; /bin/probe"
    made = offsets(
        bundle(script), {"monotonic": {"secs": 123456}, "boottime": {"secs": 7654321, "nanosecs": 250000000}}
    )
    output = pyrunc.run(made).stdout
    uptime, rest = output.split("\n", 1)
    assert abs(float(uptime.split()[0]) - float(Path("/proc/uptime").read_text().split()[0]) - 7654321) < 2
    assert "monotonic" in rest
    assert '"monotonic      123456         0"' in rest
    assert '"boottime      7654321 250000000"' in rest


def test_time_offsets_in_exec(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = offsets(bundle(("/bin/sleep", "1000")), {"boottime": {"secs": 7654321}})
    container_id, _ = pyrunc.create(made)
    pyrunc.ok("start", container_id)
    seconds = float(pyrunc.ok("exec", container_id, "cat", "/proc/uptime").stdout.split()[0])
    assert abs(seconds - float(Path("/proc/uptime").read_text().split()[0]) - 7654321) < 2


def test_negative_time_offset_before_boot(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The kernel lets no clock go below zero."""
    made = offsets(bundle(), {"monotonic": {"secs": -(2**40)}})
    result = pyrunc.run(made)
    assert result.returncode == 1
    assert "linux.timeOffsets" in result.stderr
    assert leaks.listing(str(pyrunc.root)) == []


def test_no_network_but_its_own(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    result = pyrunc.run(bundle("cat /proc/net/dev | tail -n +3 | cut -d: -f1; ip link show lo"))
    assert [name.strip() for name in result.stdout.splitlines()[:1]] == ["lo"]
    assert "UP" in result.stdout, "the loopback interface is up, as in runc"
