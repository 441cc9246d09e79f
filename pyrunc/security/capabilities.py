"""process.capabilities -> five bit masks (spec: config.md, "Linux Process"; capabilities(7))."""

from pyrunc.helper import TAG_KEEP, record, u64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

# A name's place is its number in linux/capability.h.
NAMES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
CAP_SETPCAP = 8
ALL = (1 << len(NAMES)) - 1

_BITS = {name: 1 << number for number, name in enumerate(NAMES)}

# What pyrunc-init's own steps need after an order that is not its last (csrc/init_capabilities.c says what is for
# what): to become the user, with files of the image and real-time policies on the way; to make a container.
_ENTERING = ("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "SETGID", "SETUID", "SETPCAP", "SYS_NICE")
_MAKING = ("SYS_ADMIN", "SYS_CHROOT", "NET_ADMIN", "SYS_RESOURCE")
ENTERING = sum(_BITS[f"CAP_{name}"] for name in _ENTERING)
MAKING = ENTERING | sum(_BITS[f"CAP_{name}"] for name in _MAKING)
SYS_ADMIN, SYS_CHROOT = _BITS["CAP_SYS_ADMIN"], _BITS["CAP_SYS_CHROOT"]


class CapabilitySets:
    """The sets to apply, each a mask with bit n for capability n, and what to tell the user about them.

    The helper applies them in the order bounding (drop what is not in it), then effective, permitted and
    inheritable in one capset(2), then ambient: planned so that no step of it fails for a set that the caller
    could not know to be impossible.
    """

    __slots__ = ("ambient", "bounding", "effective", "inheritable", "permitted", "warnings")

    def __init__(
        self, bounding: int, effective: int, permitted: int, inheritable: int, ambient: int, warnings: "list[str]"
    ) -> None:
        self.bounding = bounding
        self.effective = effective
        self.permitted = permitted
        self.inheritable = inheritable
        self.ambient = ambient
        self.warnings = warnings


def mask(names: "Iterable[str]") -> "tuple[int, list[str]]":
    """The names as a bit mask, and those that are no capability's name (names are case-sensitive, as in runc)."""
    bits = 0
    unknown = []
    for name in names:
        bit = _BITS.get(name)
        if bit is None:
            unknown.append(name)
        else:
            bits |= bit
    return bits, unknown


def names_of(bits: int) -> "list[str]":
    """The names of the capabilities in a mask, in the kernel's order."""
    return [name for number, name in enumerate(NAMES) if bits >> number & 1]


def plan_capabilities(
    process: "Mapping[str, Any]", last_cap: int, own_permitted: int, own_bounding: int
) -> CapabilitySets:
    """The five sets of process.capabilities, less what cannot be granted.

    last_cap is the kernel's highest capability; own_permitted and own_bounding are the runtime's sets (pass ALL
    for a container in a user namespace of its own, whose first process has every capability there).

    Without process.capabilities all sets are empty, as in runc.  The sets are independent: nothing is copied
    from one into another.  The spec wants a warning and no failure for what cannot be granted, so a name that
    nobody knows, a capability that the runtime itself lacks, an effective one that is not permitted, an
    and an inheritable one that is not in the bounding set are left out, each with a warning.  (runc fails on some
    of these: "unable to apply caps".)  An ambient one that is not both permitted and inheritable is left out
    silently, as by runc: engines fill that set and leave the inheritable one empty, by habit.
    """
    asked = process.get("capabilities") or {}
    unknown: list[str] = []
    wanted = []
    for kind in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        bits, strange = mask(asked.get(kind) or ())
        wanted.append(bits)
        unknown += [name for name in strange if name not in unknown]

    supported = (1 << last_cap + 1) - 1
    bounding, effective, permitted, inheritable, ambient = wanted
    unsupported = (bounding | effective | permitted | inheritable | ambient) & ~supported

    granted_bounding = bounding & supported & own_bounding
    granted_permitted = permitted & supported & own_permitted
    granted_effective = effective & granted_permitted
    # capset(2): what is new in the inheritable set must be in the bounding set, which has been cut by then;
    # without CAP_SETPCAP it must be permitted too.
    granted_inheritable = inheritable & granted_bounding
    if not own_permitted >> CAP_SETPCAP & 1:
        granted_inheritable &= own_permitted
    granted_ambient = ambient & granted_permitted & granted_inheritable

    warnings = []
    if unknown or unsupported:
        warnings.append(_warning("ignoring unknown or unavailable capabilities", unknown + names_of(unsupported)))
    for kind, lost, cause in (
        ("bounding", bounding & ~granted_bounding, "the runtime does not have them"),
        ("permitted", permitted & ~granted_permitted, "the runtime does not have them"),
        ("effective", effective & ~granted_effective, "they are not permitted"),
        ("inheritable", inheritable & ~granted_inheritable, "they are not in the bounding set"),
    ):
        lost &= supported
        if lost:
            warnings.append(_warning(f"cannot grant {kind} capabilities, {cause}", names_of(lost)))
    return CapabilitySets(
        granted_bounding, granted_effective, granted_permitted, granted_inheritable, granted_ambient, warnings
    )


def add_capabilities(process: "Mapping[str, Any]", names: "Iterable[str]") -> "dict[str, Any]":
    """The process with capabilities added, by the rule of `exec --cap`.

    They are added to the bounding, effective and permitted sets, never to the inheritable one (a program with
    inheritable file capabilities would gain them: CVE-2022-29162), and to the ambient set only where the process
    has inheritable ones already.  process is not changed.
    """
    sets = dict(process.get("capabilities") or {})
    kinds = ["bounding", "effective", "permitted"]
    if sets.get("inheritable"):
        kinds.append("ambient")
    names = list(names)
    for kind in kinds:
        present = sets.get(kind) or []
        sets[kind] = [*present, *(name for name in names if name not in present)]
    return {**process, "capabilities": sets}


def kept(sets: CapabilitySets, steps: int) -> bytes:
    """The record that lets pyrunc-init keep what the process is to have and what its own steps need (masks)."""
    return record(TAG_KEEP, u64(sets.permitted | sets.inheritable | steps))


def _warning(text: str, names: "list[str]") -> str:
    return f"{text}: [{' '.join(names)}]"
