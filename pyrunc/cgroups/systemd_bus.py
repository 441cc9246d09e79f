"""Talking to systemd over D-Bus: the system's manager, or an ordinary user's own (org.freedesktop.systemd1(5)).

Every wait has an end: a bus that does not answer is an error after TIMEOUT.
"""

import os
import socket
import time
from collections import deque

from pyrunc.cgroups.systemd import SYSTEM, USER, SystemdFacts
from pyrunc.errors import PyruncError, reason_of

try:
    from jeepney import DBusAddress, MatchRule, MessageType, Properties, message_bus, new_method_call
    from jeepney.bus import get_connectable_addresses
    from jeepney.io.blocking import DBusConnection
    from jeepney.low_level import HeaderFields
except ImportError as error:
    raise PyruncError(
        f"the D-Bus library cannot be loaded: {error}", hint="install the Python package jeepney, or leave systemd out"
    ) from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TIMEOUT = 30.0  # seconds for one answer, and for one job of systemd's
ARRIVAL = 10.0  # seconds for systemd to come to a bus that has just been started

SYSTEMD = "org.freedesktop.systemd1"
OBJECT = "/org/freedesktop/systemd1"
MANAGER = f"{SYSTEMD}.Manager"
SCOPE = f"{SYSTEMD}.Scope"
NO_SUCH_UNIT = f"{SYSTEMD}.NoSuchUnit"
UNIT_EXISTS = f"{SYSTEMD}.UnitExists"
NO_OWNER = "org.freedesktop.DBus.Error.NameHasNoOwner"

RUNS_SYSTEMD = "/run/systemd/system"  # sd_booted(3)
SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"

HINTS = {
    "org.freedesktop.DBus.Error.AccessDenied": "root's rights are needed, or one's own systemd (--rootless=true)",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired": (
        "root's rights are needed, or one's own systemd (--rootless=true)"
    ),
    NO_OWNER: "there is no systemd on this bus; for a user: start user@UID.service",
}


