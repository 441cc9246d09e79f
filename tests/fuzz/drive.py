"""Drives one fuzzer for a time, and keeps the score in DIR/score.json.

usage: python -m tests.fuzz.drive NAME --seconds N --folder DIR [--seed N] [--plain]

With atheris (libFuzzer for Python) inputs are chosen by the code that they reach; without it, or with --plain, by what
the fuzzer's check() returns.  A finding does not end it: it goes to DIR/found, once for each kind.
"""

import argparse
import os
from pathlib import Path
from types import ModuleType

from tests.fuzz.loops import Score, changed, generate, guided
from tests.fuzz.target import Target, targets


def main() -> None:
    """Reads the options and drives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--plain", action="store_true", help="without coverage, even where there is atheris")
    options = parser.parse_args()
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    atheris = None if options.plain else import_atheris()
    target = load(options.name, atheris)
    target.setup()
    score = Score(options.seconds, folder)

    def finish() -> None:
        for finding in target.finish():
            score.add(finding)
        score.write()
        target.close()

    if target.strategy is not None:
        generate(target, score, options.seed)
    elif atheris:
        guided(target, score, options.seed, atheris, finish)
        raise SystemExit("libFuzzer came back")
    else:
        changed(target, score, options.seed)
    finish()


def import_atheris() -> "ModuleType | None":
    """atheris, where it is installed."""
    try:
        import atheris
    except ImportError:
        return None
    module: ModuleType = atheris
    return module


def load(name: str, atheris: "ModuleType | None") -> Target:
    """The fuzzer; with atheris all of pyrunc that it imports reports what it runs."""
    if atheris is None:
        return targets()[name]
    with atheris.instrument_imports(include=["pyrunc"], enable_loader_override=False):
        return targets()[name]


if __name__ == "__main__":
    main()
