"""Life cycles through the library, all in one process: what it keeps of them would grow without end.

usage: python -m tests.soak.library ROOT CYCLES PREFIX BUNDLE...      as many threads as bundles

Prints JSON: failures, and the process's figures after a fifth of the cycles and at the end.
"""

import gc
import json
import sys
import threading
import time

from pyrunc.container import Container
from pyrunc.errors import PyruncError
from tests.soak.figures import of_process

SIGKILL = 9


def one(root: str, container_id: str, bundle: str) -> None:
    """One life.  Raises PyruncError, AssertionError."""
    container = Container.create(root, container_id, bundle)
    container.start()
    status = container.state()["status"]
    assert status == "running", f"{container_id} is {status}"
    container.kill(SIGKILL)
    ended = container.wait()
    assert ended == 128 + SIGKILL, f"{container_id} ended with {ended}"
    container.delete()


def run(root: str, cycles: int, prefix: str, bundles: list[str]) -> list[str]:
    """That many by a thread for each bundle; what went wrong."""
    failures: list[str] = []

    def work(worker: int, bundle: str) -> None:
        for number in range(worker, cycles, len(bundles)):
            if len(failures) >= 10:
                return
            try:
                one(root, f"{prefix}library-{number}", bundle)
            except (PyruncError, AssertionError, OSError) as error:
                failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=both) for both in enumerate(bundles)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # join() comes back a moment before the thread is gone.
    until = time.monotonic() + 5
    while of_process()["threads"] > 1 and time.monotonic() < until:
        time.sleep(0.01)
    gc.collect()
    return failures


def main() -> None:
    """Runs a fifth, looks, runs the rest, looks again."""
    root, cycles, prefix, *bundles = sys.argv[1:]
    first = max(int(cycles) // 5, 1)
    failures = run(root, first, f"{prefix}a-", bundles)
    early = of_process()
    failures += run(root, int(cycles) - first, f"{prefix}b-", bundles)
    print(json.dumps({"failures": failures, "early": early, "late": of_process()}))


if __name__ == "__main__":
    main()
