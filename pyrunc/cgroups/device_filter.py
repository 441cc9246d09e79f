"""cgroup v2 has no device controller: a small eBPF program on the cgroup says yes or no to every open and mknod.

The program (BPF_PROG_TYPE_CGROUP_DEVICE, see Documentation/admin-guide/cgroup-v2.rst, "Device controller") is
assembled from the rules, last rule first: each decides about the permissions it names that no later rule decided.
"""

import posix
from errno import ENOENT, EPERM

from pyrunc import syscalls
from pyrunc._shim import ffi
from pyrunc.cgroups.devices import ANY, PLACE
from pyrunc.cgroups.files import open_cgroup
from pyrunc.cgroups.operations import DENIED
from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.base import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.cgroups.devices import Rule
    from pyrunc.operations.build import Build

# bpf(2), linux/bpf.h
BPF_PROG_LOAD = 5
BPF_PROG_ATTACH = 8
BPF_PROG_DETACH = 9
BPF_PROG_GET_FD_BY_ID = 13
BPF_PROG_QUERY = 16
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2
BPF_F_REPLACE = 4
MAX_PROGRAMS = 64  # that the kernel lets one cgroup have

DEVICE_TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*
ACCESS_BITS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_*
EVERY_ACCESS = 7

# Opcodes, as the kernel's macros make them (linux/filter.h).
LDX_W = 0x61  # BPF_LDX | BPF_MEM | BPF_W
MOV_K, MOV_X, AND_K, RSH_K = 0xB4, 0xBC, 0x54, 0x74  # BPF_ALU: 32 bits
JNE_K, JSET_K = 0x56, 0x46  # BPF_JMP32: the low 32 bits
JA, EXIT = 0x05, 0x95  # BPF_JMP

RESULT, CONTEXT, TYPE, ACCESS, MAJOR, MINOR = range(6)  # the registers
LICENSE = b"Apache\0"


def instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """struct bpf_insn on a little-endian machine."""
    packed = code | to << 8 | source << 12 | (offset & 0xFFFF) << 16 | (value & 0xFFFFFFFF) << 32
    return packed.to_bytes(8, "little")


def answer(allow: bool) -> "list[bytes]":
    return [instruction(MOV_K, RESULT, value=int(allow)), instruction(EXIT)]


def device_program(rules: "list[Rule]") -> bytes:
    """The program for rules in the order in which they apply; what no rule names is refused.

    A request may ask for several permissions at once; it is granted when for each of them the last rule that names
    the device and the permission allows it.
    """
    code = [
        instruction(LDX_W, TYPE, CONTEXT, 0),  # struct bpf_cgroup_dev_ctx: access_type, major, minor
        instruction(MOV_X, ACCESS, TYPE),
        instruction(AND_K, TYPE, value=0xFFFF),
        instruction(RSH_K, ACCESS, value=16),
        instruction(LDX_W, MAJOR, CONTEXT, 4),
        instruction(LDX_W, MINOR, CONTEXT, 8),
    ]
    default = False
    decisions: list[Rule] = []
    for rule in reversed(rules):
        if rule[1] == "a" and rule[2] == rule[3] == ANY and bits(rule[4]) == EVERY_ACCESS:
            default = rule[0]  # nothing before it matters, and the verifier refuses code that is never reached
            break
        decisions.append(rule)
    while decisions and decisions[-1][0] == default:
        decisions.pop()  # says what is so anyway
    for rule in decisions:
        code += rule_block(rule)
    return b"".join(code + answer(default))


def rule_block(rule: "Rule") -> "list[bytes]":
    """The instructions of one rule; they go on behind the block when it does not decide."""
    allow, kind, major, minor, access = rule
    mask = bits(access)
    if allow and mask != EVERY_ACCESS:
        # What is allowed needs no more deciding; the answer is yes when that was all.
        decide = [
            instruction(AND_K, ACCESS, value=EVERY_ACCESS & ~mask),
            instruction(JNE_K, ACCESS, offset=2, value=0),
            *answer(True),
        ]
    elif allow or mask == EVERY_ACCESS:
        decide = answer(allow)
    else:
        decide = [instruction(JSET_K, ACCESS, offset=1, value=mask), instruction(JA, offset=2), *answer(False)]
    conditions = [(TYPE, DEVICE_TYPES.get(kind, ANY)), (MAJOR, major), (MINOR, minor)]
    conditions = [(register, value) for register, value in conditions if value != ANY]
    block = []
    for index, (register, value) in enumerate(conditions):
        skip = len(conditions) - index - 1 + len(decide)
        block.append(instruction(JNE_K, register, offset=skip, value=value))
    return block + decide


