"""Forks of the tests that perform one action and end."""

import os
import sys
from collections.abc import Callable


def start(action: Callable[[], object]) -> int:
    """Runs action in a fork; its exit status is 0 for a return, 1 for an exception."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        action()
        status = 0
    except BaseException as error:  # noqa: BLE001 (a fork must not run the rest of the tests)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(status)


def finish(pid: int) -> int:
    """The exit code of a process made by start(), negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
