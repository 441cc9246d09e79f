"""S26: CVE-2015-3627 (a descriptor from before the root was switched), CVE-2015-3629 (out of the mount namespace when a
container is run again), CVE-2015-3630 (weak permissions in /proc), CVE-2015-3631 (volumes over it), and --no-pivot."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.weakened import ANYTHING_BELOW_PROC, UNCONTAINED, Change

pytestmark = pytest.mark.root

INHERITED: tuple[Change, ...] = (
    ("pyrunc/cli.py", "            _close_inherited(_preserved(invocation), command)\n", "            pass\n"),
    (
        "csrc/spawn.c",
        "    if (r >= 0)\n        r = raw(SYS_close_range, CONTROL_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC, 0, 0);\n",
        "",
    ),
)
WRITABLE: Change = (
    "pyrunc/spec/default.py",
    '"readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]',
    '"readonlyPaths": ["/proc/bus", "/proc/irq", "/proc/sysrq-trigger"]',
)
READABLE: Change = ("pyrunc/spec/default.py", '                "/proc/timer_list",\n', "")
STAYS: Change = ("pyrunc/plan.py", "            operations.append(HideHostInterfaces())\n", "            pass\n")


def search(canary: Canary) -> str:
    """Reads the canary through any descriptor, root or working directory of any process in there."""
    file = f"{canary.path}/file"
    places = "/proc/[0-9]*/fd/* /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/self/fd/*"
    return f"for d in {places}; do for f in $d/file $d{file} $d/..{file}; do cat $f 2>/dev/null; done; done; true"


@attack("S26", weak={"inherited": INHERITED})
@pytest.mark.parametrize("verb", ["run", "create", "exec"])
def test_descriptor_of_the_caller(verb: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """One that the runtime has inherited, and nobody has asked it to pass on."""
    directory = os.open(canary.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        made = bundle(search(canary))
        if verb == "run":
            result = attacked.run(made, pass_fds=(directory,))
        elif verb == "create":
            container_id, result = attacked.create(made, pass_fds=(directory,))
            attacked.start(container_id)
            attacked.wait_status(container_id, "stopped")
        else:
            container_id, _ = attacked.create(made)
            result = attacked("exec", container_id, "/bin/sh", "-c", search(canary), pass_fds=(directory,))
    finally:
        os.close(directory)
    broken_if("host" in result.stdout, "a folder of the host is open in the container")


@attack("S26")
def test_while_it_waits(bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """Nothing of the host can be reached through the container's first process before that is started."""
    made = bundle(("/bin/true",))
    for kind in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][kind] = ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"]
    container_id, _ = attacked.create(made.save())
    result = attacked("exec", container_id, "/bin/sh", "-c", search(canary))
    broken_if("host" in result.stdout, "a folder of the host is open in the first process")


@attack("S26", weak={"uncontained": (UNCONTAINED,)})
def test_run_again(bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """The container's first run has exchanged the mount points of the second with links."""
    made = bundle(f"rm -rf /data /etc/hostname; ln -s {canary.link} /data; ln -s {canary.link}/new /etc/hostname")
    made.config["root"]["readonly"] = False
    (made.rootfs / "data").mkdir()
    (made.rootfs / "etc/hostname").touch()
    attacked.undecided_unless(attacked.run(made.save()), "the first run")
    assert (made.rootfs / "data").is_symlink()
    made.config["process"]["args"] = ["/bin/true"]
    made.config["mounts"] += [
        {"destination": "/data/sub", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/etc/hostname", "type": "none", "source": "/etc/hostname", "options": ["rbind"]},
    ]
    attacked.run(made.save())
    broken_if(not canary.intact, "the host's folder has changed")


WRITTEN = (
    "sys/kernel/core_pattern",
    "sysrq-trigger",
    "irq/default_smp_affinity",
    "bus/input/devices",
    "fs/nfs/exports",
)
READ = ("kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi/scsi", "asound/cards")


@attack("S26", weak={"writable": (WRITABLE,), "readable": (READABLE,)})
def test_permissions_of_proc(bundle: BundleFactory, attacked: Attacked) -> None:
    """Of a container with the configuration that the runtime's own `spec` writes, as root."""
    made = bundle(("/bin/true",))
    (made.path / "config.json").unlink()
    attacked.undecided_unless(attacked("spec", cwd=made.path), "spec")
    written = Bundle(made.path, json.loads((made.path / "config.json").read_text()))
    opens = "; ".join(f"(: >> /proc/{name}) 2>/dev/null && echo writable {name}" for name in WRITTEN)
    reads = "; ".join(f"head -c 1 /proc/{name} 2>/dev/null | grep -q . && echo readable {name}" for name in READ)
    written.config["process"].update(args=["/bin/sh", "-c", f"{opens}; {reads}; true"], terminal=False)
    written.config["mounts"] = [entry for entry in written.config["mounts"] if entry["type"] != "cgroup"]
    result = attacked.undecided_unless(attacked.run(written.save()), "the configuration of spec")
    broken_if(result.stdout.splitlines(), "open to a container by default")


@attack("S26", weak={"no rule": ANYTHING_BELOW_PROC}, when=lambda given: given["destination"] == "/proc/sys")
@pytest.mark.parametrize("destination", ["/proc/sys", "/proc/self/attr", "/proc/1"])
def test_volume_over_proc(destination: str, bundle: BundleFactory, attacked: Attacked, folder: Path) -> None:
    """A volume of the image, with files that look like those of procfs."""
    volume = folder / "volume"
    volume.mkdir()
    (volume / "forged").touch()
    made = bundle(f"ls {destination}/forged && echo forged")
    made.config["mounts"].append(
        {"destination": destination, "type": "none", "source": str(volume), "options": ["rbind"]}
    )
    result = attacked.run(made.save())
    broken_if("\nforged" in result.stdout, f"a forged tree is mounted on {destination}")


@attack("S26", weak={"stays": (STAYS,)})
def test_no_pivot(bundle: BundleFactory, attacked: Attacked) -> None:
    """A procfs without masks, mounted in a user namespace of the container's own, because the host's is still there."""
    attacked.needs("run", "--no-pivot")
    as_user = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups")
    if subprocess.run(
        [*as_user, "unshare", "-mrpf", "mount", "-t", "proc", "none", "/proc"], capture_output=True
    ).returncode:
        pytest.skip("an ordinary user of this host cannot mount a procfs either")
    made = bundle("unshare -mrpf mount -t proc none /proc && echo mounted")
    made.config["process"]["user"] = {"uid": 1000, "gid": 1000}  # who may map itself without CAP_SETFCAP
    result = attacked.run(made.save(), "--no-pivot")
    broken_if("mounted" in result.stdout, "a procfs without masks can be mounted")


@attack("S26")
@pytest.mark.parametrize("options", [(), ("--no-pivot",)], ids=["pivot", "no pivot"])
def test_out_of_the_root(
    options: tuple[str, ...], bundle: BundleFactory, attacked: Attacked, canary: Canary, snoop: Path
) -> None:
    """By chroot(2), from a directory outside of the new root."""
    made = bundle(["/bin/snoop", "escape", str(canary.path / "file")])
    made.config["root"]["readonly"] = False
    shutil.copy(snoop, made.rootfs / "bin/snoop")
    for kind in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][kind] = ["CAP_SYS_CHROOT"]
    result = attacked.run(made.save(), *options)
    broken_if("host" in result.stdout, "the host's files are above the container's root")
