"""A container's cgroups: planned from its configuration, made, filled, limited, frozen, killed and removed.

layout.py knows the host, plan.py decides, operations.py and devices.py do, v1.py and v2.py hold the limits of each
version, members.py deals with the processes.  Names are loaded on first use: `state` needs no planner.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.cgroups.layout import Layout, detect
    from pyrunc.cgroups.members import (
        attach,
        freeze,
        is_frozen,
        kill_all,
        processes,
        remove,
        remove_empty,
        thaw,
        thaw_killed,
    )
    from pyrunc.cgroups.placement import exec_paths
    from pyrunc.cgroups.plan import CgroupPlan, plan_cgroup, plan_update

__all__ = [
    "CgroupPlan",
    "Layout",
    "attach",
    "detect",
    "exec_paths",
    "freeze",
    "is_frozen",
    "kill_all",
    "plan_cgroup",
    "plan_update",
    "processes",
    "remove",
    "remove_empty",
    "thaw",
    "thaw_killed",
]

IN_LAYOUT = ("Layout", "detect")
IN_PLACEMENT = ("exec_paths",)
IN_PLAN = ("CgroupPlan", "plan_cgroup", "plan_update")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in IN_LAYOUT:
        from pyrunc.cgroups import layout as module
    elif name in IN_PLACEMENT:
        from pyrunc.cgroups import placement as module  # type: ignore[no-redef]
    elif name in IN_PLAN:
        from pyrunc.cgroups import plan as module  # type: ignore[no-redef]
    else:
        from pyrunc.cgroups import members as module  # type: ignore[no-redef]
    value: object = getattr(module, name)
    globals()[name] = value
    return value
