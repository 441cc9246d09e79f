"""Whether the kernel killed a container's process for want of memory before it was there: why a creation failed."""

from pyrunc.cgroups.files import read_file
from pyrunc.cgroups.layout import UNIFIED
from pyrunc.errors import PyruncError

# Where the kernel counts it: on v1 since Linux 4.13.
FILES = (("memory", "memory.oom_control"), (UNIFIED, "memory.events"))


def kills(paths: "dict[str, str]") -> int:
    """How many processes of these cgroups (controller -> directory) the kernel has killed for want of memory.

    0 where nobody counts: without the memory controller, or when the cgroup is gone.
    """
    for controller, file in FILES:
        if controller in paths:
            try:
                lines = read_file(paths[controller], file).splitlines()
            except OSError:
                continue
            for line in lines:
                word, _, number = line.partition(" ")
                if word == "oom_kill":
                    return int(number)
    return 0


def explanation(made: "dict[str, str]") -> "PyruncError | None":
    """The error to report in place of what its death led to, in runc's words; None when it was not that.

    made: cgroups that are new, so that whatever was killed there was the process that should have been created
    """
    if not kills(made):
        return None
    return PyruncError("container init was OOM-killed (memory limit too low?)")
