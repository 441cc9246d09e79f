"""The other end of warm.py: an interpreter that makes whole containers through the library, on request."""

import fcntl
import os

from tests.bench.processes import ENVIRONMENT, wait_gone


class Interpreter:
    """One interpreter that makes containers with warm.py."""

    def __init__(self, interpreter: str, command: str, root: str, bundle: str) -> None:
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "warm.py")
        # Out of the way first: a pipe end may itself be 3 or 4.
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (requests, answers)]
        self.pid = os.posix_spawn(
            interpreter,
            [interpreter, "-I", "-S", script, command, root, bundle],
            ENVIRONMENT,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, moved[0], 3),
                (os.POSIX_SPAWN_DUP2, moved[1], 4),
            ],
        )
        for fd in (requests, answers, null, *moved):
            os.close(fd)

    def container(self) -> tuple[int, int, int]:
        """One container: nanoseconds, open descriptors, resident kB.  EOFError when the interpreter has ended."""
        try:
            os.write(self.requests, b"x")
        except BrokenPipeError:
            pass  # the answer says the same
        answer = os.read(self.answers, 100).split()
        if len(answer) != 3:
            raise EOFError("the interpreter ended; its message is above")
        return int(answer[0]), int(answer[1]), int(answer[2])

    def close(self) -> None:
        """Lets the interpreter end."""
        os.close(self.requests)
        os.close(self.answers)
        wait_gone(self.pid)
