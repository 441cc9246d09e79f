"""System calls that are younger than the profile fail with ENOSYS, whatever the profile's default action is.

A profile lists what its author knew.  For a system call that came later its default action (mostly EPERM) is the
wrong answer: C libraries and language runtimes fall back to an older call on ENOSYS only, so a new C library in
an image would break under an old profile.  As in runc, "younger" means: a number greater than that of every
system call the profile names, for whatever action, on that architecture.  The rule is a few BPF instructions
before libseccomp's program (which cannot express it); what it does not decide falls through to that program.
"""

import errno
import struct

# linux/filter.h, linux/bpf_common.h
BPF_LD_W_ABS = 0x20
BPF_JMP_JA = 0x05
BPF_JMP_JEQ_K = 0x15
BPF_JMP_JGT_K = 0x25
BPF_JMP_JGE_K = 0x35
BPF_RET_K = 0x06
# linux/seccomp.h
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_DATA_NR = 0
SECCOMP_DATA_ARCH = 4
# linux/audit.h; asm/unistd.h.  x32 shares the architecture of x86_64 and sets a bit in the number;
# libseccomp tells them apart by a token of its own.
AUDIT_ARCH_X86_64 = 0xC000003E
SCMP_ARCH_X32 = 0x4000003E
X32_SYSCALL_BIT = 0x40000000

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant

_ENOSYS: _Instruction = (BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS)
_LOAD_NR: _Instruction = (BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_NR)
_TO_PROGRAM: _Instruction = (BPF_JMP_JA, 0, 0, 0)  # the distance is filled in at the end


def enosys_prolog(largest: dict[int, int]) -> bytes:
    """The instructions to put before a program, from each architecture's largest known system call number.

    The keys are libseccomp's architecture tokens; an architecture that is not among them is left to the program.
    """
    if not largest:
        return b""
    instructions: list[_Instruction] = [(BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_ARCH)]
    for arch in dict.fromkeys(AUDIT_ARCH_X86_64 if arch == SCMP_ARCH_X32 else arch for arch in largest):
        block = [_LOAD_NR]
        if arch == AUDIT_ARCH_X86_64:
            ordinary = _limit(largest.get(AUDIT_ARCH_X86_64))
            block.append((BPF_JMP_JGE_K, len(ordinary), 0, X32_SYSCALL_BIT))
            block += ordinary + _limit(largest.get(SCMP_ARCH_X32))
        else:
            block += _limit(largest[arch])
        instructions.append((BPF_JMP_JEQ_K, 0, len(block), arch))
        instructions += block
    end = len(instructions)
    return b"".join(
        struct.pack("=HBBI", code, jt, jf, end - place - 1 if code == BPF_JMP_JA else k)
        for place, (code, jt, jf, k) in enumerate(instructions)
    )


def _limit(largest: "int | None") -> list[_Instruction]:
    """With the number loaded: ENOSYS above the largest known, else on to the program."""
    if largest is None:
        return [_TO_PROGRAM]
    return [(BPF_JMP_JGT_K, 0, 1, largest), _ENOSYS, _TO_PROGRAM]
