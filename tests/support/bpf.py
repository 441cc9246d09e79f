"""A classic BPF interpreter, as much of it as seccomp programs use: says what the kernel would answer."""

import struct
from collections.abc import Callable

_JUMPS: "dict[int, Callable[[int, int], bool]]" = {
    0x15: lambda a, k: a == k,  # JEQ
    0x25: lambda a, k: a > k,  # JGT
    0x35: lambda a, k: a >= k,  # JGE
    0x45: lambda a, k: bool(a & k),  # JSET
}


def run(program: bytes, arch: int, nr: int, args: "tuple[int, ...]" = ()) -> int:
    """The SECCOMP_RET_* value for one system call on a little-endian machine; ValueError for a malformed program."""
    args = (*args, *(0,) * (6 - len(args)))
    data = struct.pack("<IIQ6Q", nr & 0xFFFFFFFF, arch, 0, *args)
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator = 0
    place = 0
    while place < len(instructions):
        code, jt, jf, k = instructions[place]
        place += 1
        if code == 0x20:  # LD W ABS
            if k % 4 or k > len(data) - 4:
                raise ValueError(f"load from offset {k}")
            accumulator = int.from_bytes(data[k : k + 4], "little")
        elif code == 0x54:  # ALU AND K
            accumulator &= k
        elif code == 0x05:  # JA
            place += k
        elif code == 0x06:  # RET K
            return int(k)
        elif code in _JUMPS:
            place += jt if _JUMPS[code](accumulator, k) else jf
        else:
            raise ValueError(f"instruction {code:#x}")
    raise ValueError("ran off the end")
