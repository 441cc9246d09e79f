"""What this pyrunc can do, for callers to ask before they need it (features.md and features-linux.md of the spec).

The lists are those of the modules that do the work: nothing here has to be kept in step.  It is about pyrunc and not
about the host, except for seccomp's supportedFlags.
"""

from pyrunc import __version__, memory_policy
from pyrunc.cgroups.systemd_annotations import PREFIX
from pyrunc.errors import PyruncError
from pyrunc.namespaces import TYPES
from pyrunc.operations import options
from pyrunc.security import capabilities, seccomp
from pyrunc.spec import rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OLDEST_VERSION = "1.0.0"

# Mount options that parse_options() knows beside its tables.
OTHER_MOUNT_OPTIONS = ("bind", "defaults", "idmap", "rbind", "remount", "ridmap", "tmpcopyup")
# Annotations of config.json that change what pyrunc does with it.
# org.criu.config: the file that it names decides what criu does, as root.
UNSAFE_ANNOTATIONS: "tuple[str, ...]" = (PREFIX, "org.criu.config")

# seccomp(2), by machine
SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
SECCOMP_SET_MODE_FILTER = 1


def features() -> "dict[str, Any]":
    """The features object (oci-specs/features.json)."""
    annotations = {"pyrunc.version": __version__, "pyrunc.checkpoint.enabled": str(checkpoint_enabled()).lower()}
    commit = _commit()
    if commit:
        annotations["pyrunc.commit"] = commit
    filters, library = seccomp_features()
    if library:
        annotations["io.github.seccomp.libseccomp.version"] = library
    return {
        "ociVersionMin": OLDEST_VERSION,
        "ociVersionMax": rules.SPEC_VERSION,
        "hooks": list(rules.HOOKS),
        "mountOptions": mount_options(),
        "linux": {
            "namespaces": sorted(TYPES),
            "capabilities": list(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": True, "systemdUser": True, "rdma": True},
            "seccomp": filters,
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "memoryPolicy": {"modes": sorted(memory_policy.MODES), "flags": sorted(memory_policy.FLAGS)},
            "intelRdt": {"enabled": True, "schemata": True, "monitoring": True},
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        "annotations": dict(sorted(annotations.items())),
        "potentiallyUnsafeConfigAnnotations": list(UNSAFE_ANNOTATIONS),
    }


def _commit() -> str:
    import pyrunc

    return getattr(pyrunc, "__commit__", "")


def checkpoint_enabled() -> bool:
    """Whether `checkpoint` and `restore` can talk to criu; whether criu is there is a matter of the host."""
    try:
        import pyrunc.checkpoint.messages  # noqa: F401
    except PyruncError:
        return False
    return True


def mount_options() -> "list[str]":
    """The mount options that pyrunc knows itself; all others are handed to the file system."""
    switches = [*options.ATTRIBUTES, *options.ACCESS_TIMES]
    words = {*switches, *("r" + word for word in switches), *options.SUPERBLOCK_FLAGS, *options.PROPAGATION}
    return sorted(words.union(OTHER_MOUNT_OPTIONS))


def seccomp_features() -> "tuple[dict[str, Any], str]":
    """linux.seccomp, and the version of libseccomp ("" without one, and then nothing can be filtered)."""
    try:
        from pyrunc.security import compile
    except PyruncError:
        return {"enabled": False}, ""
    return {
        "enabled": True,
        "actions": sorted({*compile.ACTIONS, *compile.NUMBERED_ACTIONS}),
        "operators": sorted(compile.OPERATORS),
        "archs": sorted(compile.ARCHITECTURES),
        "knownFlags": sorted(seccomp.FLAGS),
        "supportedFlags": sorted(name for name, flag in seccomp.FLAGS.items() if kernel_has(flag)),
    }, compile.version()


def kernel_has(flag: int) -> bool:
    """Whether this kernel takes a flag of seccomp(2): it looks at the flags before it looks for the program.

    TSYNC (0 here: see seccomp.FLAGS) needs nothing of the kernel.  WAIT_KILLABLE_RECV is about a listener.
    """
    import ctypes
    import errno
    import os

    number = SYS_SECCOMP.get(os.uname().machine)
    if flag == seccomp.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV:
        flag |= seccomp.SECCOMP_FILTER_FLAG_NEW_LISTENER
    if not flag or number is None:
        return not flag
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall(ctypes.c_long(number), ctypes.c_ulong(SECCOMP_SET_MODE_FILTER), ctypes.c_ulong(flag), None)
    return ctypes.get_errno() == errno.EFAULT
