"""What may grow on a host, and in a process, that makes containers all day."""

import os
import re
from pathlib import Path

from tests.support import leaks

MEMINFO = ("Slab", "SUnreclaim", "Percpu", "KernelStack")


def of_host() -> dict[str, int]:
    """Counts, and kilobytes of the kernel's memory.  Others on the machine change them, too."""
    found = {
        "mounts": len(leaks.mounts()),
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),
        "network interfaces": len(os.listdir("/sys/class/net")),
    }
    # Controllers that keep a cgroup that was removed, for what is still charged to it, count it here.
    with open("/proc/cgroups") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    found |= {f"cgroups ({name})": int(count) for name, _, count, enabled in rows if enabled == "1"}
    text = Path("/proc/meminfo").read_text()
    for name in MEMINFO:
        match = re.search(rf"^{name}: +(\d+) kB$", text, flags=re.M)
        if match:
            found[f"{name} (kB)"] = int(match[1])
    return found


def of_process() -> dict[str, int]:
    """The calling process's descriptors, threads and resident memory."""
    status = Path("/proc/self/status").read_text()
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": int(status.split("\nThreads:")[1].split(None, 1)[0]),
        "resident (kB)": int(status.split("\nVmRSS:")[1].split(None, 1)[0]),
    }
