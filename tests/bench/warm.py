"""Whole containers in one warm interpreter, through the library: one for every byte on descriptor 3.

    python -I -S warm.py COMMAND STATE_ROOT BUNDLE

takes the library from where COMMAND (build/pyrunc) takes it, and answers on descriptor 4 with one line a
container: nanoseconds, open descriptors, resident kB.
"""

import os
import sys
import time

REQUESTS, ANSWERS = 3, 4


def resident_kb() -> int:
    """This process's resident set (proc_pid_status(5)), in kB."""
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise ValueError("/proc/self/status has no VmRSS line")


def use_library_of(command: str) -> None:
    """Looks for modules where the command looks: performs its lines about sys.path."""
    with open(command, encoding="utf-8") as file:
        for line in file:
            if line.startswith("sys."):
                exec(line)


def main() -> None:
    """Serves until the requests end."""
    command, root, bundle = sys.argv[1:]
    use_library_of(command)
    from pyrunc.container import Container

    number = 0
    while os.read(REQUESTS, 1):
        number += 1
        before = time.perf_counter_ns()
        container = Container.create(root, f"pyrunc-test-bench-{os.getppid()}-warm-{number}", bundle)
        container.start()
        status = container.wait()
        container.delete()
        elapsed = time.perf_counter_ns() - before
        if status != 0:
            raise SystemExit(f"container {number} ended with status {status}")
        os.write(ANSWERS, b"%d %d %d\n" % (elapsed, len(os.listdir("/proc/self/fd")) - 1, resident_kb()))


if __name__ == "__main__":
    main()
