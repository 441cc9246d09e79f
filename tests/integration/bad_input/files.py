"""The bundle and config.json as a file."""

import os

from tests.integration.bad_input.case import Case, World, add, both, directory, drop, put, raw_config

BIG = 17 << 20


def no_config(world: World) -> None:
    """The bundle has no config.json."""
    (world.bundle.path / "config.json").unlink()


def config_is_fifo(world: World) -> None:
    """Nobody writes into it: whoever opens it for reading without care waits for ever."""
    no_config(world)
    os.mkfifo(world.bundle.path / "config.json")


def config_is_device(world: World) -> None:
    """A file without end."""
    no_config(world)
    (world.bundle.path / "config.json").symlink_to("/dev/zero")


def config_is_link_to_itself(world: World) -> None:
    """A link that cannot be followed."""
    no_config(world)
    (world.bundle.path / "config.json").symlink_to("config.json")


CASES = [
    Case(
        "bundle missing",
        "pyrunc create failed: {id}: JSON specification file config.json not found\n"
        "hint: {tmp}/nowhere is no bundle; `pyrunc spec` writes a config.json to start from",
        command="create --bundle {tmp}/nowhere {id}",
    ),
    Case(
        "bundle is a file",
        "pyrunc create failed: {id}: read {bundle}/config.json/config.json: not a directory",
        command="create --bundle {bundle}/config.json {id}",
    ),
    Case(
        "config.json missing",
        "pyrunc create failed: {id}: JSON specification file config.json not found\n"
        "hint: {bundle} is no bundle; `pyrunc spec` writes a config.json to start from",
        prepare=no_config,
    ),
    Case(
        "config.json is a directory",
        "pyrunc create failed: {id}: {bundle}/config.json: not a regular file",
        prepare=both(no_config, directory("{bundle}/config.json")),
    ),
    Case(
        "config.json is a FIFO",
        "pyrunc create failed: {id}: {bundle}/config.json: not a regular file",
        prepare=config_is_fifo,
    ),
    Case(
        "config.json is a device",
        "pyrunc create failed: {id}: {bundle}/config.json: not a regular file",
        prepare=config_is_device,
    ),
    Case(
        "config.json is a link to itself",
        "pyrunc create failed: {id}: read {bundle}/config.json: too many levels of symbolic links",
        prepare=config_is_link_to_itself,
    ),
    Case(
        "config.json is empty",
        "pyrunc create failed: {id}: {bundle}/config.json: line 1, column 1: a value is missing",
        prepare=raw_config(b""),
    ),
    Case(
        "config.json is cut off",
        "pyrunc create failed: {id}: {bundle}/config.json: line 1, column 37: expecting property name "
        "enclosed in double quotes",
        prepare=raw_config(b'{"ociVersion": "1.2.0", "process": {'),
    ),
    Case(
        "config.json is a list",
        "pyrunc create failed: {id}: {bundle}/config.json: must hold a JSON object",
        prepare=raw_config(b"[]"),
    ),
    Case(
        "config.json has a NUL byte",
        "pyrunc create failed: {id}: {bundle}/config.json: line 1, column 23: expecting ',' delimiter",
        prepare=raw_config(b'{"ociVersion": "1.2.0"\0}'),
    ),
    Case(
        "config.json has an escaped NUL in a path",
        "pyrunc create failed: {id}: config.json: /process/cwd: contains a NUL byte",
        [put("process.cwd", "/tmp\0/x")],
    ),
    Case(
        "config.json is not UTF-8",
        "pyrunc create failed: {id}: {bundle}/config.json: not UTF-8 at byte 37",
        prepare=raw_config(b'{"ociVersion": "1.2.0", "hostname": "\xff"}'),
    ),
    Case(
        "config.json has a member without a name",
        "pyrunc create failed: {id}: {bundle}/config.json: line 1, column 25: expecting property name "
        "enclosed in double quotes",
        prepare=raw_config(b'{"ociVersion": "1.2.0", 1}'),
    ),
    Case(
        "config.json has two objects",
        "pyrunc create failed: {id}: {bundle}/config.json: line 1, column 25: more text after the value",
        prepare=raw_config(b'{"ociVersion": "1.2.0"} {}'),
    ),
    Case(
        "config.json has a member twice",
        'pyrunc create failed: {id}: {bundle}/config.json: line 3, column 2: duplicate key "hostname"',
        prepare=raw_config(b'{"ociVersion": "1.2.0",\n "hostname": "a",\n "hostname": "b"}'),
    ),
    Case(
        "config.json has NaN",
        "pyrunc create failed: {id}: {bundle}/config.json: line 1, column 52: NaN and infinities are not JSON",
        prepare=raw_config(b'{"ociVersion": "1.2.0", "process": {"oomScoreAdj": NaN}}'),
    ),
    Case(
        "config.json is nested too deeply",
        "pyrunc create failed: {id}: {bundle}/config.json: line 1, column 641: nested deeper than 128 levels",
        prepare=raw_config(b'{"a":' * 200 + b"1" + b"}" * 200),
    ),
    Case(
        "config.json has 17 MB",
        "pyrunc create failed: {id}: {bundle}/config.json: larger than 8 MiB",
        prepare=raw_config(b'{"ociVersion": "1.2.0"' + b" " * BIG + b"}"),
    ),
    Case(
        "ociVersion missing", "pyrunc create failed: {id}: config.json: /ociVersion: is required", [drop("ociVersion")]
    ),
    Case(
        "ociVersion of the future",
        "pyrunc create failed: {id}: config.json: /ociVersion: version 2.0.0 is not supported: pyrunc "
        "follows 1.3.0 and takes all of 1.x",
        [put("ociVersion", "2.0.0")],
    ),
    Case(
        "ociVersion is no version",
        "pyrunc create failed: {id}: config.json: /ociVersion: must be a semantic version like 1.3.0, not 'latest'",
        [put("ociVersion", "latest")],
    ),
    Case("root missing", "pyrunc create failed: {id}: config.json: /root: is required", [drop("root")]),
    Case("root.path missing", "pyrunc create failed: {id}: config.json: /root/path: is required", [drop("root.path")]),
    Case(
        "root filesystem missing",
        "pyrunc create failed: {id}: root.path: bind the root file system: rootfs ({bundle}/nowhere): "
        "no such file or directory",
        [put("root.path", "nowhere")],
    ),
    Case(
        "root filesystem is a file",
        "pyrunc create failed: {id}: root.path: bind the root file system: rootfs ({bundle}/config.json) "
        "is not a directory",
        [put("root.path", "config.json")],
    ),
    Case(
        "a member of the wrong type",
        'pyrunc create failed: {id}: config.json: /process/args: must be an array, not "/bin/true"',
        [put("process.args", "/bin/true")],
    ),
    Case(
        "many problems at once",
        "pyrunc create failed: {id}: config.json has 5 problems:\n"
        '/linux/resources/pids/limit: must be a whole number, not "ten"\n'
        "/mounts/7/destination: is required\n"
        "/process/args: must have at least one entry\n"
        '/root/readonly: must be true or false, not "yes"\n'
        "/process/cwd: must be an absolute path, not 'tmp'",
        [
            put("process.cwd", "tmp"),
            put("process.args", []),
            put("root.readonly", "yes"),
            add("mounts", {"type": "tmpfs"}),
            put("linux.resources.pids", {"limit": "ten"}),
        ],
    ),
]
