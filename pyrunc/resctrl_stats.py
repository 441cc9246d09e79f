"""What a container's resctrl group may use and uses, as `events --stats` shows it: runc's `intel_rdt` object."""

import os

from pyrunc.errors import PyruncError
from pyrunc.resctrl import read
from pyrunc.schemata import resource_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Figures = dict[str, Any]

# Of a directory of info: the member of runc's object, and the files in it with whether they hold a number.
L3 = ("l3_cache_info", "l3_cache_schema", {"cbm_mask": False, "min_cbm_bits": True, "num_closids": True})
MB = (
    "mem_bw_info",
    "mem_bw_schema",
    {"bandwidth_gran": True, "delay_linear": True, "min_bandwidth": True, "num_closids": True},
)
# The files of a domain in mon_data, by the member that has a list of them.
COUNTERS = {"mbm_stats": ("mbm_total_bytes", "mbm_local_bytes"), "cmt_stats": ("llc_occupancy",)}


def collect(note: "Mapping[str, Any]") -> "Figures":
    """The figures of the group that was noted in the state directory; what the hardware does not have is left out."""
    root, group = note["root"], note["group"]
    figures: "Figures" = {}
    in_root, in_group = text_of(root, "schemata"), text_of(group, "schemata")
    for resource, (member, schema, files) in (("L3", L3), ("MB", MB)):
        info = f"{root}/info/{resource}"
        if not os.path.isdir(info):
            continue
        found = {name: text_of(info, name).strip() for name in files}
        figures[member] = {name: int(text) if files[name] else text for name, text in found.items() if text}
        lines = ((f"{schema}_root", in_root), (schema, in_group))
        figures |= {name: line for name, text in lines if (line := line_of(text, resource))}
    for member, names in COUNTERS.items():
        domains = counters(f"{note['monitor'] or group}/mon_data", names)
        if domains:
            figures[member] = domains
    return figures


def line_of(text: str, resource: str) -> str:
    """The line of a schemata file that is about the resource, "" when there is none."""
    return next((line.strip() for line in text.splitlines() if resource_of(line) == resource), "")


def counters(directory: str, names: "tuple[str, ...]") -> "list[Figures]":
    """For each L3 domain those of its counters that are there and not 0, in the order of the domains."""
    try:
        domains = sorted(name for name in os.listdir(directory) if name.startswith("mon_L3_"))
    except FileNotFoundError:
        return []
    found = []
    for domain in domains:
        texts = {name: text_of(f"{directory}/{domain}", name).strip() for name in names}
        if any(texts.values()):
            # "Unavailable" and "Error" are no figures.
            found.append({name: int(text) for name, text in texts.items() if text.isdigit() and int(text)})
    return found


def text_of(directory: str, file: str) -> str:
    """The file's content; "" when it cannot be read."""
    try:
        return read(directory, file)
    except PyruncError:
        return ""
