"""What a fuzzer is: seeds, a way to change them, and a check that raises when something is wrong.

Every input is bytes, whatever they stand for, so that one driver (drive.py) serves all, with coverage or without, and
an input that found something can be kept as a file in regressions/NAME/ for ever.
"""

import hashlib
import signal
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from tests.fuzz import mutate

REGRESSIONS = Path(__file__).parent / "regressions"
MEGABYTES = 200
"""What an input may add to the process's largest size."""


class Target:
    """One fuzzer.  `setup` comes before the first input, `close` after the last."""

    name = ""
    needs_root = False
    words: tuple[str, ...] = ()
    seconds = 1.0
    """Processor time that one input may take."""
    strategy: Any = None
    """A hypothesis strategy of bytes, for a fuzzer that makes its inputs instead of changing seeds."""

    def setup(self) -> None:
        """Makes what all inputs share."""

    def close(self) -> None:
        """Removes it."""

    def seeds(self) -> list[bytes]:
        """Where to begin."""
        return []

    def mutate(self, data: bytes, random: Random) -> bytes:
        """A changed input."""
        return mutate.octets(data, random, self.words)

    def check(self, data: bytes) -> str:
        """Runs one input.  What it raises is a finding; what it returns tells apart ways through the code."""
        raise NotImplementedError

    def finish(self) -> "Iterable[Finding]":
        """What only shows when all is done."""
        return ()


class Hang(BaseException):
    """An input took longer than it may.  Not an Exception: nothing on the way up takes it for an error of its own."""


class Finding:
    """What went wrong with an input.  Two of the same `key` are the same."""

    def __init__(self, data: bytes, error: BaseException) -> None:
        self.data = data
        self.text = "".join(traceback.format_exception(error))
        frames = [
            f"{frame.filename}:{frame.name}:{frame.lineno}"
            for frame in traceback.extract_tb(error.__traceback__)
            if "/pyrunc/" in frame.filename or "/tests/fuzz/" in frame.filename
        ]
        # A hang ends anywhere: what called it says more than where it was.
        depth = 4 if isinstance(error, Hang) else len(frames)
        kind = f"{type(error).__name__} {str(error).partition(':')[0] if isinstance(error, AssertionError) else ''}"
        self.key = hashlib.sha256("\n".join([kind, *frames[:depth]]).encode()).hexdigest()[:12]

    @property
    def summary(self) -> str:
        """The last line of what went wrong."""
        return self.text.strip().rpartition("\n")[2][:300]

    def save(self, folder: Path) -> None:
        """Writes the input, and beside it what went wrong."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.key).write_bytes(self.data)
        (folder / f"{self.key}.txt").write_text(f"{self.text}\ninput: {self.data[:2000]!r}\n")


def observe(target: Target, data: bytes) -> "str | Finding":
    """Runs one input within its limits: what check() says, or a Finding."""
    before = memory_from_now()
    try:
        label = within(target.seconds, lambda: target.check(data))
        grown = (peak_memory() - before) >> 10
        if grown > MEGABYTES:
            raise MemoryError(f"the input takes {grown} MB")
        return label
    except (Exception, Hang) as error:  # noqa: BLE001 this is what is looked for
        return Finding(data, error)


def memory_from_now() -> int:
    """What this process takes (kB); the peak begins anew with it, whatever there was before."""
    Path("/proc/self/clear_refs").write_text("5")  # proc(5)
    return peak_memory()


def peak_memory() -> int:
    """The most that this process has taken since (kB)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def within(seconds: float, run: "Callable[[], str]") -> str:
    """What run() returns.  Raises Hang when it takes longer, of processor time."""

    def stop(_signal: int, _frame: "FrameType | None") -> None:
        raise Hang(f"takes longer than {seconds:g} s")

    previous = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return run()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def regressions(name: str) -> list[Path]:
    """The inputs that once found something."""
    return sorted((REGRESSIONS / name).glob("*"))


def targets() -> dict[str, Target]:
    """All fuzzers in Python, by name."""
    from tests.fuzz.config_target import ConfigTarget, SchemaTarget
    from tests.fuzz.json_target import JsonTarget
    from tests.fuzz.options_target import OptionsTarget
    from tests.fuzz.parts_target import PartsTarget
    from tests.fuzz.paths_target import PathsTarget
    from tests.fuzz.setup_target import SetupTarget

    kinds = (ConfigTarget, SchemaTarget, PartsTarget, JsonTarget, OptionsTarget, PathsTarget, SetupTarget)
    found: list[Target] = [kind() for kind in kinds]
    return {target.name: target for target in found}
