"""Classic BPF as seccomp programs use it: instructions, and how to put blocks of them together."""

import struct
import sys

# linux/bpf_common.h: instruction class, size or operation, and operand in one number
LD_W_ABS = 0x20
ALU_AND_K = 0x54
JA = 0x05
JEQ_K = 0x15
JGT_K = 0x25
JGE_K = 0x35
RET_K = 0x06
# struct seccomp_data (linux/seccomp.h)
DATA_NR = 0
DATA_ARCH = 4
DATA_ARGS = 16

_MAX_CONDITIONAL_JUMP = 255

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant

# Leaves the block for what stands behind the whole program; assemble() knows how far that is.
TO_THE_END: Instruction = (JA, 0, 0, -1)


def load_argument(index: int, high: bool) -> Instruction:
    """Loads one half of a system call's argument."""
    second_word = high == (sys.byteorder == "little")
    return LD_W_ABS, 0, 0, DATA_ARGS + 8 * index + 4 * second_word


def if_equal(constant: int, block: list[Instruction]) -> list[Instruction]:
    """The block, run only when what is loaded is the constant."""
    return if_true((JEQ_K, 0, 0, constant), block)


def if_true(jump: Instruction, block: list[Instruction]) -> list[Instruction]:
    """The block, run only when the jump's comparison holds."""
    code, _, _, constant = jump
    if len(block) <= _MAX_CONDITIONAL_JUMP:
        return [(code, 0, len(block), constant), *block]
    return [(code, 1, 0, constant), (JA, 0, 0, len(block)), *block]


def assemble(instructions: list[Instruction]) -> bytes:
    """The instructions as an array of struct sock_filter (linux/filter.h)."""
    end = len(instructions)
    return b"".join(
        struct.pack("=HBBI", code, jt, jf, end - place - 1 if constant < 0 else constant)
        for place, (code, jt, jf, constant) in enumerate(instructions)
    )
