"""linux.seccomp -> BPF, by libseccomp.  Cold: only a miss of the cache in seccomp.py gets here.

What pyseccomp does not wrap (the version) is called through its handle of the library.
"""

import ctypes
import errno
import os

from pyrunc.errors import ConfigError, PyruncError, reason_of
from pyrunc.security.conditions import Condition, Rule, libseccomp_gets_wrong, rules_code, without_conditions
from pyrunc.security.prolog import Decided, prolog
from pyrunc.security.seccomp import BPF_MAXINSNS

try:
    import pyseccomp
except (ImportError, RuntimeError, OSError) as error:
    raise PyruncError(
        f"cannot compile a seccomp profile: {error}",
        operation="load libseccomp",
        hint="install libseccomp 2.5 or later (libseccomp.so.2) and the Python package pyseccomp",
    ) from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import IO, Any

SCMP_ACT_ALLOW = pyseccomp.ALLOW
SCMP_ACT_LOG = pyseccomp.LOG
ACTIONS = {
    "SCMP_ACT_KILL": pyseccomp.KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": pyseccomp.KILL_PROCESS,
    "SCMP_ACT_KILL_THREAD": pyseccomp.KILL_THREAD,
    "SCMP_ACT_TRAP": pyseccomp.TRAP,
    "SCMP_ACT_ALLOW": SCMP_ACT_ALLOW,
    "SCMP_ACT_LOG": SCMP_ACT_LOG,
    "SCMP_ACT_NOTIFY": pyseccomp.NOTIFY,
}
# The actions that carry a number: its largest value (MAX_ERRNO; SECCOMP_RET_DATA), and how it is put in.
NUMBERED_ACTIONS = {
    "SCMP_ACT_ERRNO": (4095, pyseccomp.ERRNO),
    "SCMP_ACT_TRACE": (0xFFFF, pyseccomp.TRACE),
}
OPERATORS = {
    "SCMP_CMP_NE": pyseccomp.NE,
    "SCMP_CMP_LT": pyseccomp.LT,
    "SCMP_CMP_LE": pyseccomp.LE,
    "SCMP_CMP_EQ": pyseccomp.EQ,
    "SCMP_CMP_GE": pyseccomp.GE,
    "SCMP_CMP_GT": pyseccomp.GT,
    "SCMP_CMP_MASKED_EQ": pyseccomp.MASKED_EQ,
}
# libseccomp's tokens are the kernel's AUDIT_ARCH_* (linux/audit.h), except for x32.  pyseccomp lacks the last ones.
ARCHITECTURES = {
    "SCMP_ARCH_X86": 0x40000003,
    "SCMP_ARCH_X86_64": 0xC000003E,
    "SCMP_ARCH_X32": 0x4000003E,
    "SCMP_ARCH_ARM": 0x40000028,
    "SCMP_ARCH_AARCH64": 0xC00000B7,
    "SCMP_ARCH_MIPS": 0x00000008,
    "SCMP_ARCH_MIPS64": 0x80000008,
    "SCMP_ARCH_MIPS64N32": 0xA0000008,
    "SCMP_ARCH_MIPSEL": 0x40000008,
    "SCMP_ARCH_MIPSEL64": 0xC0000008,
    "SCMP_ARCH_MIPSEL64N32": 0xE0000008,
    "SCMP_ARCH_PPC": 0x00000014,
    "SCMP_ARCH_PPC64": 0x80000015,
    "SCMP_ARCH_PPC64LE": 0xC0000015,
    "SCMP_ARCH_S390": 0x00000016,
    "SCMP_ARCH_S390X": 0x80000016,
    "SCMP_ARCH_PARISC": 0x0000000F,
    "SCMP_ARCH_PARISC64": 0x8000000F,
    "SCMP_ARCH_RISCV64": 0xC00000F3,
    "SCMP_ARCH_LOONGARCH64": 0xC0000102,
    "SCMP_ARCH_M68K": 0x00000004,
    "SCMP_ARCH_SH": 0x4000002A,
    "SCMP_ARCH_SHEB": 0x0000002A,
}
# A default action under which a system call that nobody knew is not refused.  A tracer and an agent answer unknown
# calls themselves.
PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY")

SCMP_FLTATR_CTL_OPTIMIZE = pyseccomp.Attr.CTL_OPTIMIZE
_NO_SUCH_SYSCALL = -1  # __NR_SCMP_ERROR
# seccomp-syscalls.h: the numbers of what is, on some architectures, a part of socketcall(2) or ipc(2).
_MULTIPLEXED = (-299, -100)
# Bits of an architecture's token (linux/audit.h).
_AUDIT_ARCH_64BIT = 0x80000000
_AUDIT_ARCH_MIPS64_N32 = 0x20000000


