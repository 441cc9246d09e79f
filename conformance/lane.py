"""One lane: engines one after the other, in namespaces of their own (`python -m conformance.lane PLAN`).

The plan is a JSON file; the outcomes are written beside it.
"""

import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conformance import enclosure
from conformance.engine import catalogue
from conformance.engine.attempt import Attempts

OUTCOMES = "outcomes.json"


def main(argv: list[str]) -> int:
    """Carries a plan out: engines, runtime, control, image, core, text, and seconds, after which nothing begins."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    enclosure.prepare()
    plan: dict[str, Any] = json.loads(Path(argv[0]).read_text())
    folder = Path(argv[0]).parent
    attempts = Attempts(folder, Path(plan["image"]), time.monotonic() + plan["seconds"])
    control = Path(plan["control"]) if plan["control"] else None
    made = {}
    for name in plan["engines"]:
        wanted = catalogue.operations(name, plan["core"], plan["text"])
        both = attempts.compared(name, wanted, Path(plan["runtime"]), control) if wanted else ([], [])
        made[name] = [[asdict(one) for one in outcomes] for outcomes in both]
    (folder / OUTCOMES).write_text(json.dumps(made))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
