"""Cgroups with limits, made without a container, and what a process in one may open."""

import os
from pathlib import Path
from typing import Any

from pyrunc import cgroups
from pyrunc.cgroups import CgroupPlan, detect, plan_cgroup
from pyrunc.operations.base import perform_all


def make(name: str, **resources: Any) -> CgroupPlan:
    """The cgroups of that cgroupsPath, with these resources."""
    plan = plan_cgroup({"linux": {"cgroupsPath": name, "resources": resources}}, "id", detect())
    perform_all([*plan.create, *plan.limits], None)  # type: ignore[arg-type]
    return plan


def open_in(plan: CgroupPlan, path: Path, flags: int) -> int:
    """The errno of an open by a process in the cgroups, 0 when it works."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.read(reader, 1)
            os.close(os.open(path, flags))
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 255)
        finally:
            os._exit(254)
    cgroups.attach(plan.paths, pid)
    os.write(writer, b"x")
    os.close(reader)
    os.close(writer)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
