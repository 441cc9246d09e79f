"""checkpoint and restore, by the criu of this machine."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.checkpoints import (
    COUNT,
    LIMIT,
    again,
    build,
    checkpoint,
    counts,
    exists,
    restore,
    start,
    ticks,
    why_not,
)
from tests.support.namespaces import NamespaceHolder
from tests.support.processes import wait_until
from tests.support.rootfs import give_to
from tests.support.runtime import Pyrunc

pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(why_not()), reason=why_not())]


def test_memory_survives(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    counting = bundle(COUNT)
    container_id, before = start(pyrunc, counting)
    old = pyrunc.state(container_id)
    checkpoint(pyrunc, container_id, folder / "images")
    assert not exists(pyrunc, container_id)
    assert (folder / "images").stat().st_mode & 0o777 == 0o711
    again(pyrunc, counting, folder / "images", container_id, before, "--pid-file", str(folder / "pid"))
    new = pyrunc.state(container_id)
    assert new["status"] == "running"
    assert new["pid"] != old["pid"]
    assert new["created"] > old["created"]
    assert (folder / "pid").read_text() == str(new["pid"])
    assert not (pyrunc.root / container_id / "criu-root").exists()
    assert "criu-root" not in Path("/proc/self/mountinfo").read_text()


def test_a_restored_container_is_one_like_others(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    counting = bundle(COUNT)
    container_id, before = start(pyrunc, counting)
    checkpoint(pyrunc, container_id, folder / "images")
    after = again(pyrunc, counting, folder / "images", container_id, before)
    assert pyrunc.ok("exec", container_id, "/bin/echo", "inside").stdout == "inside\n"
    pyrunc.ok("pause", container_id)
    assert pyrunc.state(container_id)["status"] == "paused"
    pyrunc.ok("resume", container_id)
    counts(after, ticks(after)[-1])
    checkpoint(pyrunc, container_id, folder / "second")
    final = again(pyrunc, counting, folder / "second", container_id, after)
    pyrunc.ok("kill", container_id, "KILL")
    pyrunc.wait_status(container_id, "stopped")
    pyrunc.ok("delete", container_id)
    assert ticks(final)


def test_leave_running(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    counting = bundle(COUNT)
    container_id, before = start(pyrunc, counting)
    checkpoint(pyrunc, container_id, folder / "images", "--leave-running")
    assert pyrunc.state(container_id)["status"] == "running"
    counts(before, ticks(before)[-1])
    pyrunc.ok("delete", "--force", container_id)
    restored = restore(pyrunc, counting, folder / "images", container_id)
    counts(restored)


def test_paused(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    """A paused container can be checkpointed; what is restored from it runs, as with runc."""
    counting = bundle(COUNT)
    container_id, before = start(pyrunc, counting)
    pyrunc.ok("pause", container_id)
    checkpoint(pyrunc, container_id, folder / "images")
    again(pyrunc, counting, folder / "images", container_id, before)
    assert pyrunc.state(container_id)["status"] == "running"


def test_pre_dump_and_parent(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    counting = bundle(COUNT)
    container_id, before = start(pyrunc, counting)
    checkpoint(pyrunc, container_id, folder / "parent", "--pre-dump")
    assert pyrunc.state(container_id)["status"] == "running"
    checkpoint(pyrunc, container_id, folder / "images", "--parent-path", "../parent")
    assert (folder / "images" / "parent").is_symlink()
    again(pyrunc, counting, folder / "images", container_id, before)


def test_another_name_and_cgroup(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    counting = bundle(COUNT)
    counting.config["linux"]["resources"]["memory"] = {"limit": 100 << 20}
    counting.config["linux"]["resources"]["pids"] = {"limit": 50}
    counting.save()
    container_id, before = start(pyrunc, counting)
    checkpoint(pyrunc, container_id, folder / "images")
    other = pyrunc.new_id()
    again(pyrunc, counting, folder / "images", other, before)
    pid = pyrunc.state(other)["pid"]
    place = Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::")
    assert place.endswith(f"/{other}")
    cgroup = Path("/sys/fs/cgroup" + place)
    assert (cgroup / "memory.max").read_text() == f"{100 << 20}\n"
    assert (cgroup / "pids.max").read_text() == "50\n"
    assert not list(Path("/sys/fs/cgroup").rglob(container_id))
    # The device filter is back, too: /dev/kmsg (1:11) may be made, and not be opened.
    script = "mknod /k c 1 11 && ! cat /k && echo refused"
    assert pyrunc("exec", "--cap", "CAP_MKNOD", other, "/bin/sh", "-c", script).stdout == "refused\n"


@pytest.mark.parametrize("mode", ["soft", "ignore"])
def test_cgroup_modes(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path, mode: str) -> None:
    counting = bundle(COUNT)
    container_id, before = start(pyrunc, counting)
    checkpoint(pyrunc, container_id, folder / "images", "--manage-cgroups-mode", mode)
    other = pyrunc.new_id()
    again(pyrunc, counting, folder / "images", other, before, "--manage-cgroups-mode", mode)
    assert Path(f"/proc/{pyrunc.state(other)['pid']}/cgroup").read_text().strip().endswith(f"/{other}")


@pytest.mark.parametrize("mapped", [False, True])
def test_pipes_lead_to_the_new_caller(mapped: bool, pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    """As from engines.  mapped: with a user namespace, whose processes could not open files of root again."""
    counting = bundle(COUNT)
    if mapped:
        give_to(counting.rootfs, 100000, 100000)
        linux = counting.config["linux"]
        linux["namespaces"].append({"type": "user"})
        linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        counting.save()
    container_id = pyrunc.new_id()
    run = ["run", "--bundle", counting, container_id]
    with pyrunc.popen(*run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"tick 1\n"
        checkpoint(pyrunc, container_id, folder / "images")
        seen = first.stdout.read().split()
        # A `run` that waits for it sees it killed, and does not mind that it is gone.
        assert first.wait(LIMIT) == 128 + 9
    descriptors = json.loads((folder / "images" / "descriptors.json").read_text())
    assert descriptors[0] == "/dev/null"
    assert descriptors[1].startswith("pipe:[")
    command = ["restore", "--bundle", counting, "--image-path", folder / "images", container_id]
    with pyrunc.popen(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as second:
        assert second.stdout is not None
        last = int(seen[-1]) if seen else 1
        assert second.stdout.readline() == f"tick {last + 1}\n".encode()
        pyrunc.ok("kill", container_id, "TERM")
        pyrunc.ok("kill", container_id, "KILL")
        assert second.wait(LIMIT) == 128 + 9
    assert not exists(pyrunc, container_id)


def test_the_exit_status_of_a_restored_container(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    waiting = bundle(COUNT.replace("usleep", "[ -e /tmp/end ] && exit 7; usleep"))
    container_id, _before = start(pyrunc, waiting)
    checkpoint(pyrunc, container_id, folder / "images")
    (waiting.rootfs / "tmp/end").touch()
    result = pyrunc("restore", "--bundle", waiting, "--image-path", folder / "images", container_id, timeout=LIMIT)
    assert result.returncode == 7, result
    assert not exists(pyrunc, container_id)


def test_mounts_of_the_host(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    """Binds, also by a link of the root file system, and what is mounted below a recursive one."""
    (folder / "data/sub").mkdir(parents=True)
    (folder / "file").write_text("a file")
    subprocess.run(["mount", "-t", "tmpfs", "pyrunc-test", folder / "data/sub"], check=True)
    try:
        (folder / "data/sub/below").write_text("below")
        counting = bundle(COUNT)
        (counting.rootfs / "var/run").symlink_to("/run")
        counting.config["mounts"] += [
            {"destination": "/data", "source": str(folder / "data"), "options": ["rbind"]},
            {"destination": "/var/run/file", "source": str(folder / "file"), "options": ["bind", "ro"]},
            {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs"},
        ]
        counting.save()
        container_id, before = start(pyrunc, counting)
        pyrunc.ok("exec", container_id, "/bin/sh", "-c", "echo kept > /scratch/kept")
        checkpoint(pyrunc, container_id, folder / "images")
        # Another copy of the root file system, which has never seen a mount.
        shutil.rmtree(counting.rootfs / "data")
        (counting.rootfs / "run/file").unlink()
        again(pyrunc, counting, folder / "images", container_id, before)
        shown = pyrunc.ok("exec", container_id, "/bin/cat", "/data/sub/below", "/run/file", "/scratch/kept")
        assert shown.stdout == "belowa filekept\n"
        assert pyrunc("exec", container_id, "/bin/sh", "-c", "echo > /run/file").returncode != 0
        assert pyrunc.ok("exec", container_id, "/bin/sh", "-c", "cat /proc/kcore | wc -c").stdout.strip() == "0"
        pyrunc.ok("delete", "--force", container_id)
    finally:
        subprocess.run(["umount", folder / "data/sub"], check=True)


def test_file_locks(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    locking = bundle(f"exec locker /tmp/lock /bin/sh -c '{COUNT}'")
    build(locking.rootfs / "bin/locker")
    container_id, before = start(pyrunc, locking)
    result = pyrunc("checkpoint", "--image-path", folder / "none", container_id, timeout=LIMIT)
    assert result.returncode == 1
    assert "file-locks" in result.stderr
    counts(before, ticks(before)[-1])
    checkpoint(pyrunc, container_id, folder / "images", "--file-locks")
    again(pyrunc, locking, folder / "images", container_id, before, "--file-locks")
    assert pyrunc("exec", container_id, "locker", "/tmp/lock", "/bin/true").returncode == 1


def talking(pyrunc: Pyrunc, bundle: BundleFactory) -> tuple[str, Bundle, Path]:
    """A container with a connection of its own, and the file that gets what goes over it."""
    made = bundle(("talker", "/tmp/got"))
    build(made.rootfs / "bin/talker")
    container_id = pyrunc.new_id()
    pyrunc.ok("run", "--detach", "--bundle", made, container_id)
    got = made.rootfs / "tmp/got"
    wait_until(lambda: got.exists() and "tick 3" in got.read_text(), "data over the connection", LIMIT)
    return container_id, made, got


def test_established_connections(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    container_id, made, got = talking(pyrunc, bundle)
    checkpoint(pyrunc, container_id, folder / "images", "--tcp-established")
    size = got.stat().st_size
    restore(pyrunc, made, folder / "images", container_id, "--tcp-established")
    wait_until(lambda: got.stat().st_size > size + 20, "more data over the connection", LIMIT)
    numbers = [int(line.split()[1]) for line in got.read_text().splitlines()[:-1]]
    assert numbers == list(range(1, len(numbers) + 1))


def test_connections_without_the_option(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    container_id, _made, _got = talking(pyrunc, bundle)
    refused = pyrunc("checkpoint", "--image-path", folder / "none", container_id, timeout=LIMIT)
    assert refused.returncode == 1
    assert "tcp-established" in refused.stderr
    assert exists(pyrunc, container_id)


def test_an_empty_network_namespace(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    counting = bundle(COUNT)
    note = folder / "note"
    hook = [
        "/bin/sh",
        "-c",
        f"cat > {note}.state; readlink /proc/$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' {note}.state)/ns/net > {note}",
    ]
    counting.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": hook}]}
    counting.save()
    container_id, before = start(pyrunc, counting)
    checkpoint(pyrunc, container_id, folder / "images", "--empty-ns", "network")
    note.unlink()
    again(pyrunc, counting, folder / "images", container_id, before, "--empty-ns", "network")
    pid = pyrunc.state(container_id)["pid"]
    assert note.read_text().strip() == os.readlink(f"/proc/{pid}/ns/net")
    assert json.loads(Path(f"{note}.state").read_text())["status"] == "creating"


def test_a_joined_network_namespace(
    pyrunc: Pyrunc, bundle: BundleFactory, folder: Path, holder: "type[NamespaceHolder]"
) -> None:
    held = holder("network", "ipc", "uts")
    counting = bundle(COUNT)
    for entry in counting.config["linux"]["namespaces"]:
        if entry["type"] in ("network", "ipc", "uts"):
            entry["path"] = held.path(entry["type"])
    counting.config.pop("hostname", None)
    counting.save()
    container_id, before = start(pyrunc, counting)
    checkpoint(pyrunc, container_id, folder / "images")
    again(pyrunc, counting, folder / "images", container_id, before)
    pid = pyrunc.state(container_id)["pid"]
    for kind, name in (("network", "net"), ("ipc", "ipc"), ("uts", "uts")):
        assert os.stat(f"/proc/{pid}/ns/{name}").st_ino == os.stat(held.path(kind)).st_ino
    pyrunc.ok("delete", "--force", container_id)


def test_configuration_file_by_annotation(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    """What the file says goes before what pyrunc says: here where the log is."""
    (folder / "criu.conf").write_text("log-file other.log\n")
    counting = bundle(COUNT)
    counting.config["annotations"] = {"org.criu.config": str(folder / "criu.conf")}
    counting.save()
    container_id, before = start(pyrunc, counting)
    checkpoint(pyrunc, container_id, folder / "images", "--work-path", str(folder / "work"))
    assert (folder / "work/other.log").exists()
    again(pyrunc, counting, folder / "images", container_id, before, "--work-path", str(folder / "work"))


def left(pyrunc: Pyrunc, container_id: str) -> list[str]:
    """What there is of a container that could not be restored."""
    there = [str(path) for path in Path("/sys/fs/cgroup").rglob(container_id)]
    return there + [name for name in pyrunc.containers() if name == container_id]


def test_failures_leave_nothing(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    counting = bundle(COUNT)
    container_id, before = start(pyrunc, counting)
    busy = pyrunc("restore", "--bundle", counting, "--image-path", folder / "none", pyrunc.new_id(), timeout=LIMIT)
    assert busy.stderr.endswith(f"image-path: {folder}/none: there is no checkpoint\n")
    checkpoint(pyrunc, container_id, folder / "images", "--leave-running")
    taken = pyrunc("restore", "--bundle", counting, "--image-path", folder / "images", container_id, timeout=LIMIT)
    assert "container with given ID already exists" in taken.stderr
    assert pyrunc.state(container_id)["status"] == "running"
    counts(before, ticks(before)[-1])
    other = pyrunc.new_id()
    (folder / "images/pstree.img").write_bytes(b"broken")
    broken = pyrunc("restore", "--bundle", counting, "--image-path", folder / "images", other, timeout=LIMIT)
    assert broken.returncode == 1
    assert "criu failed: type RESTORE" in broken.stderr
    assert "Error (criu/" in broken.stderr
    assert f"log file: {folder}/images/restore.log" in broken.stderr
    assert left(pyrunc, other) == []


def test_a_hook_that_fails_undoes_the_restore(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> None:
    counting = bundle(COUNT)
    container_id, _before = start(pyrunc, counting)
    checkpoint(pyrunc, container_id, folder / "images")
    counting.config["hooks"] = {
        "createRuntime": [{"path": "/bin/false"}],
        "poststop": [{"path": "/bin/touch", "args": ["touch", str(folder / "stopped")]}],
    }
    counting.save()
    result = pyrunc("restore", "--bundle", counting, "--image-path", folder / "images", container_id, timeout=LIMIT)
    assert result.returncode == 1
    assert "error running createRuntime hook #0: exit status 1" in result.stderr
    assert left(pyrunc, container_id) == []
    assert (folder / "stopped").exists()
