"""From the values of the spec, which are cgroup v1's, to the files of cgroup v2: runc's documented conversions."""

from pyrunc.cgroups.v1 import MAX_SHARES, MIN_SHARES
from pyrunc.errors import PyruncError

UNLIMITED = -1

MIN_WEIGHT, MAX_WEIGHT = 1, 10000  # cpu.weight and io.weight; the default is 100
DEFAULT_PERIOD = 100000  # microseconds, of cpu.max


def number(value: int) -> str:
    """A limit as a v2 file takes it: -1 (any negative number) is "max"."""
    return "max" if value < 0 else str(value)


def cpu_weight(shares: int) -> int:
    """cpu.weight (1 to 10000) for cpu.shares (2 to 262144), by the quadratic formula of runc >= 1.3.2.

    It maps minimum, default and maximum onto each other (2 -> 1, 1024 -> 100, 262144 -> 10000); the linear formula
    of older versions mapped the default 1024 to 39.
    """
    if shares <= MIN_SHARES:
        return MIN_WEIGHT
    if shares >= MAX_SHARES:
        return MAX_WEIGHT
    logarithm = log2(shares)
    exponent = (logarithm * logarithm + 125 * logarithm) / 612.0 - 7.0 / 34.0
    power: float = 10.0**exponent
    weight = int(power)
    return weight if weight == power else weight + 1  # rounded up


def log2(value: int) -> float:
    """The binary logarithm of a positive number, exact for powers of two (`math` is a shared object to load)."""
    whole = value.bit_length() - 1
    rest = value / (1 << whole)  # 1 <= rest < 2
    result, bit = float(whole), 0.5
    while rest != 1.0 and bit > 1e-16:  # each squaring gives the next binary digit
        rest *= rest
        if rest >= 2.0:
            rest /= 2.0
            result += bit
        bit /= 2.0
    return result


def cpu_max(quota: int, period: int) -> str:
    """cpu.max for a quota and period in microseconds; a quota <= 0 is none, a period of 0 the default."""
    return f"{quota if quota > 0 else 'max'} {period or DEFAULT_PERIOD}"


def swap_max(limit: int, swap: int, place: str = "linux.resources.memory.swap") -> "int | None":
    """memory.swap.max (swap alone) for the spec's swap (memory plus swap), None to leave it alone.

    Raises PyruncError where the spec's pair has no meaning.
    """
    if limit == UNLIMITED and swap == 0:
        return UNLIMITED  # as on v1: memory without limit means swap without limit
    if swap == 0:
        return None
    if swap == UNLIMITED:
        return UNLIMITED
    if limit in (0, UNLIMITED):
        raise PyruncError("unable to set swap limit without memory limit", place=place)
    if swap < limit:
        raise PyruncError("memory+swap limit should be >= memory limit", place=place)
    return swap - limit


def io_weight(weight: int) -> int:
    """io.weight (1 to 10000) for blkio.weight (10 to 1000), linear."""
    return 1 + (weight - 10) * 9999 // 990


def rate(value: int) -> str:
    """A rate of io.max: 0 means none, as in v1's throttle files; v2 wants the word."""
    return "max" if value == 0 else str(value)
