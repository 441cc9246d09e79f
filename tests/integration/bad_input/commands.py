"""The command line itself."""

from tests.integration.bad_input.case import Case

CASES = [
    Case(
        "command unknown",
        "No help topic for 'nowhere'\nhint: pyrunc --help lists the commands",
        command="nowhere {id}",
        status=3,
    ),
    Case(
        "global option unknown",
        "flag provided but not defined: -nowhere\nhint: see pyrunc --help",
        command="--nowhere state {id}",
    ),
    Case("global option without its value", "flag needs an argument: -log\nhint: see pyrunc --help", command="--log"),
    Case(
        "option unknown",
        "flag provided but not defined: -nowhere\nhint: see pyrunc create --help",
        command="create --nowhere {id}",
    ),
    Case(
        "option of another command",
        "flag provided but not defined: -bundle\nhint: see pyrunc start --help",
        command="start --bundle {bundle} {id}",
    ),
    Case(
        "option without its value",
        "flag needs an argument: -bundle\nhint: see pyrunc create --help",
        command="create --bundle",
    ),
    Case(
        "nobody at the pidfd socket",
        "pyrunc create failed: {id}: pidfd socket {tmp}/s: connect {tmp}/s: no such file or directory",
        command="create --pidfd-socket {tmp}/s --bundle {bundle} {id}",
    ),
    Case(
        "pidfd socket that is none",
        "pyrunc run failed: {id}: pidfd socket /dev/null: is not a socket",
        command="run --pidfd-socket /dev/null --bundle {bundle} {id}",
    ),
    Case(
        "option that is no number",
        'invalid value "two" for flag -preserve-fds: parse error\nhint: see pyrunc create --help',
        command="create --preserve-fds two --bundle {bundle} {id}",
    ),
    Case(
        "option below zero",
        'invalid value "-1" for flag -preserve-fds: parse error\nhint: see pyrunc create --help',
        command="create --preserve-fds -1 --bundle {bundle} {id}",
    ),
    Case(
        "flag that is neither true nor false",
        'invalid boolean value "perhaps" for -detach: parse error\nhint: see pyrunc run --help',
        command="run --detach=perhaps --bundle {bundle} {id}",
    ),
    Case(
        "id missing",
        'pyrunc: "create" requires exactly 1 argument(s)\nhint: see pyrunc create --help',
        command="create --bundle {bundle}",
    ),
    Case(
        "argument too many",
        'pyrunc: "create" requires exactly 1 argument(s)\nhint: see pyrunc create --help',
        command="create --bundle {bundle} {id} more",
    ),
    Case(
        "argument for list",
        'pyrunc: "list" requires exactly 0 argument(s)\nhint: see pyrunc list --help',
        command="list {id}",
    ),
    Case(
        "argument for features",
        'pyrunc: "features" requires exactly 0 argument(s)\nhint: see pyrunc features --help',
        command="features {id}",
    ),
    Case(
        "validate without a bundle",
        'pyrunc: "validate" requires exactly 1 argument(s)\nhint: see pyrunc validate --help',
        command="validate",
    ),
    Case(
        "validate in an unknown format",
        "pyrunc validate failed: invalid format option\nhint: --format takes text or json",
        command="validate --format xml {bundle}",
    ),
    Case(
        "validate of what is no bundle",
        "",
        command="validate {tmp}/nowhere",
        stdout="error: JSON specification file config.json not found\n"
        "{tmp}/nowhere: not valid (1 problem, no warnings)\n",
    ),
    Case(
        "list in an unknown format",
        "pyrunc list failed: invalid format option\nhint: --format takes table or json",
        command="list --format xml",
    ),
    Case("log in an unknown format", "invalid log-format: xml", command="--log-format xml state {id}"),
    Case(
        "log in a missing directory",
        "open {tmp}/nowhere/log: no such file or directory",
        command="--log {tmp}/nowhere/log state {id}",
    ),
    Case("log is a directory", "open {tmp}: is a directory", command="--log {tmp} state {id}"),
    Case(
        "rootless perhaps",
        'invalid value "perhaps" for flag -rootless: true, false or auto\nhint: see pyrunc --help',
        command="--rootless perhaps state {id}",
    ),
    Case("root empty", "flag needs an argument: -root\nhint: see pyrunc --help", command="--root '' state {id}"),
    Case(
        "spec where there is one",
        "pyrunc spec failed: File config.json exists. Remove it first",
        command="spec --bundle {bundle}",
    ),
    Case(
        "spec in a missing directory",
        "pyrunc spec failed: {tmp}/nowhere/config.json: no such file or directory",
        command="spec --bundle {tmp}/nowhere",
    ),
    Case(
        "error as JSON on stderr",
        '{"level":"error","msg":"pyrunc state failed: {id}: container does not '
        'exist","time":"{number}-{number}-{number}T{number}:{number}:{number}Z"}',
        command="--log-format json state {id}",
    ),
]
