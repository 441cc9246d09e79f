"""What the host finds in the cgroups of a container: the files that config.json can set."""

from pathlib import Path

from tests.support import leaks

FILES = (
    "memory.limit_in_bytes memory.memsw.limit_in_bytes memory.soft_limit_in_bytes memory.kmem.tcp.limit_in_bytes"
    " memory.swappiness memory.oom_control memory.use_hierarchy cpu.shares cpu.cfs_quota_us cpu.cfs_period_us"
    " cpu.cfs_burst_us cpu.idle cpu.rt_runtime_us cpu.rt_period_us cpuset.cpus cpuset.mems cpuset.cpu_exclusive"
    " pids.max blkio.weight blkio.bfq.weight blkio.leaf_weight blkio.throttle.read_bps_device"
    " blkio.throttle.write_bps_device blkio.throttle.read_iops_device blkio.throttle.write_iops_device devices.list"
    " freezer.state notify_on_release net_cls.classid net_prio.ifpriomap"
    # cgroup v2
    " memory.max memory.high memory.low memory.min memory.swap.max memory.oom.group cpu.max cpu.max.burst cpu.weight"
    " cpu.weight.nice io.max io.weight io.bfq.weight cgroup.freeze cgroup.type cgroup.max.depth cgroup.max.descendants"
    " cgroup.subtree_control"
).split()


def look(pid: int) -> dict[str, dict[str, str]]:
    """The settings of every cgroup that a process is in, by hierarchy (its folder's name, "cgroup" on pure v2)."""
    return {name: read(folder) for name, folder in folders(pid).items()}


def folders(pid: int) -> dict[str, Path]:
    """Where the process's cgroups are on the host, by hierarchy."""
    mounted = [Path(place) for place in leaks.cgroup_hierarchies()]
    found = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        names = controllers.removeprefix("name=").split(",")
        for place in mounted:
            if place.name in names or (number == "0" and (place / "cgroup.controllers").exists()):
                found[place.name] = place / path.lstrip("/")
    return found


def read(folder: Path) -> dict[str, str]:
    """Those of FILES that a cgroup has."""
    found = {}
    for name in FILES:
        try:
            found[name] = "\n".join(sorted((folder / name).read_text().splitlines()))  # devices.list has no order
        except OSError:  # not there, or not to be read in this kernel
            continue
    return found
