"""A message bus with a systemd on it that does nothing but note what it is asked (D-Bus specification)."""

import socket
import threading
from pathlib import Path
from typing import Any

from jeepney import Message, new_error, new_method_return
from jeepney.low_level import HeaderFields, Parser

NAME = ":1.1"
ANSWERS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "Hello": ("s", (NAME,)),
    "GetNameOwner": ("s", (":1.0",)),
    "AddMatch": ("", ()),
    "Subscribe": ("", ()),
}
PROPERTIES = {"Version": ("s", "252"), "ControlGroup": ("s", "")}
REFUSAL = "org.freedesktop.DBus.Error.AccessDenied"


class FakeBus:
    """The tree of a /run with the bus in it; a context manager.

    run: the folder to bind on /run;  asked: (method, body) of all calls so far
    """

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        (self.run / "systemd/system").mkdir(parents=True)
        (self.run / "dbus").mkdir()
        self.asked: list[tuple[str, Any]] = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.run / "dbus/system_bus_socket"))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "FakeBus":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def before(self) -> tuple[str, ...]:
        """The beginning of a command line that makes a command see this bus, and cgroup v2, as the host's."""
        script = 'mount --bind "$0" /run && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'
        return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(self.run))

    def _serve(self) -> None:
        """A thread for each connection, until the listener is shut down."""
        threads = []
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                break
            connection.settimeout(10)
            threads.append(threading.Thread(target=self._talk, args=(connection,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._answer(connection)
            except OSError:
                return  # the peer went without a farewell

    def _answer(self, connection: socket.socket) -> None:
        rest = self._authenticate(connection)
        parser = Parser()
        serial = 0
        while rest or (rest := connection.recv(65536)):
            parser.add_data(rest)
            rest = b""
            while message := parser.get_next_message():
                serial += 1
                reply = self._reply(message)
                connection.sendall(reply.serialise(serial=serial))

    @staticmethod
    def _authenticate(connection: socket.socket) -> bytes:
        """Whoever comes is let in; what follows BEGIN."""
        text = b""
        while b"BEGIN\r\n" not in text:
            more = connection.recv(4096)
            if not more:
                return b""
            text += more
            for line in more.split(b"\r\n"):
                if line.lstrip(b"\0") == b"AUTH":
                    connection.sendall(b"REJECTED EXTERNAL\r\n")
                elif line.lstrip(b"\0").startswith(b"AUTH") or line.startswith(b"DATA"):
                    connection.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
                elif line.startswith(b"NEGOTIATE_UNIX_FD"):
                    connection.sendall(b"AGREE_UNIX_FD\r\n")
        return text.partition(b"BEGIN\r\n")[2]

    def _reply(self, message: Message) -> Message:
        fields = message.header.fields
        member = fields.get(HeaderFields.member, "")
        self.asked.append((member, message.body))
        if member == "Get" and message.body[1] in PROPERTIES:
            return new_method_return(message, "v", (PROPERTIES[message.body[1]],))
        if member in ANSWERS:
            return new_method_return(message, *ANSWERS[member])
        return new_error(message, REFUSAL, "s", ("this systemd does nothing",))
