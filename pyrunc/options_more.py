"""The rest of the table of commands: those that are not called for every container.

Loaded only when the command is not one of options.py, which says what the entries mean.
"""

from pyrunc.options import FLAG, STRING, Command, Option

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

COMMANDS = {
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
