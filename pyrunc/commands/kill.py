"""pyrunc kill: a signal for the container's first process, with --all for all of them."""

from pyrunc.container import Container
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation

SIGTERM = 15
# The first and last real-time signals as the C library numbers them: 32 and 33 are its own.
SIGRTMIN = 34
SIGRTMAX = 64

# In the kernel's order, the same on x86_64 and aarch64: the first is number 1.
NAMES = (
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
)  # fmt: skip
ALIASES = {"IOT": 6, "CLD": 17, "POLL": 29, "UNUSED": 31}


def run(invocation: "Invocation") -> int:
    """Sends the signal.  Raises PyruncError."""
    arguments = invocation.arguments
    container = Container.load(invocation.root, arguments[0])
    signal = parse_signal(arguments[1]) if len(arguments) > 1 else SIGTERM
    container.kill(signal, all=invocation.options.flag("all"))
    return 0


def parse_signal(text: str) -> int:
    """The number of a signal given as a number or a name ("9", "KILL", "sigkill", "RTMIN+3").

    0 only asks whether the process is there.  Raises PyruncError with runc's words for anything else.
    """
    if text.isascii() and text.isdigit():
        if len(text) <= 2 and int(text) <= SIGRTMAX:
            return int(text)
        raise PyruncError(f'unknown signal "{text}"', hint=f"signals are numbered 1 to {SIGRTMAX}")
    name = text.upper().removeprefix("SIG")
    if name in NAMES:
        return NAMES.index(name) + 1
    number = ALIASES.get(name) or _parse_realtime(name)
    if not number:
        raise PyruncError(f'unknown signal "{text}"', hint="give a number, or a name such as TERM or SIGKILL")
    return number


def _parse_realtime(name: str) -> int:
    """RTMIN, RTMIN+n, RTMAX, RTMAX-n; 0 for anything else."""
    for start, base, sign in (("RTMIN", SIGRTMIN, "+"), ("RTMAX", SIGRTMAX, "-")):
        if name == start:
            return base
        offset = name.removeprefix(start + sign)
        if offset != name and offset.isascii() and offset.isdigit() and len(offset) <= 2:
            number = base + int(sign + offset)
            return number if SIGRTMIN <= number <= SIGRTMAX else 0
    return 0