class Compiled:
    """program: struct sock_filter[]; warnings: for the debug log; library: libseccomp's path, "" if unknown."""

    __slots__ = ("library", "program", "warnings")

    def __init__(self, program: bytes, warnings: list[str], library: str) -> None:
        self.program = program
        self.warnings = warnings
        self.library = library


def compile_profile(seccomp: "Mapping[str, Any]", *, tree: bool = True) -> Compiled:
    """Compiles linux.seccomp for this machine.

    tree: look system calls up in a binary tree, which the kernel loads three times as fast as a list.

    Raises ConfigError for what has no meaning (an errno for an action that takes none, an unknown name of an
    action, architecture or operator), PyruncError for what libseccomp or the kernel cannot do.
    """
    default_name = seccomp["defaultAction"]
    default = _action(default_name, seccomp.get("defaultErrnoRet"), "linux.seccomp.default", "Action", "ErrnoRet")
    archs = _architectures(seccomp.get("architectures") or ())
    try:
        native = pyseccomp.system_arch()
        program = pyseccomp.SyscallFilter(default)
        for name, arch in archs.items():
            if arch != native:
                _add_architecture(program, name, arch)
        program.set_attr(SCMP_FLTATR_CTL_OPTIMIZE, 2 if tree else 1)
    except OSError as error:
        raise _refused(error, f"a filter with the default action {default_name}", "linux.seccomp") from error

    rules, unknown = _rules(seccomp.get("syscalls") or ())
    conditional = {(name, tuple(rule.conditions)) for name, entries in rules.items() for rule in entries}
    if len(conditional) > BPF_MAXINSNS:
        # Each is an instruction at least, and libseccomp's time grows with the square of their number.
        reason = f"{len(conditional)} rules, and a filter has no more than {BPF_MAXINSNS} instructions"
        raise PyruncError(reason, operation="compile the filter", place="linux.seccomp.syscalls")
    own = {name for name, entries in rules.items() if _is_own(name, entries, archs.values())}
    for name, entries in rules.items():
        for rule in entries if name not in own else ():
            # libseccomp refuses a rule that changes nothing.
            if rule.action != default:
                _add_rule(program, name, rule)

    warnings = []
    if unknown:
        warnings.append(f"seccomp: ignoring system calls unknown to libseccomp {version()}: {', '.join(unknown)}")
    for arch_name, arch in archs.items():
        parts = [name for name in own if _part_of_another(arch, name)]
        if parts:
            warnings.append(f"seccomp: {', '.join(sorted(parts))}: no conditions on {arch_name}, which hides arguments")
        for name in parts:
            rule = without_conditions(rules[name])
            if rule.action != default:
                _add_rule(program, name, rule)

    younger = default_name not in PERMISSIVE and default != pyseccomp.ERRNO(errno.ENOSYS)
    before = {}
    for arch in dict.fromkeys((native, *archs.values())):
        calls = {int(pyseccomp.resolve_syscall(arch, name)): rules[name] for name in own}
        words = 2 if arch & _AUDIT_ARCH_64BIT and not arch & _AUDIT_ARCH_MIPS64_N32 else 1
        before[arch] = Decided(
            _largest(arch, rules) if younger else None,
            {number: rules_code(entries, default, words) for number, entries in calls.items() if number >= 0},
        )
    return Compiled(prolog(before) + _export(program), warnings, library_path())


def version() -> str:
    """libseccomp's version, as in "2.5.4"."""
    library = pyseccomp._libseccomp
    library.seccomp_version.restype = ctypes.POINTER(ctypes.c_uint * 3)
    return ".".join(str(number) for number in library.seccomp_version().contents)


def library_path() -> str:
    """The file that libseccomp was loaded from, "" when that cannot be told."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if path.rpartition("/")[2].startswith("libseccomp.so"):
                return f"/{path}"
    return ""


def _action(name: str, number: "int | None", place: str, action_field: str, number_field: str) -> int:
    """The SCMP_ACT_* value; the number is an errno or a tracer's message, EPERM when not given."""
    if name in NUMBERED_ACTIONS:
        largest, make = NUMBERED_ACTIONS[name]
        if number is None:
            number = errno.EPERM
        if not 0 <= number <= largest:
            raise ConfigError(f"{place}{number_field}: {number} is not from 0 to {largest}, the range of {name}")
        return int(make(number))
    if name not in ACTIONS:
        raise ConfigError(f'{place}{action_field}: unknown seccomp action "{name}"')
    if number is not None:
        raise ConfigError(f"{place}{number_field}: the action {name} takes no errno")
    return int(ACTIONS[name])


