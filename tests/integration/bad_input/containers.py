"""Ids, and commands that the container's present status forbids."""

from tests.integration.bad_input.case import Case, World, both, created, directory, file, running, stopped
from tests.support import freezer


def paused(world: World) -> None:
    """The container's cgroup is frozen."""
    running(world)
    freezer.freeze(world.init_pid())


def spoiled_state(world: World) -> None:
    """A container whose state.json is no JSON any more."""
    running(world)
    path = world.pyrunc.root / world.id / "state.json"
    good = path.read_bytes()
    path.write_bytes(b"{")
    world.undo.append(lambda: path.write_bytes(good))


CASES = [
    Case("id empty", "pyrunc create failed: container id cannot be empty", command="create --bundle {bundle} ''"),
    Case(
        "id with a slash",
        "pyrunc create failed: invalid container ID format: 'a/b'\n"
        "hint: an id has letters, digits and _ + - . only, at most 1024, and does not begin with a dot",
        command="create --bundle {bundle} a/b",
    ),
    Case(
        "id is ..",
        "pyrunc create failed: invalid container ID format: '..'\n"
        "hint: an id has letters, digits and _ + - . only, at most 1024, and does not begin with a dot",
        command="create --bundle {bundle} ..",
    ),
    Case(
        "id is .",
        "pyrunc create failed: invalid container ID format: '.'\n"
        "hint: an id has letters, digits and _ + - . only, at most 1024, and does not begin with a dot",
        command="create --bundle {bundle} .",
    ),
    Case(
        "id with a space",
        "pyrunc create failed: invalid container ID format: 'a b'\n"
        "hint: an id has letters, digits and _ + - . only, at most 1024, and does not begin with a dot",
        command="create --bundle {bundle} 'a b'",
    ),
    Case(
        "id with a line break",
        "pyrunc create failed: invalid container ID format: 'a\\nb'\n"
        "hint: an id has letters, digits and _ + - . only, at most 1024, and does not begin with a dot",
        command="create --bundle {bundle} 'a\nb'",
    ),
    Case(
        "id not ASCII",
        "pyrunc create failed: invalid container ID format: 'käse'\n"
        "hint: an id has letters, digits and _ + - . only, at most 1024, and does not begin with a dot",
        command="create --bundle {bundle} käse",
    ),
    Case(
        "id too long for a file name",
        "pyrunc create failed: {long}: create {root}/{long}: file name too long",
        command="create --bundle {bundle} {long}",
    ),
    Case(
        "id too long",
        "pyrunc create failed: invalid container ID format: '{longer}'\n"
        "hint: an id has letters, digits and _ + - . only, at most 1024, and does not begin with a dot",
        command="create --bundle {bundle} {longer}",
    ),
    Case(
        "id taken by a created one",
        "pyrunc create failed: {id}: create {state}: container with given ID already exists\n"
        "hint: choose another id, or remove that container: pyrunc delete {id}",
        prepare=created,
    ),
    Case(
        "id taken by a running one",
        "pyrunc run failed: {id}: create {state}: container with given ID already exists\n"
        "hint: choose another id, or remove that container: pyrunc delete {id}",
        prepare=running,
        command="run --bundle {bundle} {id}",
    ),
    Case(
        "id taken by a stopped one",
        "pyrunc create failed: {id}: create {state}: container with given ID already exists\n"
        "hint: choose another id, or remove that container: pyrunc delete {id}",
        prepare=stopped,
    ),
    Case(
        "state of a missing one",
        "pyrunc state failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="state {id}",
    ),
    Case(
        "state of an id with a slash",
        "pyrunc state failed: invalid container ID format: '../{id}'\n"
        "hint: an id has letters, digits and _ + - . only, at most 1024, and does not begin with a dot",
        command="state ../{id}",
    ),
    Case(
        "start of a missing one",
        "pyrunc start failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="start {id}",
    ),
    Case(
        "kill of a missing one",
        "pyrunc kill failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="kill {id} KILL",
    ),
    Case(
        "delete of a missing one",
        "pyrunc delete failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="delete {id}",
    ),
    Case("delete --force of a missing one", "", command="delete --force {id}", status=0),
    Case(
        "exec into a missing one",
        "pyrunc exec failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="exec {id} true",
        status=255,
    ),
    Case(
        "start of a running one",
        "pyrunc start failed: {id}: cannot start an already running container",
        prepare=running,
        command="start {id}",
    ),
    Case(
        "start of a stopped one",
        "pyrunc start failed: {id}: cannot start a container that has stopped",
        prepare=stopped,
        command="start {id}",
    ),
    Case(
        "delete of a running one",
        "pyrunc delete failed: {id}: cannot delete container {id} that is not stopped: running",
        prepare=running,
        command="delete {id}",
    ),
    Case(
        "kill of a stopped one",
        "pyrunc kill failed: {id}: container not running",
        prepare=stopped,
        command="kill {id} TERM",
    ),
    Case("kill --all of a stopped one", "", prepare=stopped, command="kill --all {id} KILL", status=0),
    Case(
        "exec into a stopped one",
        "pyrunc exec failed: {id}: cannot exec in a stopped container",
        prepare=stopped,
        command="exec {id} true",
        status=255,
    ),
    Case(
        "exec into a paused one",
        "pyrunc exec failed: {id}: cannot exec in a paused container (use --ignore-paused to override)",
        prepare=paused,
        command="exec {id} true",
        status=255,
    ),
    Case(
        "start of a paused one",
        "pyrunc start failed: {id}: cannot start a container in the paused state",
        prepare=paused,
        command="start {id}",
    ),
    Case(
        "delete of a paused one",
        "pyrunc delete failed: {id}: cannot delete container {id} that is not stopped: paused",
        prepare=paused,
        command="delete {id}",
    ),
    Case(
        "kill with an unknown signal",
        'pyrunc kill failed: {id}: unknown signal "NOWHERE"\nhint: give a number, or a name such as TERM or SIGKILL',
        prepare=running,
        command="kill {id} NOWHERE",
    ),
    Case(
        "kill with a negative signal",
        'pyrunc kill failed: {id}: unknown signal "-1"\nhint: give a number, or a name such as TERM or SIGKILL',
        prepare=running,
        command="kill {id} -- -1",
    ),
    Case(
        "kill with signal 65",
        'pyrunc kill failed: {id}: unknown signal "65"\nhint: signals are numbered 1 to 64',
        prepare=running,
        command="kill {id} 65",
    ),
    Case(
        "kill with an empty signal",
        'pyrunc kill failed: {id}: unknown signal ""\nhint: give a number, or a name such as TERM or SIGKILL',
        prepare=running,
        command="kill {id} ''",
    ),
    Case(
        "exec of a missing program",
        'pyrunc exec failed: {id}: exec: "/bin/nowhere": stat /bin/nowhere: no such file or directory',
        prepare=running,
        command="exec {id} /bin/nowhere",
        status=255,
    ),
    Case(
        "exec of a program not in PATH",
        'pyrunc exec failed: {id}: exec: "nowhere": executable file not found in $PATH',
        prepare=running,
        command="exec {id} nowhere",
        status=255,
    ),
    Case(
        "exec of a file",
        'pyrunc exec failed: {id}: exec: "/etc/passwd": permission denied',
        prepare=running,
        command="exec {id} /etc/passwd",
        status=255,
    ),
    Case(
        "exec of a directory",
        'pyrunc exec failed: {id}: exec: "/bin": is a directory: permission denied',
        prepare=running,
        command="exec {id} /bin",
        status=255,
    ),
    Case(
        "exec without a command",
        "pyrunc exec failed: {id}: process args cannot be empty\nhint: name a command, or give --process",
        prepare=running,
        command="exec {id}",
        status=255,
    ),
    Case(
        "exec in a missing directory",
        'pyrunc exec failed: {id}: chdir to cwd: "/nowhere": no such file or directory',
        prepare=running,
        command="exec --cwd /nowhere {id} true",
        status=255,
    ),
    Case(
        "exec in a relative directory",
        "pyrunc exec failed: {id}: process.json: /cwd: must be an absolute path, not 'tmp'",
        prepare=running,
        command="exec --cwd tmp {id} true",
        status=255,
    ),
    Case(
        "exec as a user by name",
        'pyrunc exec failed: {id}: invalid user "nobody"\n'
        "hint: it must be uid[:gid] in decimal numbers from 0 to 4294967294",
        prepare=running,
        command="exec --user nobody {id} true",
        status=255,
    ),
    Case(
        "exec with an unknown capability",
        'pyrunc exec failed: {id}: unknown capability "CAP_NOWHERE"\nhint: names are as in CAP_NET_ADMIN',
        prepare=running,
        command="exec --cap CAP_NOWHERE {id} true",
        status=255,
    ),
    Case(
        "exec with a missing process.json",
        "pyrunc exec failed: {id}: read {tmp}/p.json: no such file or directory",
        prepare=running,
        command="exec --process {tmp}/p.json {id}",
        status=255,
    ),
    Case(
        "exec with a bad process.json",
        "pyrunc exec failed: {id}: process.json has 2 problems:\n"
        "/args: must have at least one entry\n"
        "/cwd: must be an absolute path, not 'x'",
        prepare=both(running, file("{tmp}/p.json", '{"args": [], "cwd": "x"}')),
        command="exec --process {tmp}/p.json {id}",
        status=255,
    ),
    Case(
        "exec with a terminal and no console socket",
        "pyrunc exec failed: {id}: cannot allocate tty if runc will detach without setting console "
        "socket\n"
        "hint: give --console-socket, or set process.terminal to false",
        prepare=running,
        command="exec -d -t {id} true",
        status=255,
    ),
    Case(
        "exec in a missing cgroup",
        "pyrunc exec failed: {id}: --cgroup nowhere: no such cgroup in the container",
        prepare=running,
        command="exec --cgroup nowhere {id} true",
        status=255,
    ),
    Case(
        "exec in a cgroup with ..",
        "pyrunc exec failed: {id}: ../x is not a sub cgroup path",
        prepare=running,
        command="exec --cgroup ../x {id} true",
        status=255,
    ),
    Case(
        "exec with a pid file in a missing directory",
        "pyrunc exec failed: {id}: write the pid file: {tmp}/nowhere/pid: no such file or directory",
        prepare=running,
        command="exec -d --pid-file {tmp}/nowhere/pid {id} true",
        status=255,
    ),
    Case(
        "state of one whose state.json is spoiled",
        "pyrunc state failed: {id}: read the container's state: {state}/state.json: line 1, column 2: "
        "expecting property name enclosed in double quotes\n"
        "hint: pyrunc delete --force removes the record, but cannot know the process and the cgroups",
        prepare=spoiled_state,
        command="state {id}",
    ),
    Case(
        "delete of one whose state.json is spoiled",
        "pyrunc delete failed: {id}: read the container's state: {state}/state.json: line 1, column 2: "
        "expecting property name enclosed in double quotes\n"
        "hint: pyrunc delete --force removes the record, but cannot know the process and the cgroups",
        prepare=spoiled_state,
        command="delete {id}",
    ),
    Case(
        "state of one of which there is only the directory",
        "pyrunc state failed: {id}: container does not exist\n"
        "hint: {state} is what a crash left: pyrunc delete --force {id}",
        prepare=directory("{state}"),
        command="state {id}",
    ),
]
