"""The engine's side of --console-socket."""

import array
import json
import os
import socket
import threading
from pathlib import Path

PATIENCE = 120.0  # seconds until the terminal has come, on an emulated machine that is busy, too


class ConsoleSocket:
    """Receives the master of one terminal, with the name that is told beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.listener.settimeout(PATIENCE)
        self.master = -1
        self.name = b""
        self.thread = threading.Thread(target=self._receive)
        self.thread.start()

    def _receive(self) -> None:
        try:
            connection = self.listener.accept()[0]
        except OSError:  # closed before anybody came
            return
        with connection:
            self.name, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(4))
            if not ancillary:
                return
            fds = array.array("i")
            fds.frombytes(ancillary[0][2][:4])
            self.master = fds[0]

    def __enter__(self) -> "ConsoleSocket":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def wait(self) -> None:
        """Waits until the terminal is here."""
        self.thread.join(PATIENCE)
        assert self.master >= 0, "no terminal has come"

    def read_json(self) -> "dict[str, object]":
        """The probe's one line, from the master."""
        self.wait()
        text = b""
        while not text.endswith(b"\n"):
            text += os.read(self.master, 65536)
        value = json.loads(text)
        assert isinstance(value, dict)
        return value

    def close(self) -> None:
        """Ends the wait, and the terminal's other end with it."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.listener.close()
        if self.master >= 0:
            os.close(self.master)