def bits(access: str) -> int:
    return sum(ACCESS_BITS[letter] for letter in access)


class AttachDeviceFilter(Operation):
    """Puts the program for the rules on a cgroup2 directory, in the place of the one there.

    A refusal is no error for a rootless user (optional), nor when every device is allowed anyway.
    """

    __slots__ = ("directory", "optional", "program")

    def __init__(self, directory: str, rules: "list[Rule]", *, optional: bool = False) -> None:
        super().__init__(PLACE)
        self.directory = directory
        self.program = device_program(rules)
        self.optional = optional or self.program == device_program([(True, "a", ANY, ANY, "rwm")])

    def describe(self) -> str:
        return f"attach a device filter of {len(self.program) // 8} instructions to {self.directory}"

    def perform(self, build: "Build | None") -> None:
        try:
            cgroup = open_cgroup(self.directory)
        except OSError as error:
            if self.optional and error.errno == ENOENT:
                return  # rootless: the cgroup could not be made either
            raise
        try:
            replace_filters(cgroup, self.program)
        except SystemCallError as error:
            if not (self.optional and error.errno in DENIED):
                raise
        finally:
            posix.close(cgroup)


def replace_filters(cgroup: int, program: bytes) -> None:
    """Loads program and has it alone decide about devices on the cgroup (a descriptor).

    BPF_F_ALLOW_MULTI keeps the parents' programs in force.  There is no moment without a program: one old one is
    replaced in one step, several are detached after the new one is in place.
    """
    old = [bpf(BPF_PROG_GET_FD_BY_ID, u32(number)) for number in attached(cgroup)]
    try:
        new = load(program)
        try:
            flags = BPF_F_ALLOW_MULTI | (BPF_F_REPLACE if len(old) == 1 else 0)
            replaced = old[0] if len(old) == 1 else 0
            bpf(BPF_PROG_ATTACH, u32(cgroup, new, BPF_CGROUP_DEVICE, flags, replaced))
            if len(old) > 1:
                for fd in old:
                    bpf(BPF_PROG_DETACH, u32(cgroup, fd, BPF_CGROUP_DEVICE))
        finally:
            posix.close(new)
    finally:
        for fd in old:
            posix.close(fd)


def load(program: bytes) -> int:
    """A descriptor of the loaded program.  Raises PyruncError with the verifier's words when it is refused."""
    name = b"pyrunc_devices".ljust(16, b"\0")
    code, license = ffi.from_buffer(program), ffi.from_buffer(LICENSE)

    def attributes(log: "bytearray | None") -> bytes:
        return (
            u32(BPF_PROG_TYPE_CGROUP_DEVICE, len(program) // 8)
            + address(code)
            + address(license)
            + u32(1 if log else 0, len(log) if log else 0)
            + (address(ffi.from_buffer(log)) if log else bytes(8))
            + u32(0, 0)
            + name
        )

    try:
        return bpf(BPF_PROG_LOAD, attributes(None))
    except SystemCallError as error:
        if error.errno == EPERM:
            raise
        log = bytearray(65536)
        try:
            return bpf(BPF_PROG_LOAD, attributes(log))
        except SystemCallError as again:
            text = bytes(log).partition(b"\0")[0].decode("ascii", "replace").strip()
            raise PyruncError(f"load the device filter: {again}", hint=text, errno=again.errno or 0) from error


def attached(cgroup: int) -> "list[int]":
    """The numbers of the device programs that are on this very cgroup."""
    numbers = bytearray(4 * MAX_PROGRAMS)
    query = bytearray(u32(cgroup, BPF_CGROUP_DEVICE, 0, 0) + address(ffi.from_buffer(numbers)) + u32(MAX_PROGRAMS, 0))
    bpf(BPF_PROG_QUERY, query)
    count = int.from_bytes(query[24:28], "little")
    return [int.from_bytes(numbers[4 * index : 4 * index + 4], "little") for index in range(count)]


def bpf(command: int, attributes: "bytes | bytearray") -> int:
    return syscalls.bpf(command, attributes)  # type: ignore[arg-type]  # the kernel answers into a bytearray


def u32(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def address(buffer: object) -> bytes:
    return int(ffi.cast("uintptr_t", buffer)).to_bytes(8, "little")
