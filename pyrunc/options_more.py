"""The rest of the table of commands: those that are not called for every container.

Loaded only when the command is not one of options.py, which says what the entries mean.
"""

from pyrunc.options import BUNDLE, CONSOLE_SOCKET, DETACH, FLAG, INTEGER, LIST, PID_FILE, STRING, Command, Option

_LIMITS = (
    Option("blkio-weight", "", STRING, "WEIGHT", "share of the disks' time, 10 to 1000"),
    Option("cpu-burst", "", STRING, "USEC", "quota that may be saved up for later periods"),
    Option("cpu-idle", "", STRING, "0|1", "1: run only when nothing else wants the CPU"),
    Option("cpu-period", "", STRING, "USEC", "length of a period of --cpu-quota"),
    Option("cpu-quota", "", STRING, "USEC", "CPU time in each period; -1: no limit"),
    Option("cpu-rt-period", "", STRING, "USEC", "length of a period of --cpu-rt-runtime"),
    Option("cpu-rt-runtime", "", STRING, "USEC", "real-time CPU time in each period"),
    Option("cpu-share", "", STRING, "SHARES", "share of the CPU against other cgroups, 2 to 262144"),
    Option("cpuset-cpus", "", STRING, "LIST", "CPUs to run on, like 0-2,7"),
    Option("cpuset-mems", "", STRING, "LIST", "memory nodes to use"),
    Option("memory", "", STRING, "SIZE", "memory limit, like 64M; -1: none"),
    Option("memory-reservation", "", STRING, "SIZE", "memory that is left alone when others need some"),
    Option("memory-swap", "", STRING, "SIZE", "limit of memory and swap together; -1: none"),
    Option("pids-limit", "", STRING, "N", "how many processes and threads; -1: no limit"),
    Option("l3-cache-schema", "", STRING, "SCHEMA", "share of the L3 caches, like L3:0=f0;1=f (resctrl)"),
    Option("mem-bw-schema", "", STRING, "SCHEMA", "share of the memory's bandwidth, like MB:0=20;1=70 (resctrl)"),
)

_CHECKPOINT = (
    Option("image-path", "", STRING, "DIR", "write the images into DIR (default: checkpoint)", "checkpoint"),
    Option("work-path", "", STRING, "DIR", "write criu's log and work files into DIR (default: that of the images)"),
    Option("parent-path", "", STRING, "DIR", "build upon this pre-dump, named relative to --image-path", ""),
    Option("leave-running", "", FLAG, "", "let the container go on"),
    Option("tcp-established", "", FLAG, "", "keep established TCP connections"),
    Option("tcp-skip-in-flight", "", FLAG, "", "leave out TCP connections that are being made"),
    Option("link-remap", "", FLAG, "", "keep files that are open but have no name any more, by a link beside them"),
    Option("ext-unix-sk", "", FLAG, "", "allow connections of unix sockets to the outside"),
    Option("shell-job", "", FLAG, "", "allow a terminal and session of the outside"),
    Option("lazy-pages", "", FLAG, "", "serve the memory to a restore that fetches it when it is needed"),
    Option("status-fd", "", INTEGER, "FD", "write a NUL byte to FD when the server of --lazy-pages is ready"),
    Option("page-server", "", STRING, "ADDRESS:PORT", "the page server that gets the memory", ""),
    Option("file-locks", "", FLAG, "", "keep file locks"),
    Option("pre-dump", "", FLAG, "", "only write the memory, for --parent-path; the container goes on"),
    Option(
        "manage-cgroups-mode", "", STRING, "soft|full|strict|ignore|none", "what is kept of cgroups (default: soft)", ""
    ),
    Option("empty-ns", "", LIST, "TYPE", "do not keep what is in this namespace (network)"),
    Option("auto-dedup", "", FLAG, "", "drop from the parent's images what these replace"),
    Option("network-lock", "", STRING, "iptables|nftables|skip", "how packets are held back meanwhile", ""),
)
_RESTORE = (
    CONSOLE_SOCKET,
    Option("image-path", "", STRING, "DIR", "the directory of the images (default: checkpoint)", "checkpoint"),
    Option("work-path", "", STRING, "DIR", "write criu's log and work files into DIR (default: that of the images)"),
    Option("tcp-established", "", FLAG, "", "restore established TCP connections"),
    Option("tcp-close", "", FLAG, "", "restore TCP connections as closed ones"),
    Option("ext-unix-sk", "", FLAG, "", "restore connections of unix sockets to the outside"),
    Option("shell-job", "", FLAG, "", "restore a terminal and session of the outside as ours"),
    Option("file-locks", "", FLAG, "", "restore file locks"),
    Option(
        "manage-cgroups-mode", "", STRING, "soft|full|strict|ignore|none", "what is kept of cgroups (default: soft)", ""
    ),
    BUNDLE,
    DETACH,
    PID_FILE,
    Option("no-subreaper", "", FLAG, "", "do not adopt the orphans of the container's processes"),
    Option("no-pivot", "", FLAG, "", "accepted; criu has its own way to change the root"),
    Option("empty-ns", "", LIST, "TYPE", "make this namespace new and empty (network)"),
    Option("auto-dedup", "", FLAG, "", "drop from the images what has been restored"),
    Option("lazy-pages", "", FLAG, "", "fetch memory when it is needed, from a running `criu lazy-pages`"),
    Option(
        "lsm-profile", "", STRING, "TYPE:NAME", "the LSM profile for the processes (apparmor:NAME, selinux:LABEL)", ""
    ),
    Option("lsm-mount-context", "", STRING, "LABEL", "the SELinux context for mounts", ""),
    Option("network-lock", "", STRING, "iptables|nftables|skip", "how packets are held back meanwhile", ""),
)

