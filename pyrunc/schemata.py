"""Lines of resctrl's `schemata` files (Documentation/filesystems/resctrl.rst): "L3:0=ffff0;1=3ff", "MB:0=20;1=70".

Pure: what to write for a configuration, and whether a file already says it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

BANDWIDTH = "MB"


def combined(settings: "Mapping[str, Any]") -> "list[str]":
    """The lines that l3CacheSchema and memBwSchema ask for; of a line for "MB:" in both, that of the latter counts."""
    bandwidth = settings.get("memBwSchema") or ""
    lines = [line for line in (settings.get("l3CacheSchema") or "").split("\n") if line.strip()]
    if not bandwidth:
        return lines
    return [line for line in lines if resource_of(line) != BANDWIDTH] + [bandwidth]


def resource_of(line: str) -> str:
    """What a line is about: "L3", "L3CODE", "MB", ..."""
    return line.partition(":")[0].strip()


def difference(wanted: "list[str]", text: str, granularity: int = 1) -> str:
    """The first of the wanted lines that the text of a schemata file does not agree with, "" when all do.

    A line may name some of the domains only.  granularity: that of memory bandwidth, to which the kernel rounds up.
    """
    present = {resource_of(line): values_of(line, 1) for line in text.splitlines()}
    for line in wanted:
        found = present.get(resource_of(line), {})
        for domain, value in values_of(line, granularity).items():
            if found.get(domain) != value:
                return line
    return ""


def lines_about(wanted: "list[str]", text: str) -> "list[str]":
    """Those lines of a schemata file that are about the same resources as the wanted ones."""
    resources = {resource_of(line) for line in wanted}
    return [line.strip() for line in text.splitlines() if resource_of(line) in resources]


def values_of(line: str, granularity: int) -> "dict[str, int | str]":
    """Domain to value: masks are hexadecimal, bandwidths decimal; what is neither is compared as it is."""
    resource, _, rest = line.partition(":")
    is_bandwidth = resource.strip().endswith(BANDWIDTH) or resource.strip() == "SMBA"
    values: "dict[str, int | str]" = {}
    for part in rest.split(";"):
        domain, _, value = (word.strip() for word in part.partition("="))
        try:
            number: "int | str" = int(value, 10 if is_bandwidth else 16)
        except ValueError:
            number = value
        if is_bandwidth and isinstance(number, int):
            number = -(-number // granularity) * granularity
        values[domain.lstrip("0") or "0"] = number
    return values
