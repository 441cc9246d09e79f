"""The configuration that `pyrunc spec` writes: the one of `runc spec`, so that a bundle works with either."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.spec.types import Config, IDMapping

SPEC_VERSION = "1.3.0"
CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")


def default_config(rootless: bool = False, cgroup2: bool = False) -> "Config":
    """A new config.json: a shell on a read-only root filesystem in namespaces of its own.

    rootless: for a user without privileges: a user namespace with only that user in it, the host's network, and
    neither device rules nor what else such a user may not ask for.
    cgroup2: for a host of pure cgroup v2: a cgroup namespace, without which it would be shown all of the host's tree.
    """
    if rootless:
        user_mapping: list[IDMapping] = [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
        group_mapping: list[IDMapping] = [{"containerID": 0, "hostID": os.getegid(), "size": 1}]
    namespaces = ["pid", *([] if rootless else ["network"]), "ipc", "uts", "mount"]
    namespaces += ["cgroup"] * cgroup2 + ["user"] * rootless
    # The order of the keys is runc's.
    config: Config = {
        "ociVersion": SPEC_VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            # No inheritable set: with one, files with inheritable capabilities give them away (CVE-2022-29162).
            "capabilities": {
                "bounding": [*CAPABILITIES],
                "effective": [*CAPABILITIES],
                "permitted": [*CAPABILITIES],
                "ambient": [*CAPABILITIES],
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "runc",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
            },
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                # The group tty has no id in a user namespace of one user.
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
                + ([] if rootless else ["gid=5"]),
            },
            {
                "destination": "/dev/shm",
                "type": "tmpfs",
                "source": "shm",
                "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
            },
            {
                "destination": "/dev/mqueue",
                "type": "mqueue",
                "source": "mqueue",
                "options": ["nosuid", "noexec", "nodev"],
            },
            # sysfs can only be mounted by the owner of the network namespace.
            {
                "destination": "/sys",
                "type": "none",
                "source": "/sys",
                "options": ["rbind", "nosuid", "noexec", "nodev", "ro"],
            }
            if rootless
            else {
                "destination": "/sys",
                "type": "sysfs",
                "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"],
            },
            {
                "destination": "/sys/fs/cgroup",
                "type": "cgroup",
                "source": "cgroup",
                "options": ["nosuid", "noexec", "nodev", "relatime", "ro"],
            },
        ],
        "linux": {
            **({"uidMappings": user_mapping, "gidMappings": group_mapping} if rootless else {}),
            **({} if rootless else {"resources": {"devices": [{"allow": False, "access": "rwm"}]}}),
            "namespaces": [{"type": kind} for kind in namespaces],
            "maskedPaths": [
                "/proc/acpi",
                "/proc/asound",
                "/proc/kcore",
                "/proc/keys",
                "/proc/latency_stats",
                "/proc/timer_list",
                "/proc/timer_stats",
                "/proc/sched_debug",
                "/sys/firmware",
                "/proc/scsi",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }
    return config