def _architectures(names: "tuple[str, ...] | list[str]") -> dict[str, int]:
    archs = {}
    for number, name in enumerate(names):
        if name not in ARCHITECTURES:
            raise ConfigError(f'linux.seccomp.architectures[{number}]: unknown architecture "{name}"')
        archs[name] = ARCHITECTURES[name]
    return archs


def _add_architecture(program: "pyseccomp.SyscallFilter", name: str, arch: int) -> None:
    try:
        program.add_arch(arch)
    except OSError as error:
        raise _refused(error, f"the architecture {name} on this machine", "linux.seccomp.architectures") from error


def _rules(entries: "list[dict[str, Any]] | tuple[()]") -> tuple[dict[str, list[Rule]], list[str]]:
    """The rules of each system call, in order, and the names that this libseccomp does not know."""
    rules: dict[str, list[Rule]] = {}
    unknown: dict[str, None] = {}
    for number, entry in enumerate(entries):
        place = f"linux.seccomp.syscalls[{number}]"
        action = _action(entry["action"], entry.get("errnoRet"), f"{place}.", "action", "errnoRet")
        alternatives = _conditions(entry.get("args") or (), place)
        for name in entry["names"]:
            if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) == _NO_SUCH_SYSCALL:
                unknown[name] = None
                continue
            rules.setdefault(name, []).extend(Rule(action, conditions, place) for conditions in alternatives)
    return rules, list(unknown)


def _conditions(args: "list[dict[str, Any]] | tuple[()]", place: str) -> list[list[Condition]]:
    """The argument conditions of one entry, as a list of rules that each are a list of conditions.

    All conditions hold together, as one rule, unless two of them are about the same argument: libseccomp cannot
    say that, and runc then makes every condition a rule of its own, any of which suffices.  So do we, since
    profiles are written for that.
    """
    conditions: list[Condition] = []
    for number, arg in enumerate(args):
        if arg["op"] not in OPERATORS:
            raise ConfigError(f'{place}.args[{number}].op: unknown operator "{arg["op"]}"')
        if not 0 <= arg["index"] <= 5:
            raise ConfigError(f"{place}.args[{number}].index: a system call has the arguments 0 to 5")
        conditions.append((arg["index"], arg["op"], arg["value"], arg.get("valueTwo", 0)))
    if len({arg["index"] for arg in args}) < len(conditions):
        return [[condition] for condition in conditions]
    return [conditions]


def _add_rule(program: "pyseccomp.SyscallFilter", name: str, rule: Rule) -> None:
    args = [pyseccomp.Arg(index, OPERATORS[op], value, two) for index, op, value, two in rule.conditions]
    try:
        # Not add_rule_exactly: what an architecture does not have, or takes apart, is libseccomp's to adapt.
        program.add_rule(rule.action, name, *args)
    except OSError as error:
        raise _refused(error, f"the rule for {name}", rule.place) from error


def _is_own(name: str, rules: list[Rule], archs: "Iterable[int]") -> bool:
    """Whether the rules of a system call are compiled here.  Of two with conditions on the arguments, libseccomp
    refuses the second (EEXIST) or mixes them up where the call is a part of another."""
    several = len(rules) > 1 and any(rule.conditions for rule in rules)
    return libseccomp_gets_wrong(rules) or (several and any(_part_of_another(arch, name) for arch in archs))


def _part_of_another(arch: int, name: str) -> bool:
    """Whether an architecture has the system call as a part of socketcall(2) or ipc(2), which a filter sees only as
    a number and a pointer to the arguments."""
    return _MULTIPLEXED[0] <= int(pyseccomp.resolve_syscall(arch, name)) <= _MULTIPLEXED[1]


def _unnamed() -> "IO[bytes]":
    """An empty file that nobody else can open: in memory, or where that is refused in the folder for such files."""
    try:
        return open(os.memfd_create("seccomp", os.MFD_CLOEXEC), "r+b")
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        import tempfile

        return tempfile.TemporaryFile()


def _export(program: "pyseccomp.SyscallFilter") -> bytes:
    with _unnamed() as file:
        program.export_bpf(file)
        file.seek(0)
        return file.read()


def _largest(arch: int, names: "Iterable[str]") -> "int | None":
    """The largest number of the named system calls on an architecture, None where it has none of them."""
    # Negative numbers are libseccomp's own, for what the architecture does not have.
    return max((n for name in names if (n := pyseccomp.resolve_syscall(arch, name)) >= 0), default=None)


def _refused(error: OSError, what: str, place: str) -> PyruncError:
    reason = f"libseccomp {version()} refuses {what}: {reason_of(error.errno or 0)}"
    return PyruncError(reason, place=place, errno=error.errno or 0)
