"""What the manual pages say beyond the table of commands and options: paragraphs of plain text."""

OVERVIEW = """\
pyrunc runs containers from OCI bundles. A bundle is a directory with a config.json, which says what the container
is to be, and a root file system. Engines such as docker, containerd, podman and Kubernetes call pyrunc for each
container; it can be called by hand in the same way.

Global options stand before the command, all others behind it. One dash is as good as two, and --name=value as
--name value. For exec and ps everything behind the container's id belongs to the process, or to ps.

Errors are one line on standard error: the operation, its place in config.json, and the system's reason; a second
line may give a hint. After an error nothing is left behind.
"""

EXIT_STATUS = (
    ("0", "Success."),
    ("1", "The command failed, or the command line was wrong."),
    ("3", "There is no such command."),
    ("130", "The command was interrupted."),
    ("255", "exec could not run the process."),
)

STATUS_OF_PROCESS = (
    "Unless --detach is given: the status of the process, or 128 and the number of the signal that ended it."
)

FILES = (
    ("/run/pyrunc/", "The state of root's containers, one directory for each. --root names another."),
    ("$XDG_RUNTIME_DIR/pyrunc/", "The same for other users."),
    ("BUNDLE/config.json", "The configuration of a container, as the OCI runtime specification has it."),
)

ENVIRONMENT = (
    ("XDG_RUNTIME_DIR", "Where an ordinary user's state is kept, see above."),
    ("LISTEN_FDS", "How many descriptors from 3 on are sockets for the container (sd_listen_fds(3))."),
    ("NOTIFY_SOCKET", "Who is told when the container says that it is ready (sd_notify(3))."),
)

DETAILS = {
    "checkpoint": """\
CRIU does the work; its log is dump.log in the directory of --work-path. What a container has of the outside needs the
option that allows it: --tcp-established, --ext-unix-sk, --shell-job, --file-locks.
""",
    "completion": """\
The script knows all commands and options. Ids of containers are asked for when they are wanted, by calling `pyrunc
list`. Files, directories, signals and the words that an option takes are completed, too.
""",
    "create": """\
Everything is made but the process: namespaces, mounts, cgroups. What config.json asks for and this host cannot do
is an error. The user's program is started by `pyrunc start`.

With --config another file stands for the bundle's config.json; paths in it are relative to the bundle all the same.

A terminal (process.terminal) needs --console-socket: its master end is sent over that socket by SCM_RIGHTS.
""",
    "delete": """\
Cgroups, state and mounts of the container are removed, then poststop hooks are run. A container that still runs is
an error without --force; with it one that does not exist is none.
""",
    "events": """\
One JSON object a line: {type, id, data}. Type stats has the figures of the container's cgroup, type oom says that
memory ran out. Without --stats the command ends with the container.
""",
    "exec": """\
The process gets the container's namespaces, cgroup, capabilities, filters and labels, those of config.json unless
options, or the process of --process, say otherwise.
""",
    "features": """\
The members are those of the specification's features.md.
""",
    "kill": """\
Signals are numbers or names, with SIG or without: 9, KILL, SIGKILL, RTMIN+3. Signal 0 asks whether the process is
there.
""",
    "list": """\
Containers of another state root are listed with the global option --root.
""",
    "mounts": """\
The file is a list of mounts as config.json has them under mounts; "-" is the standard input. To remove mounts, their
destinations are enough. What protects the host, such as masked paths, cannot be removed.
""",
    "pause": """\
By the cgroup's freezer. A container that is created and not yet started can be paused, too.
""",
    "ps": """\
Process ids are those of the host. Options of ps(1) may follow the id (by default -ef); the columns must have PID
among them.
""",
    "restore": """\
The bundle must be as it was; the id may be another. --detach comes back when the processes run again.
""",
    "run": """\
In the foreground signals are passed on to the process, and the container is deleted at its end. --detach comes back
when it has been started.
""",
    "setup": """\
podman gets a file of its own, containers/containers.conf.d/pyrunc.conf in /etc or, for an ordinary user, in ~/.config.
docker's /etc/docker/daemon.json and containerd's /etc/containerd/config.toml keep all that is in them. Nothing is
restarted; what has to be is said.

What is there already and differs is not overwritten. With --undo the file becomes what it was, and changes that were
made since stay; what setup wrote and somebody changed is an error.
""",
    "spec": """\
A config.json that is there already is an error.
""",
    "start": """\
What fails in the container until the program has been executed is reported by this command.
""",
    "state": """\
The members are those of the specification's runtime.md, with created, owner and rootfs.
""",
    "update": """\
All limits are changed, or none. SIZE takes the units K, M, G and T. The JSON of --resources has the form of
linux.resources in config.json; device rules in it are left alone.
""",
    "validate": """\
Problems are given with their place as a JSON pointer. Nothing is made or changed. The status is 1 when there is a
problem.
""",
}