COMMANDS = {
    "checkpoint": Command(
        "write the processes of a running container to files, and end it",
        "<container-id>",
        1,
        1,
        _CHECKPOINT,
        example="pyrunc checkpoint --image-path /srv/web/images web1\n"
        "pyrunc restore --image-path /srv/web/images --bundle /srv/web --detach web1",
    ),
    "restore": Command(
        "make a container from the files of a checkpoint",
        "<container-id>",
        1,
        1,
        _RESTORE,
        example="pyrunc restore --image-path /srv/web/images --bundle /srv/web --detach web1",
    ),
    "completion": Command(
        "print a script that completes pyrunc's command line in a shell",
        "bash|zsh|fish",
        1,
        1,
        example="source <(pyrunc completion bash)    # or zsh\npyrunc completion fish | source",
    ),
    "list": Command(
        "list the containers",
        "",
        0,
        0,
        (
            Option("format", "f", STRING, "table|json", "how to print them (default: table)", "table"),
            Option("quiet", "q", FLAG, "", "print only the ids"),
        ),
    ),
    "events": Command(
        "print what a container uses, and when it ran out of memory, as JSON",
        "<container-id>",
        1,
        1,
        (
            Option("stats", "", FLAG, "", "print what it uses now, once"),
            Option("interval", "", STRING, "DURATION", "how often to print what it uses (default: 5s)", "5s"),
        ),
        example="pyrunc events --stats web1\npyrunc events --interval 500ms web1",
    ),
    "features": Command("print what pyrunc can do as JSON", "", 0, 0),
    "mounts": Command(
        "add mounts to a container that is there, or remove some",
        "<add|remove> <container-id> <file>",
        3,
        3,
        example="""echo '[{"destination": "/data", "source": "/srv/data", "options": ["rbind", "ro"]}]' > data.json\n"""
        "pyrunc mounts add web1 data.json\npyrunc mounts remove web1 data.json",
    ),
    "pause": Command(
        "stop all processes of a container until it is resumed",
        "<container-id>",
        1,
        1,
        example="pyrunc pause web1\npyrunc resume web1",
    ),
    "ps": Command(
        "list the processes of a container",
        "<container-id> [ps options]",
        1,
        -1,
        (Option("format", "f", STRING, "table|json", "how to print them (default: table)", "table"),),
        interspersed=False,
        example="pyrunc ps web1\npyrunc ps web1 -o pid,user,args\npyrunc ps --format json web1",
    ),
    "resume": Command("let the processes of a paused container go on", "<container-id>", 1, 1),
    "setup": Command(
        "write into an engine's configuration that there is pyrunc",
        "podman|docker|containerd",
        1,
        1,
        (
            Option("default", "", FLAG, "", "make it the runtime that is taken when none is named"),
            Option("dry-run", "", FLAG, "", "print what would change as a unified diff, and change nothing"),
            Option("undo", "", FLAG, "", "remove what setup wrote"),
            Option("prefix", "", STRING, "DIR", "take DIR for the root directory (that of an image)"),
        ),
        example="pyrunc setup docker --dry-run\npyrunc setup docker --default\npyrunc setup docker --undo",
    ),
    "update": Command(
        "change the limits of a container",
        "<container-id>",
        1,
        1,
        (
            Option("resources", "r", STRING, "FILE", 'take them from this JSON file ("-": stdin) and nowhere else'),
            *_LIMITS,
        ),
        example="pyrunc update --memory 512M --pids-limit 100 web1\n"
        """echo '{"cpu": {"quota": 50000}}' | pyrunc update --resources - web1""",
    ),
    "validate": Command(
        "say everything that is wrong with a bundle, and what this host cannot do of it",
        "<bundle>",
        1,
        1,
        (Option("format", "f", STRING, "text|json", "how to print it (default: text)", "text"),),
        example="pyrunc validate /srv/web\npyrunc validate --format json . | jq .problems",
    ),
    "spec": Command(
        "write a config.json to start from",
        "",
        0,
        0,
        (
            Option("bundle", "b", STRING, "DIR", "write it into DIR (default: the current directory)"),
            Option("rootless", "", FLAG, "", "for a container of an ordinary user"),
        ),
    ),
}
