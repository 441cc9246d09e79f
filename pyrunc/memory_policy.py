"""linux.memoryPolicy (config-linux.md, "Memory policy"): from names to the numbers that set_mempolicy(2) takes.

The policy is that of a task and its children, so a process of `exec` gets it, too: config.json gives it to the
container.  Nodes are not compared with those of the host; the kernel says which it has.
"""

from pyrunc.process import parse_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# linux/mempolicy.h
MODES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
FLAGS = {
    "MPOL_F_STATIC_NODES": 1 << 15,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_NUMA_BALANCING": 1 << 13,
}

# set_mempolicy(2) takes masks of up to a page, which is far more than any kernel has nodes.
MAX_NODES = 4096 * 8


def plan_memory_policy(policy: "Mapping[str, Any]") -> "tuple[int, list[int]]":
    """(mode with its flags, nodes in order) of a checked memoryPolicy.  Raises ValueError for a bad list of nodes."""
    mode = MODES[policy["mode"]]
    for flag in policy.get("flags") or ():
        mode |= FLAGS[flag]
    nodes = policy.get("nodes")
    return mode, parse_numbers(nodes, MAX_NODES) if nodes else []
