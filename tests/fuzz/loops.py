"""The three ways to come by inputs: by coverage, by what check() returns, and by a hypothesis strategy."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType

from tests.fuzz.target import Finding, Target, observe, regressions

MAX_LENGTH = 1 << 16
MAX_POOL = 2000
MAX_FINDINGS = 40


class Score:
    """What a run came to, written to a folder now and then (libFuzzer does not come back); None: not written."""

    def __init__(self, seconds: float, folder: "Path | None" = None) -> None:
        self.folder = folder
        self.began = time.monotonic()
        self.ends = self.began + seconds
        self.written = self.began
        self.executions = 0
        self.labels: set[str] = set()
        self.findings: dict[str, Finding] = {}

    def add(self, finding: Finding) -> None:
        """Keeps it, if it is the first of its kind."""
        if finding.key not in self.findings:
            self.findings[finding.key] = finding
            if self.folder:
                finding.save(self.folder / "found")

    def over(self) -> bool:
        """Whether to end."""
        now = time.monotonic()
        if now - self.written > 1.0:
            self.written = now
            self.write()
        return now >= self.ends or len(self.findings) >= MAX_FINDINGS

    def write(self) -> None:
        """Writes FOLDER/score.json."""
        if self.folder is None:
            return
        score = {
            "executions": self.executions,
            "seconds": round(time.monotonic() - self.began, 1),
            "ways": len(self.labels),
            "findings": {key: finding.summary for key, finding in self.findings.items()},
        }
        new = self.folder / "score.json.new"
        new.write_text(json.dumps(score))
        new.rename(self.folder / "score.json")


def run(target: Target, score: Score, data: bytes) -> bool:
    """Runs one input and counts it.  Whether it went a way that none went before."""
    outcome = observe(target, data)
    score.executions += 1
    if isinstance(outcome, Finding):
        score.add(outcome)
        return False
    new = outcome not in score.labels
    score.labels.add(outcome)
    return new


def begin(target: Target) -> list[bytes]:
    """The seeds, and what found something once."""
    return [*target.seeds(), *(path.read_bytes() for path in regressions(target.name))]


def changed(target: Target, score: Score, seed: int) -> None:
    """Changes seeds, and what went a new way, at random."""
    random = Random(seed)
    pool = begin(target)
    for data in pool:
        run(target, score, data)
    while not score.over():
        data = target.mutate(random.choice(pool), random)[:MAX_LENGTH]
        if run(target, score, data) and len(pool) < MAX_POOL:
            pool.append(data)


def generate(target: Target, score: Score, seed: int) -> None:
    """What hypothesis makes, in rounds, each with a seed of its own.  What fails is kept as it was first found: other
    inputs of the round are worth more than a shorter one."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    for data in begin(target):
        run(target, score, data)

    class Over(Exception):
        """The time is over."""

    while not score.over():

        @seeded(seed)
        @settings(
            max_examples=300,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(target.strategy)
        def one_round(data: bytes) -> None:
            run(target, score, data)
            if score.over():
                raise Over

        try:
            one_round()
        except Over:
            return
        seed += 1


def guided(target: Target, score: Score, seed: int, atheris: ModuleType, finish: "Callable[[], None]") -> None:
    """libFuzzer's loop.  It does not come back: finish() is called when the time is over, and the process ends."""
    assert score.folder is not None
    inputs, seeds = score.folder / "corpus", score.folder / "seeds"
    for place in (inputs, seeds):
        place.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(begin(target)):
        (seeds / str(number)).write_bytes(data)
    random = Random(seed)

    def one(data: bytes) -> None:
        run(target, score, data)
        if score.over():
            finish()
            sys.stdout.flush()
            os._exit(0)

    def change(data: bytes, most: int, number: int) -> bytes:
        random.seed(number)
        if random.randrange(4) == 0:
            changed: bytes = atheris.Mutate(data, most)
            return changed
        return target.mutate(data, random)[:most]

    arguments = [
        sys.argv[0],
        f"-seed={seed % (1 << 31)}",
        f"-max_len={MAX_LENGTH}",
        "-timeout=60",
        "-rss_limit_mb=0",
        "-len_control=0",
        f"-artifact_prefix={score.folder}/",
        str(inputs),
        str(seeds),
    ]
    atheris.Setup(arguments, one, custom_mutator=change)
    atheris.Fuzz()
