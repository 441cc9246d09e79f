"""Commits every fault of every bundle: `make faults`.

usage: run.py [--json FILE] [--seconds N] [BUNDLE ...]

Prints a table of what was injected and survived, and every fault that was not survived; the status is 1 then.
--seconds: for each bundle a sample of so long, instead of everything
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(CHECKOUT))

from tests.support import faults, folders, leaks, processes  # noqa: E402
from tests.support.faults_bundles import NAMES  # noqa: E402
from tests.support.rootfs import RootTemplate  # noqa: E402

SEED = 1


def one_bundle(name: str, folder: Path, template: RootTemplate, seconds: "float | None") -> faults.Tally:
    """All faults of one bundle, or a sample."""
    tally = faults.Tally()
    begin = time.monotonic()
    until = begin + seconds if seconds else None
    with faults.Victim(name, folder, template) as victim:
        cases = victim.cases() + victim.cases_inside()
        faults.torment(victim, faults.sampled(cases, SEED) if seconds else cases, tally, until)
    count = sum(tally.injected.values())
    took = time.monotonic() - begin
    print(f"{name}: {count} faults in {took:.0f} s, {len(tally.failures)} not survived", file=sys.stderr)
    return tally


def main() -> int:
    """The whole matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--seconds", type=float, metavar="N")
    parser.add_argument("bundles", nargs="*", metavar="BUNDLE", help=", ".join(NAMES))
    options = parser.parse_args()
    if unknown := set(options.bundles) - set(NAMES):
        parser.error(f"no such bundle: {', '.join(sorted(unknown))}")
    if os.geteuid():
        parser.error("only root can")
    leaks.token()
    processes.become_subreaper()
    folder = Path(tempfile.mkdtemp(prefix=leaks.prefix(), dir="/var/tmp"))
    folder.chmod(0o755)
    folders.make_private(folder)
    total = faults.Tally()
    try:
        template = RootTemplate(folder)
        for name in options.bundles or NAMES:
            total.merge(one_bundle(name, folder, template, options.seconds))
    finally:
        folders.remove(folder)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(faults.numbers(total), indent=1) + "\n")
    print(faults.table(total))
    print(f"{total.lives_after} lives of the same id after a fault; {len(total.missed)} faults found no such moment")
    for failure in total.failures:
        print(f"NOT SURVIVED: {failure}")
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
