"""A user at a terminal: runs a command on a pty, types, and reads what appears."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from tests.support.processes import PATIENCE


class Session:
    """A command on an outer pty, as a user at a terminal has it."""

    def __init__(
        self,
        *command: str,
        stdin: int | None = None,
        stdout: int | None = None,
        env: "dict[str, str] | None" = None,
    ) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(33, 101)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            command,
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave if stdout is None else stdout,
            stderr=self.slave,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0),
        )
        self.output = b""

    def type(self, keys: bytes) -> None:
        """Types on the keyboard."""
        os.write(self.master, keys)

    def expect(self, text: bytes, seconds: float = PATIENCE) -> None:
        """Reads until text has appeared in the output."""
        end = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < end, f"waited for {text!r}, got {self.output!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.output += os.read(self.master, 65536)

    def wait(self) -> int:
        """The relay's status, all output read."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still running, output {self.output!r}"
            self._read(0.05)
        while self._read(0):
            continue
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.output += os.read(self.master, 65536)
        return True

    @property
    def is_restored(self) -> bool:
        """Whether the terminal is in the mode that it was in before the command."""
        return bool(termios.tcgetattr(self.slave) == self.before)

    def resize(self, rows: int, columns: int) -> None:
        """Changes the window's size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """Kills the command if it still runs, and closes the terminal."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)
