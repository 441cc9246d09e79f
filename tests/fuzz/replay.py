"""The plans of configurations, as digests: the same in every process, however it hashes strings.

usage: python -m tests.fuzz.replay FILE...
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from pyrunc.errors import PyruncError
from pyrunc.namespaces import without_own_user
from pyrunc.plan import Plan
from pyrunc.spec import check, load
from tests.fuzz.picture import picture

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def digest(data: bytes) -> str:
    """What is said of a configuration, or what its plans on every kind of host look like."""
    from tests.fuzz.config_target import all_facts

    said = []
    for facts in all_facts():
        try:
            config = load.parse(data, "config.json")
            check.check_config(config)
            said.append(picture(Plan(without_own_user(config), "c1", "/bundle", facts, False), ("config",)))
        except PyruncError as error:
            said.append(str(error))
    return hashlib.sha256("\n".join(said).encode("utf-8", "surrogateescape")).hexdigest()


def different(files: list[Path]) -> list[Path]:
    """The configurations that two processes, which hash differently, plan differently."""
    answers = []
    for seed in ("1", "2"):
        ended = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.replay", *map(str, files)],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        answers.append(ended.stdout.split())
    return [file for file, one, other in zip(files, *answers, strict=True) if one != other]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(digest(Path(name).read_bytes()))