class BusError(PyruncError):
    """systemd (or the bus) refused a call.  name: of the D-Bus error."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason, hint=HINTS.get(name, ""))
        self.name = name


class Connection(DBusConnection):  # type: ignore[misc]
    """A connection that does not wait for ever."""

    def receive(self, *, timeout: "float | None" = None) -> "Any":
        return super().receive(timeout=TIMEOUT if timeout is None else timeout)


class Manager:
    """A connection to one of systemd's managers; a context manager, which closes it.

    kind: SYSTEM or USER.  All methods raise PyruncError, BusError when it was systemd that refused.
    """

    def __init__(self, kind: str) -> None:
        if not os.path.isdir(RUNS_SYSTEMD):
            raise PyruncError("systemd not running on this host, cannot use systemd cgroups manager")
        self.connection = connect(kind)
        self.listens = False
        try:
            # Signals come under the owner's own name, and nobody else can have that.
            self.owner = self.wait_owner()
        except BaseException:
            self.connection.close()
            raise
        self.object = DBusAddress(OBJECT, bus_name=self.owner, interface=MANAGER)
        self.removals = MatchRule(type="signal", sender=self.owner, interface=MANAGER, member="JobRemoved", path=OBJECT)

    def __enter__(self) -> "Manager":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def wait_owner(self) -> str:
        """systemd's own name on the bus.  A user's bus may have been started by our call: it comes there soon after."""
        deadline = time.monotonic() + ARRIVAL
        while True:
            try:
                owner: str = self.ask(message_bus.GetNameOwner(SYSTEMD))[0]
                return owner
            except BusError as error:
                if error.name != NO_OWNER or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def ask(self, message: "Any") -> "tuple[Any, ...]":
        """Sends a message and returns the body of its answer."""
        member = message.header.fields[HeaderFields.member]
        try:
            reply = self.connection.send_and_get_reply(message, timeout=TIMEOUT)
        except TimeoutError:
            raise PyruncError(f"no answer on the bus in {TIMEOUT:g} s", operation=member) from None
        except OSError as error:
            raise PyruncError(f"the bus: {reason_of(error.errno or 0)}", operation=member) from error
        if reply.header.message_type is MessageType.error:
            name = reply.header.fields[HeaderFields.error_name]
            text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else name
            raise BusError(name, text).at(member)
        body: tuple[Any, ...] = reply.body
        return body

    def call(self, method: str, signature: str, *arguments: "Any") -> "tuple[Any, ...]":
        """Calls a method of the manager."""
        return self.ask(new_method_call(self.object, method, signature, arguments))

    def run_job(self, method: str, signature: str, *arguments: "Any") -> None:
        """Calls a method that queues a job, and waits until that is done."""
        if not self.listens:
            self.ask(message_bus.AddMatch(self.removals))
            self.listens = True
        removed: deque[Any] = deque()
        with self.connection.filter(self.removals, queue=removed):
            deadline = time.monotonic() + TIMEOUT
            (job,) = self.call(method, signature, *arguments)
            result = ""
            while not result:
                try:
                    left = max(deadline - time.monotonic(), 0)
                    _, path, _, outcome = self.connection.recv_until_filtered(removed, timeout=left).body
                except TimeoutError:
                    raise PyruncError(f"systemd's job is not done after {TIMEOUT:g} s", operation=method) from None
                except OSError as error:
                    raise PyruncError(f"the bus: {reason_of(error.errno or 0)}", operation=method) from error
                result = outcome if path == job else ""
        if result != "done":
            raise PyruncError(
                f"systemd's job ended with {result!r}", operation=method, hint=f"see: systemctl status {arguments[0]}"
            )

    def start_scope(self, name: str, properties: "list[tuple[str, tuple[str, Any]]]") -> None:
        """Makes a transient unit and waits until it is active.  One of that name is a BusError, UNIT_EXISTS."""
        self.run_job("StartTransientUnit", "ssa(sv)a(sa(sv))", name, "replace", properties, [])

    def stop(self, name: str) -> None:
        """Stops a unit, kills what is in it, and waits for that; one that is not there is no error."""
        try:
            self.run_job("StopUnit", "ss", name, "replace")
        except BusError as error:
            if error.name != NO_SUCH_UNIT:
                raise

    def reset_failed(self, name: str) -> None:
        """Forgets that a unit has failed, so that nothing of it is left; one that is not there is no error."""
        try:
            self.call("ResetFailedUnit", "s", name)
        except BusError as error:
            if error.name != NO_SUCH_UNIT:
                raise

    def set_properties(self, name: str, properties: "list[tuple[str, tuple[str, Any]]]") -> None:
        """Changes properties of a unit until it ends, or the machine does."""
        self.call("SetUnitProperties", "sba(sv)", name, True, properties)

    def properties(self, name: str, names: "list[str]") -> "dict[str, tuple[str, Any]]":
        """Properties of a scope; those that this systemd does not have are left out."""
        (path,) = self.call("GetUnit", "s", name)
        unit = Properties(DBusAddress(path, bus_name=self.owner, interface=SCOPE))
        found = {}
        for wanted in names:
            try:
                (found[wanted],) = self.ask(unit.get(wanted))
            except BusError as error:
                if not error.name.endswith((".UnknownProperty", ".InvalidArgs")):
                    raise
        return found

    def attach(self, name: str, below: str, pid: int) -> None:
        """Moves a process into a unit's cgroup, or one below it ("/sub"; "" for the unit's own)."""
        self.call("AttachProcessesToUnit", "ssau", name, below, [pid])

    def facts(self, kind: str) -> SystemdFacts:
        """What a plan needs to know of this manager."""
        manager = Properties(self.object)
        ((_, version),) = self.ask(manager.get("Version"))
        ((_, control_group),) = self.ask(manager.get("ControlGroup"))
        return SystemdFacts(version_number(version), control_group, kind)


def read_systemd(kind: str) -> SystemdFacts:
    """Asks one of the managers what a plan needs to know.  Raises PyruncError."""
    with Manager(kind) as manager:
        return manager.facts(kind)


def version_number(text: str) -> int:
    """The number in "254.5-1", "v246" or "systemd 239 (239-82.el8)"; 0 when there is none."""
    for word in text.split():
        digits = ""
        for letter in word.lstrip("v"):
            if not letter.isdigit():
                break
            digits += letter
        if digits:
            return int(digits)
    return 0


def connect(kind: str) -> Connection:
    """A connection to the bus that the manager is on.  Raises PyruncError."""
    problems = []
    for address in addresses(kind):
        try:
            return Connection(authenticated(address))
        except (OSError, ValueError, RuntimeError) as error:
            reason = reason_of(error.errno) if isinstance(error, OSError) and error.errno else str(error) or "no answer"
            problems.append(f"{address}: {reason}")
    hint = "is the message bus (dbus.socket) running?"
    if kind == USER:
        hint = (
            "log in through pam_systemd, or `loginctl enable-linger`; the user's bus needs Debian's dbus-user-session, "
            "and DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR may name it"
        )
    raise PyruncError("; ".join(problems) or "no bus was found", operation=f"connect to the {kind} bus", hint=hint)


def addresses(kind: str) -> "list[str]":
    """D-Bus addresses to try, the likeliest first."""
    if kind == SYSTEM:
        return [os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS]
    found = [os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")]
    for directory in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{outer_uid()}"):
        if directory:
            found.append(f"unix:path={directory}/bus")
    return list(dict.fromkeys([address for address in found if address]))


def outer_uid() -> int:
    """The caller's user id outside of its user namespace: rootless podman is root in one (user_namespaces(7))."""
    uid = os.geteuid()
    with open("/proc/self/uid_map") as maps:
        for line in maps:
            inside, outside, count = (int(word) for word in line.split())
            if inside <= uid < inside + count:
                return outside + uid - inside
    return uid


def authenticated(address: str) -> socket.socket:
    """A socket on which the bus knows who we are (D-Bus specification, "Authentication Protocol").

    By the kernel's word and not by a number of ours, which means another user outside of a user namespace.
    """
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        stream.settimeout(TIMEOUT)
        stream.connect(next(iter(get_connectable_addresses(address))))
        stream.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
        answer = b""
        while answer.count(b"\r\n") < 2 and len(answer) < 4096:
            part = stream.recv(4096)
            if not part:
                break
            answer += part
        lines = answer.split(b"\r\n")
        if len(lines) < 2 or not lines[1].startswith(b"OK "):
            raise PyruncError(f"the bus does not take us: {answer.decode('utf-8', 'replace').strip()}")
        stream.sendall(b"BEGIN\r\n")
    except BaseException:
        stream.close()
        raise
    return stream
