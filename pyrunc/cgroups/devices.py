"""The container's device rules: resources.devices and what every container may use, and how v1 takes them."""

import posix
from errno import ENOENT

from pyrunc.cgroups.operations import DENIED
from pyrunc.errors import PyruncError, reason_of
from pyrunc.operations.base import Operation

ANY = -1  # every major or minor number

# What runc adds after the configuration's own list: engines rely on it and cannot switch it off.
DEFAULT_RULES = (
    (True, "c", ANY, ANY, "m"),  # making a node opens nothing
    (True, "b", ANY, ANY, "m"),
    (True, "c", 1, 3, "rwm"),  # null
    (True, "c", 1, 8, "rwm"),  # random
    (True, "c", 1, 7, "rwm"),  # full
    (True, "c", 5, 0, "rwm"),  # tty
    (True, "c", 1, 5, "rwm"),  # zero
    (True, "c", 1, 9, "rwm"),  # urandom
    (True, "c", 136, ANY, "rwm"),  # pts/*
    (True, "c", 5, 2, "rwm"),  # ptmx
    (True, "c", 10, 200, "rwm"),  # net/tun
)

PLACE = "linux.resources.devices"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrunc.operations.build import Build

    Rule = tuple[bool, str, int, int, str]  # allow, type ("a", "b", "c"), major, minor, access (of "rwm")


def device_rules(devices: "list[dict[str, Any]]") -> "list[Rule]":
    """The rules in the order in which they apply; before the first of them nothing is allowed.

    Raises PyruncError for a rule that says nothing (no access) or names a type that has no device cgroup.
    """
    rules: list[Rule] = []
    for index, device in enumerate(devices):
        kind = device.get("type") or "a"
        access = device.get("access") or ""
        place = f"{PLACE}[{index}]"
        if kind not in ("a", "b", "c"):
            raise PyruncError(f"invalid cgroup device type {kind!r}", place=place)
        if not access or not {"r", "w", "m"}.issuperset(access):
            raise PyruncError(f"device access is {access!r}, not one or more of r, w and m", place=place)
        major, minor = device.get("major", ANY), device.get("minor", ANY)
        rules.append((device["allow"], kind, major, minor, "".join(bit for bit in "rwm" if bit in access)))
    rules += DEFAULT_RULES
    return rules


def v1_writes(rules: "list[Rule]") -> "list[tuple[str, str]]":
    """(file, line) in the order in which v1's device controller takes them: one default, then its exceptions.

    The kernel keeps a default for everything and a list of exceptions to it; a rule that says what the default says
    only takes away from exceptions.  It ignores silently the wish for a hole in a wider exception, so that is an
    error here.
    """
    allow_all = False
    exceptions: dict[tuple[str, int, int], str] = {}
    for allow, kind, major, minor, access in rules:
        if kind == "a" and major == ANY and minor == ANY and access == "rwm":
            allow_all = allow
            exceptions = {}
            continue
        for letter in "bc" if kind == "a" else kind:  # the kernel would take any "a" for everything
            device = (letter, major, minor)
            if allow != allow_all:
                exceptions[device] = merge(exceptions.get(device, ""), access)
                continue
            take_back(exceptions, device, access)
    default, exception = ("devices.allow", "devices.deny") if allow_all else ("devices.deny", "devices.allow")
    writes = [(default, "a")]
    for (letter, major, minor), access in exceptions.items():
        writes.append((exception, f"{letter} {star(major)}:{star(minor)} {access}"))
    return writes


def merge(access: str, more: str) -> str:
    return "".join(bit for bit in "rwm" if bit in access or bit in more)


def star(value: int) -> str:
    return "*" if value == ANY else str(value)


def take_back(exceptions: "dict[tuple[str, int, int], str]", device: "tuple[str, int, int]", access: str) -> None:
    """Has the default hold again for device: in exceptions that it covers.

    Raises PyruncError when one reaches beyond device and shares a permission with the rule about it.
    """
    letter, major, minor = device
    for found, bits in list(exceptions.items()):
        if found[0] != letter or not set(bits) & set(access):
            continue
        if (major != ANY and found[1] not in (ANY, major)) or (minor != ANY and found[2] not in (ANY, minor)):
            continue  # no device is in both
        if (major != ANY and found[1] == ANY) or (minor != ANY and found[2] == ANY):
            raise PyruncError(
                f"requested rule [{letter} {star(major)}:{star(minor)} {access}] not supported by devices cgroupv1"
                f" (cannot punch hole in existing wildcard rule [{letter} {star(found[1])}:{star(found[2])}])",
                place=PLACE,
            )
        exceptions[found] = "".join(bit for bit in bits if bit not in access)
        if not exceptions[found]:
            del exceptions[found]


class AllowDevices(Operation):
    """Gives a v1 cgroup its device rules.  With `optional` (rootless) a refusal is not an error: runc's rule, since
    a user who may not do this may open no device that the host does not let him open."""

    __slots__ = ("directory", "optional", "writes")

    def __init__(self, directory: str, writes: "list[tuple[str, str]]", *, optional: bool = False) -> None:
        super().__init__(PLACE)
        self.directory = directory
        self.writes = writes
        self.optional = optional

    def describe(self) -> str:
        return f"set {len(self.writes)} device rules in {self.directory}"

    def perform(self, build: "Build | None") -> None:
        fds: dict[str, int] = {}
        try:
            for file, line in self.writes:
                if file not in fds:
                    path = f"{self.directory}/{file}"
                    fds[file] = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
                posix.write(fds[file], line.encode())
        except OSError as error:
            if not (self.optional and error.errno in (*DENIED, ENOENT)):  # ENOENT: not even the cgroup was made
                raise PyruncError(
                    f"{self.directory}/{file}: {line!r}: {reason_of(error.errno or 0)}", errno=error.errno or 0
                ) from error
        finally:
            for fd in fds.values():
                posix.close(fd)
