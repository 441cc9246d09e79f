"""The rest of the table of commands: those that are not called for every container.

Loaded only when the command is not one of options.py, which says what the entries mean.
"""

from pyrunc.options import FLAG, STRING, Command, Option

COMMANDS = {
    "list": Command(
        "list the containers",
        "",
        0,
        0,
        (
            Option("format", "f", STRING, "FORMAT", "table or json (default: table)", "table"),
            Option("quiet", "q", FLAG, "", "print only the ids"),
        ),
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
        (Option("format", "f", STRING, "FORMAT", "table or json (default: table)", "table"),),
        interspersed=False,
        example="pyrunc ps web1\npyrunc ps web1 -o pid,user,args\npyrunc ps --format json web1",
    ),
    "resume": Command("let the processes of a paused container go on", "<container-id>", 1, 1),
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
