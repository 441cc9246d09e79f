"""Rules for cgroup resources (linux.resources, update --resources) that a schema cannot say.

Each rule yields (JSON pointer, message), the pointer relative to the resources object.
They may rely on the schema (oci-specs/resources.json).
"""

from pyrunc.spec.rules_process import escaped, nul_byte

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Section = Mapping[str, Any]  # a dict from load_file(), or a TypedDict of pyrunc.spec.types
    Problems = Iterator[tuple[str, str]]

ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
BLOCK_DEVICES = (
    "weightDevice",
    "throttleReadBpsDevice",
    "throttleWriteBpsDevice",
    "throttleReadIOPSDevice",
    "throttleWriteIOPSDevice",
)
NAME_CHARACTERS = ALPHANUMERIC | {".", "-"}


def device_rules(resources: "Section") -> "Problems":
    """config-linux.md#allowed-device-list: access is made of r, w and m; -1 stands for every number."""
    for index, rule in enumerate(resources.get("devices", ())):
        if not set(rule.get("access", "")) <= {"r", "w", "m"}:
            yield f"/devices/{index}/access", f"must be made of r, w and m, not {rule['access']!r}"
        for key in ("major", "minor"):
            if not -1 <= rule.get(key, -1) <= 0xFFFFFFFF:
                yield f"/devices/{index}/{key}", f"must be a device number, or -1 for all, not {rule[key]}"


def block_devices(resources: "Section") -> "Problems":
    """config-linux.md#block-io: device numbers are not negative; a weight entry has a weight or a leafWeight."""
    limits = resources.get("blockIO", {})
    for key in BLOCK_DEVICES:  # others the specification does not know, so they may be anything
        for index, entry in enumerate(limits.get(key, ())):
            for number in ("major", "minor"):
                if entry[number] < 0:
                    yield f"/blockIO/{key}/{index}/{number}", f"must not be negative, not {entry[number]}"
            if key == "weightDevice" and "weight" not in entry and "leafWeight" not in entry:
                yield f"/blockIO/{key}/{index}", "must have a weight or a leafWeight"


def file_names(resources: "Section") -> "Problems":
    """config-linux.md#unified, #huge-page-limits, #rdma: what becomes part of a file name must not be a path."""
    for key, value in resources.get("unified", {}).items():
        if not is_name(key):
            yield f"/unified/{escaped(key)}", f"{key!r} is no name of a cgroup file"
        yield from nul_byte(value, f"/unified/{escaped(key)}")
    for index, limit in enumerate(resources.get("hugepageLimits", ())):
        if not is_page_size(limit["pageSize"]):
            yield f"/hugepageLimits/{index}/pageSize", f"must be a size like 2MB, not {limit['pageSize']!r}"
    for device, limits in resources.get("rdma", {}).items():
        if not is_name(device):
            yield f"/rdma/{escaped(device)}", f"{device!r} is no name of an RDMA device"
        if "hcaHandles" not in limits and "hcaObjects" not in limits:
            yield f"/rdma/{escaped(device)}", "must have hcaHandles or hcaObjects"


def is_name(text: str) -> bool:
    """Whether text is ^[A-Za-z0-9_][A-Za-z0-9_.-]*$."""
    return text[:1] in ALPHANUMERIC and NAME_CHARACTERS.issuperset(text)


def is_page_size(text: str) -> bool:
    """Whether text is ^[1-9][0-9]*[KMG]B$, as the kernel names huge page sizes."""
    number = text[:-2]
    return text[-2:] in ("KB", "MB", "GB") and number.isascii() and number.isdigit() and number[0] != "0"


def values(resources: "Section") -> "Problems":
    """config-linux.md#cpu, #network: lists and names are written to files."""
    for key in ("cpus", "mems"):
        yield from nul_byte(resources.get("cpu", {}).get(key, ""), f"/cpu/{key}")
    for index, priority in enumerate(resources.get("network", {}).get("priorities", ())):
        name = priority["name"]
        if not name or "\0" in name or any(character.isspace() for character in name):
            yield f"/network/priorities/{index}/name", f"{name!r} is no name of a network interface"


RULES = (device_rules, block_devices, file_names, values)
