"""What stands before libseccomp's program, because libseccomp cannot say it or says it wrongly.

System calls that are younger than the profile fail with ENOSYS, whatever the profile's default action is.  A profile
lists what its author knew.  For a system call that came later its default action (mostly EPERM) is the wrong answer:
C libraries and language runtimes fall back to an older call on ENOSYS only, so a new C library in an image would
break under an old profile.  As in runc, "younger" means: a number greater than that of every system call the
profile names, for whatever action, on that architecture.

System calls whose rules are in conditions.py's care are decided here too.  All others go on to libseccomp's program.
"""

import errno

from pyrunc.security.bpf import (
    DATA_ARCH,
    DATA_NR,
    JGE_K,
    JGT_K,
    LD_W_ABS,
    RET_K,
    TO_THE_END,
    Instruction,
    assemble,
    if_equal,
    if_true,
)

SECCOMP_RET_ERRNO = 0x00050000  # linux/seccomp.h
# linux/audit.h; asm/unistd.h.  x32 shares the architecture of x86_64 and sets a bit in the number; libseccomp
# tells them apart by a token of its own.
AUDIT_ARCH_X86_64 = 0xC000003E
SCMP_ARCH_X32 = 0x4000003E
X32_SYSCALL_BIT = 0x40000000

_ENOSYS: Instruction = (RET_K, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS)


class Decided:
    """One architecture: largest, above which a number is ENOSYS (None: no limit), and the code for some numbers."""

    __slots__ = ("calls", "largest")

    def __init__(self, largest: "int | None", calls: "dict[int, list[Instruction]] | None" = None) -> None:
        self.largest = largest
        self.calls = calls or {}


def prolog(decided: dict[int, Decided]) -> bytes:
    """The instructions, from what is decided for each architecture (libseccomp's token).

    An architecture that is not among them is left to the program.
    """
    decided = {arch: what for arch, what in decided.items() if what.largest is not None or what.calls}
    if not decided:
        return b""
    instructions: list[Instruction] = [(LD_W_ABS, 0, 0, DATA_ARCH)]
    for arch in dict.fromkeys(AUDIT_ARCH_X86_64 if arch == SCMP_ARCH_X32 else arch for arch in decided):
        block = _decide(decided.get(arch))
        if arch == AUDIT_ARCH_X86_64:
            block = if_true((JGE_K, 0, 0, X32_SYSCALL_BIT), _decide(decided.get(SCMP_ARCH_X32))) + block
        instructions += if_equal(arch, [(LD_W_ABS, 0, 0, DATA_NR), *block])
    return assemble(instructions)


def _decide(what: "Decided | None") -> list[Instruction]:
    """With the number loaded: the answer, or on to the program."""
    block: list[Instruction] = []
    if what is not None:
        if what.largest is not None:
            block += if_true((JGT_K, 0, 0, what.largest), [_ENOSYS])
        for number, code in what.calls.items():
            block += if_equal(number, code)
    return [*block, TO_THE_END]
