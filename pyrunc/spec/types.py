"""The shapes of config.json for the type checkers: one line a field.  Never imported at run time.

No field is marked as required: what check_config() has passed has those that oci-specs/*.json require.
"""

from typing import TypedDict


class Root(TypedDict, total=False):
    """The container's root filesystem."""

    path: str  # Its directory: absolute, or relative to the bundle
    readonly: bool  # Whether the container sees it read-only; false if absent


class IDMapping(TypedDict, total=False):
    """A range of ids, in the container and on the host."""

    containerID: int  # First id of the range, as the container sees it
    hostID: int  # First id of the range, as the host sees it
    size: int  # How many ids the range has


class Mount(TypedDict, total=False):
    """Something to mount in the container."""

    destination: str  # Where, as a path in the container
    type: str  # Filesystem type; of no meaning for a bind mount
    source: str  # Device, host path (relative to the bundle for binds) or a mere name
    options: list[str]  # Mount options; bind or rbind makes it a bind mount; what is unknown goes to the filesystem
    uidMappings: list[IDMapping]  # User ids as they shall appear through this mount (since 1.1.0)
    gidMappings: list[IDMapping]  # Group ids as they shall appear through this mount (since 1.1.0)


class ConsoleSize(TypedDict, total=False):
    """Size of that terminal in characters; ignored without one."""

    height: int  # Rows
    width: int  # Columns


class User(TypedDict, total=False):
    """Who the process runs as; ids are those of the container; an absent id is 0."""

    uid: int  # User id
    gid: int  # Group id
    umask: int  # File mode creation mask; unchanged if absent (since 1.1.0)
    additionalGids: list[int]  # Supplementary groups


class Capabilities(TypedDict, total=False):
    """The five capability sets, by capability name."""

    bounding: list[str]  # What an execve may ever give
    effective: list[str]  # What counts now
    inheritable: list[str]  # What a file's inheritable set may turn on
    permitted: list[str]  # What may be made effective
    ambient: list[str]  # What an unprivileged execve keeps


class Rlimit(TypedDict, total=False):
    """A resource limit."""

    type: str  # Which, as in getrlimit(2)
    soft: int  # The limit in force
    hard: int  # How far the process itself may raise it


class Scheduler(TypedDict, total=False):
    """Scheduling attributes, see sched_setattr(2)."""

    policy: str  # Scheduling policy
    nice: int  # Nice value, -20 to 19
    priority: int  # Static priority, 1 to 99, for FIFO and RR
    flags: list[str]  # Flags of sched_setattr(2)
    runtime: int  # Nanoseconds of CPU time in each period (deadline policy)
    deadline: int  # Nanoseconds within which they are due (deadline policy)
    period: int  # Nanoseconds of one period (deadline policy)


# I/O priority of the process group, see ioprio_set(2).
IOPriority = TypedDict(
    "IOPriority",
    {
        "class": str,  # Scheduling class
        "priority": int,  # Level in the class, 0 is the highest
    },
    total=False,
)


class ExecCPUAffinity(TypedDict, total=False):
    """CPUs for a process that exec starts; the container's first process is not concerned."""

    initial: str  # CPU list before it enters the container's cgroup
    final: str  # CPU list from then on


class Process(TypedDict, total=False):
    """The program to run; may be missing until start."""

    terminal: bool  # Whether the process gets a pseudo-terminal
    consoleSize: ConsoleSize  # Size of that terminal in characters; ignored without one
    cwd: str  # Absolute working directory
    env: list[str]  # Environment, each entry NAME=VALUE
    args: list[str]  # Program, looked up like execvp(3), and its arguments
    user: User  # Who the process runs as; ids are those of the container; an absent id is 0
    capabilities: Capabilities  # The five capability sets, by capability name
    rlimits: list[Rlimit]  # Resource limits
    noNewPrivileges: bool  # Whether execve may no longer give privileges
    apparmorProfile: str  # AppArmor profile of the process
    selinuxLabel: str  # SELinux context of the process
    oomScoreAdj: int  # Value for /proc/PID/oom_score_adj; unchanged if absent
    scheduler: Scheduler  # Scheduling attributes, see sched_setattr(2) (since 1.1.0)
    ioPriority: IOPriority  # I/O priority of the process group, see ioprio_set(2) (since 1.1.0)
    # CPUs for a process that exec starts; the container's first process is not concerned (since 1.2.1)
    execCPUAffinity: ExecCPUAffinity


class Hook(TypedDict, total=False):
    """A program to run at a point of the container's life."""

    path: str  # Absolute path of the program to run
    args: list[str]  # Its argument vector, args[0] included
    env: list[str]  # Its whole environment
    timeout: int  # Seconds until the hook is given up; without it there is no limit


