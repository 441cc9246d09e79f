"""What is wrong with the process."""

from tests.integration.bad_input.case import RUN, Case, World, drop, file, put


def created_with_broken_program(world: World) -> None:
    """The container is created; its program is executable, but no format that the kernel knows."""
    file("{rootfs}/bin/broken", "this is no program", 0o755)(world)


def rlimit(kind: str, soft: int, hard: int) -> dict[str, object]:
    """One entry of process.rlimits."""
    return {"type": kind, "soft": soft, "hard": hard}


CASES = [
    Case(
        "process missing at run",
        "pyrunc run failed: {id}: process: there is no process to start\n"
        "hint: a container without one cannot be started",
        [drop("process")],
        command=RUN,
    ),
    Case("args missing", "pyrunc create failed: {id}: config.json: /process/args: is required", [drop("process.args")]),
    Case(
        "args empty",
        "pyrunc create failed: {id}: config.json: /process/args: must have at least one entry",
        [put("process.args", [])],
    ),
    Case(
        "args[0] is an empty string",
        'pyrunc create failed: {id}: exec: "": executable file not found in $PATH',
        [put("process.args", [""])],
    ),
    Case(
        "executable missing",
        'pyrunc create failed: {id}: exec: "/bin/nowhere": stat /bin/nowhere: no such file or directory',
        [put("process.args", ["/bin/nowhere"])],
    ),
    Case(
        "executable not in PATH",
        'pyrunc create failed: {id}: exec: "nowhere": executable file not found in $PATH',
        [put("process.args", ["nowhere"])],
    ),
    Case(
        "executable not in PATH, no PATH at all",
        'pyrunc create failed: {id}: exec: "true": executable file not found in $PATH',
        [put("process.args", ["true"]), put("process.env", [])],
    ),
    Case(
        "executable not executable",
        'pyrunc create failed: {id}: exec: "/etc/passwd": permission denied',
        [put("process.args", ["/etc/passwd"])],
    ),
    Case(
        "executable is a directory",
        'pyrunc create failed: {id}: exec: "/bin": is a directory: permission denied',
        [put("process.args", ["/bin"])],
    ),
    Case(
        "executable below a file",
        'pyrunc create failed: {id}: exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory',
        [put("process.args", ["/etc/passwd/x"])],
    ),
    Case(
        "executable of an unknown format",
        'pyrunc run failed: {id}: exec: "/bin/broken": exec format error',
        [put("process.args", ["/bin/broken"])],
        created_with_broken_program,
        RUN,
    ),
    Case(
        "executable's interpreter missing",
        'pyrunc run failed: {id}: exec: "/bin/script": the interpreter /nowhere: no such file or directory',
        [put("process.args", ["/bin/script"])],
        file("{rootfs}/bin/script", "#!/nowhere\n", 0o755),
        RUN,
    ),
    Case(
        "cwd missing in config.json",
        "pyrunc create failed: {id}: config.json: /process/cwd: is required",
        [drop("process.cwd")],
    ),
    Case(
        "cwd relative",
        "pyrunc create failed: {id}: config.json: /process/cwd: must be an absolute path, not 'tmp'",
        [put("process.cwd", "tmp")],
    ),
    Case(
        "cwd missing in the root filesystem",
        "pyrunc create failed: {id}: process.cwd: make the working directory /etc/passwd/x: openat2 "
        "/etc/passwd/x: not a directory",
        [put("process.cwd", "/etc/passwd/x")],
    ),
    Case(
        "cwd is a file",
        "pyrunc create failed: {id}: process.cwd: make the working directory /etc/passwd: openat2 "
        "/etc/passwd: not a directory",
        [put("process.cwd", "/etc/passwd")],
    ),
    Case(
        "user id negative",
        "pyrunc create failed: {id}: config.json: /process/user/uid: must be from 0 to 4294967295, not -1",
        [put("process.user.uid", -1)],
    ),
    Case(
        "user id too large",
        "pyrunc create failed: {id}: config.json: /process/user/uid: must be from 0 to 4294967295, not 4294967296",
        [put("process.user.uid", 1 << 32)],
    ),
    Case(
        "user by name",
        'pyrunc create failed: {id}: config.json: /process/user/uid: must be a whole number, not "root"',
        [put("process.user.uid", "root")],
    ),
    Case(
        "umask beyond 0777",
        "pyrunc create failed: {id}: config.json: /process/user/umask: must be from 0 to 511, not 4096",
        [put("process.user.umask", 0o10000)],
    ),
    Case(
        "rlimit unknown",
        "pyrunc create failed: {id}: config.json: /process/rlimits/0/type: must be one of RLIMIT_CORE, "
        'RLIMIT_NOFILE, RLIMIT_NICE, ..., not "RLIMIT_NOWHERE"',
        [put("process.rlimits", [rlimit("RLIMIT_NOWHERE", 1, 1)])],
    ),
    Case(
        "rlimit twice",
        "pyrunc create failed: {id}: config.json: /process/rlimits/1/type: RLIMIT_CORE is set twice",
        [put("process.rlimits", [rlimit("RLIMIT_CORE", 1, 1), rlimit("RLIMIT_CORE", 0, 0)])],
    ),
    Case(
        "rlimit soft above hard",
        "pyrunc create failed: {id}: config.json: /process/rlimits/0: RLIMIT_CORE: soft limit 2 is above "
        "hard limit 1: invalid argument",
        [put("process.rlimits", [rlimit("RLIMIT_CORE", 2, 1)])],
    ),
    Case(
        "rlimit above the hard limit",
        "pyrunc create failed: {id}: process.rlimits[0]: set the limits to 1:1073741824: prlimit: "
        "operation not permitted\n"
        "hint: Raising a hard limit needs CAP_SYS_RESOURCE.",
        [put("process.rlimits", [rlimit("RLIMIT_NOFILE", 1, 1 << 30)])],
    ),
    Case(
        "oomScoreAdj out of range",
        "pyrunc create failed: {id}: config.json: /process/oomScoreAdj: must be from -1000 to 1000, not 1001",
        [put("process.oomScoreAdj", 1001)],
    ),
    Case(
        "scheduler policy unknown",
        "pyrunc create failed: {id}: config.json: /process/scheduler/policy: must be one of SCHED_OTHER, "
        'SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE, SCHED_DEADLINE, not "SCHED_NOWHERE"',
        [put("process.scheduler", {"policy": "SCHED_NOWHERE"})],
    ),
    Case(
        "scheduler priority out of range",
        "pyrunc create failed: {id}: config.json: /process/scheduler/priority: must be from 1 to 99 for "
        "SCHED_FIFO, not 1000",
        [put("process.scheduler", {"policy": "SCHED_FIFO", "priority": 1000})],
    ),
    Case(
        "ioPriority class unknown",
        "pyrunc create failed: {id}: config.json: /process/ioPriority/class: must be one of "
        'IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, not "IOPRIO_CLASS_NOWHERE"',
        [put("process.ioPriority", {"class": "IOPRIO_CLASS_NOWHERE", "priority": 0})],
    ),
    Case(
        "ioPriority out of range",
        "pyrunc create failed: {id}: config.json: /process/ioPriority/priority: must be from 0 to 7, not 9",
        [put("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 9})],
    ),
    Case(
        "resctrl without hardware for it",
        "pyrunc create failed: {id}: linux.intelRdt: no resctrl file system is mounted\nhint: mount -t resctrl resctrl "
        "/sys/fs/resctrl; the CPU must have Intel RDT, AMD QoS or Arm MPAM",
        [put("linux.intelRdt", {"l3CacheSchema": "L3:0=f"})],
    ),
    Case(
        "resctrl group that is no name",
        'pyrunc create failed: {id}: config.json: /linux/intelRdt/closID: must be the name of a directory, or "/", '
        "not 'info'",
        [put("linux.intelRdt", {"closID": "info"})],
    ),
    Case(
        "memory policy without nodes",
        "pyrunc create failed: {id}: config.json: /linux/memoryPolicy/nodes: is required for MPOL_BIND",
        [put("linux.memoryPolicy", {"mode": "MPOL_BIND"})],
    ),
    Case(
        "memory policy with a node that is not there",
        "pyrunc create failed: {id}: linux.memoryPolicy: set the memory policy: invalid argument",
        [put("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "1000"})],
    ),
    Case(
        "personality with flags",
        "pyrunc create failed: {id}: config.json: /linux/personality/flags: no flags are supported, not "
        "'ADDR_NO_RANDOMIZE'",
        [put("linux.personality", {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]})],
    ),
    Case(
        "personality unknown",
        "pyrunc create failed: {id}: config.json: /linux/personality/domain: must be one of LINUX, "
        'LINUX32, not "SOLARIS"',
        [put("linux.personality", {"domain": "SOLARIS"})],
    ),
    Case(
        "AppArmor profile without AppArmor",
        "pyrunc create failed: {id}: process.apparmorProfile: AppArmor is not enabled on this host",
        [put("process.apparmorProfile", "nowhere")],
        marks=["no_apparmor"],
    ),
    Case(
        "SELinux label without SELinux",
        "pyrunc create failed: {id}: process.selinuxLabel: SELinux is not enabled on this host",
        [put("process.selinuxLabel", "system_u:system_r:nowhere_t:s0")],
    ),
    Case(
        "SELinux label of mounts without SELinux",
        "pyrunc create failed: {id}: linux.mountLabel: SELinux is not enabled on this host",
        [put("linux.mountLabel", "system_u:object_r:nowhere_t:s0")],
    ),
    Case(
        "terminal without console socket",
        "pyrunc create failed: {id}: cannot allocate tty if runc will detach without setting console "
        "socket\n"
        "hint: give --console-socket, or set process.terminal to false",
        [put("process.terminal", True)],
    ),
    Case(
        "terminal without console socket, run -d",
        "pyrunc run failed: {id}: cannot allocate tty if runc will detach without setting console socket\n"
        "hint: give --console-socket, or set process.terminal to false",
        [put("process.terminal", True)],
        None,
        "run -d --bundle {bundle} {id}",
    ),
    Case(
        "console socket without terminal",
        "pyrunc create failed: {id}: cannot use console socket if runc will not detach or allocate tty\n"
        "hint: --console-socket needs process.terminal, and create or --detach",
        command="create --console-socket {tmp}/socket --bundle {bundle} {id}",
    ),
    Case(
        "console socket missing",
        "pyrunc create failed: {id}: console socket {tmp}/socket: connect {tmp}/socket: no such file or directory",
        [put("process.terminal", True)],
        command="create --console-socket {tmp}/socket --bundle {bundle} {id}",
    ),
    Case(
        "console socket is a file",
        "pyrunc create failed: {id}: console socket {tmp}/socket: is not a socket",
        [put("process.terminal", True)],
        file("{tmp}/socket"),
        "create --console-socket {tmp}/socket --bundle {bundle} {id}",
    ),
]
