"""Values of options that do not fit the host."""

from tests.integration.bad_input.case import Case, directory, file

CASES = [
    Case(
        "pid file in a missing directory",
        "pyrunc create failed: {id}: write the pid file: {tmp}/nowhere/pid: no such file or directory",
        command="create --pid-file {tmp}/nowhere/pid --bundle {bundle} {id}",
    ),
    Case(
        "pid file is a directory",
        "pyrunc create failed: {id}: write the pid file: {tmp}/pid: is a directory",
        prepare=directory("{tmp}/pid"),
        command="create --pid-file {tmp}/pid --bundle {bundle} {id}",
    ),
    Case(
        "descriptors to preserve that are closed",
        "pyrunc create failed: {id}: preserve-fds: please check that preserved-fd 1 (of 3) is present\n"
        "hint: descriptor 3 is not open in the caller",
        command="create --preserve-fds 3 --bundle {bundle} {id}",
    ),
    Case(
        "state root is a file",
        "pyrunc create failed: {id}: open the state root {tmp}/file: not a directory",
        prepare=file("{tmp}/file"),
        command="--root {tmp}/file create --bundle {bundle} {id}",
    ),
    Case(
        "state root below a file",
        "pyrunc create failed: {id}: open the state root {tmp}/file/x: not a directory",
        prepare=file("{tmp}/file"),
        command="--root {tmp}/file/x create --bundle {bundle} {id}",
    ),
    Case(
        "list of a state root that is a file",
        "pyrunc list failed: list containers: {tmp}/file: not a directory",
        prepare=file("{tmp}/file"),
        command="--root {tmp}/file list",
    ),
    Case(
        "state root in /proc",
        "pyrunc create failed: {id}: open the state root /proc/x: no such file or directory",
        command="--root /proc/x create --bundle {bundle} {id}",
    ),
]