class Hooks(TypedDict, total=False):
    """Programs to run at points of the container's life."""

    prestart: list[Hook]  # After the namespaces exist, before createRuntime; runtime's namespaces
    createRuntime: list[Hook]  # During create, before the root is changed; runtime's namespaces (since 1.0.2)
    createContainer: list[Hook]  # During create, before the root is changed; container's namespaces (since 1.0.2)
    # During start, before the user's program; container's namespaces and files (since 1.0.2)
    startContainer: list[Hook]
    poststart: list[Hook]  # After the user's program has begun, before start returns
    poststop: list[Hook]  # After the container is deleted, before delete returns


class Namespace(TypedDict, total=False):
    """A namespace to make or to join."""

    type: str  # Which kind
    path: str  # File of the namespace to join; without it a new one is made


class TimeOffset(TypedDict, total=False):
    """How far one clock is set forward."""

    secs: int  # Seconds
    nanosecs: int  # Nanoseconds, below 1000000000


class Device(TypedDict, total=False):
    """A device node of the container."""

    type: str  # Character, block, unbuffered character device or FIFO
    path: str  # Where, as an absolute path in the container
    major: int  # Major number
    minor: int  # Minor number
    fileMode: int  # Permission bits; file type bits may be set if they agree with type
    uid: int  # Owner, as the container sees it
    gid: int  # Group, as the container sees it


class NetDevice(TypedDict, total=False):
    """How a network device is named in the container."""

    name: str  # Name in the container; %d lets the kernel choose a number


class DeviceRule(TypedDict, total=False):
    """A rule for access to devices."""

    allow: bool  # Whether the rule allows or denies
    type: str  # All, block or character devices; all if absent
    major: int  # Major number; all if absent or -1
    minor: int  # Minor number; all if absent or -1
    access: str  # Any of r (read), w (write), m (mknod)


class Memory(TypedDict, total=False):
    """Memory, in bytes; -1 is no limit."""

    limit: int  # Hard limit
    reservation: int  # Soft limit
    swap: int  # Limit of memory and swap together
    kernel: int  # Kernel memory; not recommended
    kernelTCP: int  # TCP buffer memory; not recommended
    swappiness: int  # How readily the kernel swaps
    disableOOMKiller: bool  # Whether a task over the limit waits and is not killed
    useHierarchy: bool  # Whether children count against this limit (since 1.0.2)
    checkBeforeUpdate: bool  # Whether a new limit below the present use is refused (since 1.1.0)


class CPU(TypedDict, total=False):
    """CPU time and CPU sets."""

    shares: int  # Weight against other groups
    quota: int  # Microseconds of CPU time in each period
    burst: int  # Microseconds of unused quota that may be saved up (since 1.1.0)
    period: int  # Microseconds of one period
    realtimeRuntime: int  # Microseconds of real-time CPU time in each real-time period
    realtimePeriod: int  # Microseconds of one real-time period
    cpus: str  # List of CPUs
    mems: str  # List of memory nodes
    idle: int  # 1 for SCHED_IDLE treatment of the group (since 1.1.0)


class Pids(TypedDict, total=False):
    """Number of tasks."""

    limit: int  # Most tasks at once; -1 is no limit


class WeightDevice(TypedDict, total=False):
    """Weights for one block device."""

    major: int  # Major number
    minor: int  # Minor number
    weight: int  # Weight on this device
    leafWeight: int  # Weight against the children on this device


class ThrottleDevice(TypedDict, total=False):
    """A rate limit for one block device."""

    major: int  # Major number
    minor: int  # Minor number
    rate: int  # Upper bound


class BlockIO(TypedDict, total=False):
    """Block devices: weights and rates."""

    weight: int  # Weight on all devices
    leafWeight: int  # Weight of the group's own tasks against its children
    weightDevice: list[WeightDevice]  # Weights by device
    throttleReadBpsDevice: list[ThrottleDevice]  # Bytes read a second
    throttleWriteBpsDevice: list[ThrottleDevice]  # Bytes written a second
    throttleReadIOPSDevice: list[ThrottleDevice]  # Reads a second
    throttleWriteIOPSDevice: list[ThrottleDevice]  # Writes a second


class HugepageLimit(TypedDict, total=False):
    """A limit for one size of huge pages."""

    pageSize: str  # Size of the pages, such as 2MB
    limit: int  # Most bytes in such pages


class NetworkPriority(TypedDict, total=False):
    """Priority on one network interface."""

    name: str  # Interface in the runtime's network namespace
    priority: int  # Priority on it


class Network(TypedDict, total=False):
    """Classes and priorities of network packets (cgroup v1)."""

    classID: int  # Class of the group's packets
    priorities: list[NetworkPriority]  # Priorities by interface


class RdmaLimit(TypedDict, total=False):
    """Limits for one RDMA device."""

    hcaHandles: int  # Most handles
    hcaObjects: int  # Most objects


