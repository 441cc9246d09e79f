"""Hooks that fail, at each stage."""

from tests.integration.bad_input.case import RUN, Case, Change, put


def hook(kind: str, path: str, *args: str, **more: object) -> list[Change]:
    """One hook of that kind."""
    return [put(f"hooks.{kind}", [{"path": path, **({"args": [path, *args]} if args else {}), **more}])]


def fails(kind: str) -> list[Change]:
    """A hook of that kind that prints something and ends with status 3."""
    return hook(kind, "/bin/sh", "-c", "echo told to fail >&2; exit 3")


QUICK = put("process.args", ["/bin/true"])

CASES = [
    Case(
        "prestart hook fails",
        "pyrunc create failed: {id}: hooks.prestart[0]: hook /bin/sh of container {id}: error running "
        "prestart hook #0: exit status 3, stdout: , stderr: told to fail",
        fails("prestart"),
    ),
    Case(
        "createRuntime hook fails",
        "pyrunc create failed: {id}: hooks.createRuntime[0]: hook /bin/sh of container {id}: error "
        "running createRuntime hook #0: exit status 3, stdout: , stderr: told to fail",
        fails("createRuntime"),
    ),
    Case(
        "createContainer hook fails",
        "pyrunc create failed: {id}: hooks.createContainer[0]: hook /bin/sh of container {id}: error "
        "running createContainer hook #0: exit status 3, stdout: , stderr: told to fail",
        fails("createContainer"),
    ),
    Case(
        "startContainer hook fails",
        "pyrunc run failed: {id}: hooks.startContainer[0]: error running startContainer hook #0: "
        '"/bin/sh": exit status 3, output: told to fail',
        fails("startContainer"),
        command=RUN,
    ),
    Case(
        "poststart hook fails",
        "pyrunc run failed: {id}: hooks.poststart[0]: hook /bin/sh of container {id}: error running "
        "poststart hook #0: exit status 3, stdout: , stderr: told to fail",
        fails("poststart"),
        command=RUN,
    ),
    Case(
        "poststop hook fails",
        "warning: hooks.poststop[0]: hook /bin/sh of container {id}: error running poststop hook #0: "
        "exit status 3, stdout: , stderr: told to fail",
        [QUICK, *fails("poststop")],
        command=RUN,
        status=0,
    ),
    Case(
        "hook missing",
        "pyrunc create failed: {id}: hooks.createRuntime[0]: hook /nowhere/hook of container {id}: error "
        "running createRuntime hook #0: fork/exec /nowhere/hook: no such file or directory",
        hook("createRuntime", "/nowhere/hook"),
    ),
    Case(
        "hook path relative",
        "pyrunc create failed: {id}: config.json: /hooks/createRuntime/0/path: must be an absolute path, "
        "not 'bin/hook'",
        hook("createRuntime", "bin/hook"),
    ),
    Case(
        "hook not executable",
        "pyrunc create failed: {id}: hooks.createRuntime[0]: hook /etc/passwd of container {id}: error "
        "running createRuntime hook #0: fork/exec /etc/passwd: permission denied",
        hook("createRuntime", "/etc/passwd"),
    ),
    Case(
        "hook without path",
        "pyrunc create failed: {id}: config.json: /hooks/createRuntime/0/path: is required",
        [put("hooks.createRuntime", [{"args": ["x"]}])],
    ),
    Case(
        "hook too slow",
        "pyrunc create failed: {id}: hooks.createRuntime[0]: hook /bin/sh of container {id}: error "
        "running createRuntime hook #0: hook ran past specified timeout of 1.0s, stdout: , stderr: ",
        hook("createRuntime", "/bin/sh", "-c", "sleep 100", timeout=1),
    ),
    Case(
        "hook with a timeout of 0",
        "pyrunc create failed: {id}: config.json: /hooks/createRuntime/0/timeout: must be from 1 to "
        "9223372036854775807, not 0",
        hook("createRuntime", "/bin/true", timeout=0),
    ),
    Case(
        "hook killed by a signal",
        "pyrunc create failed: {id}: hooks.createRuntime[0]: hook /bin/sh of container {id}: error "
        "running createRuntime hook #0: signal: terminated, stdout: , stderr: ",
        hook("createRuntime", "/bin/sh", "-c", "kill -TERM $$"),
    ),
    Case(
        "startContainer hook missing in the container",
        "pyrunc run failed: {id}: hooks.startContainer[0]: error running startContainer hook #0: "
        '"/nowhere/hook": exit status 127, output: No such file or directory',
        hook("startContainer", "/nowhere/hook"),
        command=RUN,
    ),
]