class Resources(TypedDict, total=False):
    """Limits set in that cgroup."""

    devices: list[DeviceRule]  # Device access rules, applied in this order
    memory: Memory  # Memory, in bytes; -1 is no limit
    cpu: CPU  # CPU time and CPU sets
    pids: Pids  # Number of tasks
    blockIO: BlockIO  # Block devices: weights and rates
    hugepageLimits: list[HugepageLimit]  # Huge pages
    network: Network  # Classes and priorities of network packets (cgroup v1)
    rdma: dict[str, RdmaLimit]  # RDMA devices, by name (since 1.0.2)
    unified: dict[str, str]  # Files of a cgroup v2 directory and what to write into them (since 1.1.0)


class SeccompCondition(TypedDict, total=False):
    """A condition on an argument of a system call."""

    index: int  # Which argument, from 0
    value: int  # What it is compared with; the mask for MASKED_EQ
    valueTwo: int  # What the masked argument shall equal
    op: str  # How it is compared


class SeccompRule(TypedDict, total=False):
    """What happens to some system calls."""

    names: list[str]  # System calls the rule is about
    action: str  # What happens to them
    errnoRet: int  # Errno (ERRNO) or message (TRACE); EPERM if absent (since 1.1.0)
    args: list[SeccompCondition]  # Conditions on the arguments


class Seccomp(TypedDict, total=False):
    """System call filter."""

    defaultAction: str  # What happens to a call that no rule matches
    defaultErrnoRet: int  # Its errno (ERRNO) or message (TRACE); EPERM if absent (since 1.1.0)
    architectures: list[str]  # Architectures the filter is made for, besides the native one
    flags: list[str]  # Flags of seccomp(2) (since 1.0.2)
    listenerPath: str  # Unix socket of the agent that decides SCMP_ACT_NOTIFY calls (since 1.1.0)
    listenerMetadata: str  # Text handed to that agent unread (since 1.1.0)
    syscalls: list[SeccompRule]  # The rules


class Personality(TypedDict, total=False):
    """Execution domain, see personality(2)."""

    domain: str  # Native, or with a 32-bit uname
    flags: list[str]  # The specification defines none yet


class MemoryPolicy(TypedDict, total=False):
    """NUMA memory policy, see set_mempolicy(2)."""

    mode: str  # Policy
    nodes: str  # List of memory nodes, such as 0-3,7
    flags: list[str]  # Flags of the policy


class IntelRdt(TypedDict, total=False):
    """Cache and memory bandwidth allocation through resctrl."""

    closID: str  # Name of the resctrl group; / is the root group (since 1.0.2)
    schemata: list[str]  # Lines for the schemata file, written last (since 1.3.0)
    l3CacheSchema: str  # L3 cache allocation
    memBwSchema: str  # Memory bandwidth allocation, begins with MB: (since 1.0.2)
    enableMonitoring: bool  # Whether the container gets a monitoring group of its own (since 1.3.0)
    enableCMT: bool  # Cache monitoring, replaced by enableMonitoring (since 1.1.0)
    enableMBM: bool  # Bandwidth monitoring, replaced by enableMonitoring (since 1.1.0)


class Linux(TypedDict, total=False):
    """What only Linux has."""

    namespaces: list[Namespace]  # Namespaces to make or to join; a type that is not listed is the runtime's own
    uidMappings: list[IDMapping]  # User ids of the new user namespace
    gidMappings: list[IDMapping]  # Group ids of the new user namespace
    # Clock offsets of the new time namespace, by clock: monotonic or boottime (since 1.1.0)
    timeOffsets: dict[str, TimeOffset]
    devices: list[Device]  # Device nodes the container must have, besides the default ones
    # Network devices to move into the container's network namespace, by their present name (since 1.3.0)
    netDevices: dict[str, NetDevice]
    cgroupsPath: str  # Place of the container in the cgroup tree; slice:prefix:name with the systemd driver
    resources: Resources  # Limits set in that cgroup
    sysctl: dict[str, str]  # Kernel parameters of the container's namespaces
    seccomp: Seccomp  # System call filter
    # Propagation of the root mount; the forms with r are not in the specification, but engines use them
    rootfsPropagation: str
    maskedPaths: list[str]  # Paths the container must not be able to read
    readonlyPaths: list[str]  # Paths the container must not be able to write
    mountLabel: str  # SELinux context of the container's mounts
    personality: Personality  # Execution domain, see personality(2) (since 1.0.2)
    memoryPolicy: MemoryPolicy  # NUMA memory policy, see set_mempolicy(2) (since 1.3.0)
    intelRdt: IntelRdt  # Cache and memory bandwidth allocation through resctrl


class Config(TypedDict, total=False):
    """config.json of a bundle (config.md)."""

    ociVersion: str  # Version of the specification the bundle was written for, as SemVer 2.0.0
    root: Root  # The container's root filesystem
    mounts: list[Mount]  # What to mount below the root, in this order
    process: Process  # The program to run; may be missing until start
    hostname: str  # Host name in the container's UTS namespace
    domainname: str  # NIS domain name in the container's UTS namespace (since 1.1.0)
    hooks: Hooks  # Programs to run at points of the container's life
    annotations: dict[str, str]  # Free key and value pairs, given back by state
    linux: Linux  # What only Linux has
