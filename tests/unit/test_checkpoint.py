"""Checkpoint and restore as far as nothing is touched: options, what is external, messages, CRIU's log."""

import os
import pty
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from pyrunc.checkpoint import externals, messages, report
from pyrunc.checkpoint.dump import check_namespaces
from pyrunc.checkpoint.externals import Bind, MountPoint
from pyrunc.checkpoint.mount_points import points
from pyrunc.checkpoint.options import (
    CheckpointOptions,
    Options,
    RestoreOptions,
    address_of,
    check_version,
    config_file,
    text_of,
)
from pyrunc.checkpoint.restore import cgroup_roots, read_descriptors
from pyrunc.errors import PyruncError
from pyrunc.operations.bind import BindMount
from pyrunc.operations.filesystem import FilesystemMount
from pyrunc.operations.options import parse_options


def refused(call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(PyruncError) as caught:
        call(*args, **options)
    return str(caught.value)


def test_defaults_leave_everything_to_criu() -> None:
    assert CheckpointOptions().fields() == {}
    assert RestoreOptions().fields() == {}


def test_every_option_of_a_checkpoint_reaches_criu() -> None:
    options = CheckpointOptions(
        "images",
        parent_path="../parent",
        leave_running=True,
        tcp_skip_in_flight=True,
        link_remap=True,
        page_server="[::1]:27",
        tcp_established=True,
        ext_unix_sk=True,
        shell_job=True,
        file_locks=True,
        lazy_pages=True,
        auto_dedup=True,
        manage_cgroups_mode="strict",
        empty_ns=["network"],
        network_lock="skip",
    )
    fields = options.fields()
    switches = """
        auto_dedup ext_unix_sk file_locks lazy_pages leave_running link_remap shell_job tcp_established
        tcp_skip_in_flight track_mem
    """
    assert {name for name, value in fields.items() if value is True} == set(switches.split())
    assert {name: value for name, value in fields.items() if value is not True} == {
        "parent_img": "../parent",
        "ps": {"address": "::1", "port": 27},
        "manage_cgroups_mode": 5,
        "empty_ns": 0x40000000,
        "network_lock": 3,
    }


def test_every_option_of_a_restore_reaches_criu() -> None:
    fields = RestoreOptions(tcp_close=True, lsm_profile="apparmor:x", lsm_mount_context="y").fields()
    assert fields == {"tcp_close": True, "lsm_profile": "apparmor:x", "lsm_mount_context": "y"}


def test_a_pre_dump_tracks_memory() -> None:
    assert CheckpointOptions(pre_dump=True).fields() == {"track_mem": True}


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (CheckpointOptions, {"manage_cgroups_mode": "hard"}, 'manage-cgroups-mode: "hard" is none of ignore, none,'),
        (RestoreOptions, {"network_lock": "pf"}, 'network-lock: "pf" is none of iptables, nftables, skip'),
        (Options, {"empty_ns": ["pid"]}, 'empty-ns: namespace "pid" is not supported'),
        (CheckpointOptions, {"parent_path": "/x"}, "parent-path: --parent-path must be relative to --image-path"),
        (CheckpointOptions, {"page_server": "7000"}, "page-server: Use --page-server ADDRESS:PORT to specify"),
        (CheckpointOptions, {"page_server": ":7000"}, "page-server: Use --page-server ADDRESS:PORT to specify"),
        (CheckpointOptions, {"page_server": "a:b"}, 'page-server: Invalid port number "b"'),
        (CheckpointOptions, {"page_server": "a:0"}, 'page-server: Invalid port number "0"'),
        (CheckpointOptions, {"page_server": "a:65536"}, 'page-server: Invalid port number "65536"'),
        (CheckpointOptions, {"page_server": "a:٣"}, 'page-server: Invalid port number "٣"'),
    ],
)
def test_options_that_are_refused(kind: Any, options: dict[str, Any], message: str) -> None:
    assert refused(kind, **options).startswith(message)


def test_address() -> None:
    assert address_of("0.0.0.0:27277") == ("0.0.0.0", 27277)
    assert address_of("[fe80::1]:1") == ("fe80::1", 1)


def test_the_configuration_file() -> None:
    assert config_file({}, []) == ""
    assert config_file({}, ["/etc/criu/pyrunc.conf", "/etc/criu/runc.conf"]) == "/etc/criu/pyrunc.conf"
    assert config_file({"org.criu.config": "/x"}, ["/etc/criu/runc.conf"]) == "/x"
    assert config_file({"org.criu.config": ""}, ["/etc/criu/runc.conf"]) == ""


def test_versions() -> None:
    assert text_of(41101) == "4.11.1"
    check_version(30000, {"lsm_profile": ""})
    check_version(31600, {"lsm_profile": "x"})
    assert refused(check_version, 21200, {}) == "CRIU version 2.12.0 must be 3.0.0 or higher"
    message = "external_network requires at least CRIU 3.11.0, this is 3.10.0"
    assert refused(check_version, 31000, {"external_network": "/run/netns/x"}) == message


@pytest.mark.parametrize(
    ("namespaces", "message"),
    [
        ({"pid": ""}, "a container without a mount namespace of its own cannot be checkpointed"),
        ({"mount": "/x"}, "a container without a mount namespace of its own cannot be checkpointed"),
        ({"mount": "", "user": "/x"}, "a container that joined a user namespace cannot be checkpointed"),
        ({"mount": "", "cgroup": "/x"}, "a container that joined a cgroup namespace cannot be checkpointed"),
    ],
)
def test_namespaces_that_criu_cannot_restore(namespaces: dict[str, str], message: str) -> None:
    assert refused(check_namespaces, namespaces) == f"linux.namespaces: {message}"


def test_a_request_on_the_wire() -> None:
    opts = {
        "images_dir_fd": 3,
        "ext_mnt": [{"key": "/a", "val": "/b"}],
        "ps": {"address": "x", "port": 1},
        "external": ["net[1]:x"],
        "empty_ns": 0x40000000,
    }
    data = messages.encode({"type": messages.DUMP, "opts": opts})
    again = messages.Request.FromString(data)
    assert again.type == messages.DUMP
    assert [(each.key, each.val) for each in again.opts.ext_mnt] == [("/a", "/b")]
    assert again.opts.ps.port == 1
    assert list(again.opts.external) == ["net[1]:x"]
    # By hand: type = 10, nothing else.
    assert messages.encode({"type": messages.VERSION}) == b"\x08\x0a"


def test_a_response_from_the_wire() -> None:
    # type 10, success, version {4, 1, sublevel 1}, and a field that is not in the table
    data = bytes.fromhex("080a1001 5206 0804 1001 2001 a00601".replace(" ", ""))
    response = messages.decode(data)
    assert response.success
    assert (response.version.major_number, response.version.minor_number, response.version.sublevel) == (4, 1, 1)


def test_messages_that_are_none() -> None:
    assert "something else than a message" in refused(messages.decode, b"\xff")
    assert "not valid UTF-8" in refused(messages.encode, {"type": 1, "opts": {"root": "/\udcff"}})


LOG = b"""\
(00.000048) Version: 4.1.1 (gitid 0)
(00.100001)    417: Error (criu/files-reg.c:1831): Can't lookup mount=23 for fd=0 path=/dev/null
(00.100001)    417: Error (criu/files-reg.c:1831): Can't lookup mount=23 for fd=0 path=/dev/null
(00.100002) Warn  (criu/x.c:1): a warning
(00.200003) Error (criu/cr-dump.c:2111): Dumping FAILED.\x1b[0m
"""


def test_the_error_lines_of_a_log() -> None:
    assert report.excerpt(LOG) == [
        "Error (criu/files-reg.c:1831): Can't lookup mount=23 for fd=0 path=/dev/null",
        "Error (criu/cr-dump.c:2111): Dumping FAILED.?[0m",
    ]
    assert report.excerpt(b"(00.1) one\n(00.2) two\n\n") == ["two"]
    assert report.excerpt(b"") == []


def test_the_reason_of_a_failure() -> None:
    reason = report.failure_reason("DUMP", 3, "words", "/w/dump.log", b"(00.1) Error (a.c:1): why")
    assert reason == "criu failed: type DUMP errno 3 (words): Error (a.c:1): why; log file: /w/dump.log"
    assert report.failure_reason("DUMP", 0, "", "/l", None) == "criu failed: type DUMP errno 0; log file: /l"


MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:30 / /mnt/with\\040blank\f\x85 rw - tmpfs tmpfs rw
"""


def test_mountinfo() -> None:
    first, second = externals.parse_mountinfo(MOUNTINFO)
    assert (first.id, first.device, first.path) == (22, "8:1", "/")
    assert (second.id, second.device, second.root, second.path) == (40, "0:30", "/", "/mnt/with blank\f\x85")


def test_another_part_of_the_same_file_system_is_the_containers_own() -> None:
    bind = Bind("/data", "/srv/data", recursive=True)
    outside = [MountPoint(11, "0:9", "/srv/data/sub", "/part")]
    for root in ("/part", "/other"):
        inside = [MountPoint(1, "8:1", "/data"), MountPoint(2, "0:9", "/data/sub", root)]
        noted = externals.noted_mounts([bind], [], {"/data": "/data"}, inside, outside)
        assert ("/data/sub" in noted) == (root == "/part")


def test_mounts_are_noted_by_their_destinations() -> None:
    binds = [Bind("/data", "/srv/data", recursive=True), Bind("/var/run/x", "/srv/x"), Bind("/gone", "/srv/y")]
    inside = [MountPoint(1, "8:1", "/data"), MountPoint(2, "0:9", "/data/sub"), MountPoint(3, "0:7", "/data/own")]
    outside = [
        MountPoint(11, "0:9", "/srv/data/sub"),
        MountPoint(12, "0:8", "/srv/data/own"),
        MountPoint(13, "0:8", "/"),
    ]
    places = {"/data": "/data", "/var/run/x": "/run/x", "/proc/kcore": "/proc/kcore"}
    noted = externals.noted_mounts(binds, ["/proc/kcore", "/proc/none"], places, inside, outside)
    assert noted == {"/data": "/data", "/data/sub": "/data/sub", "/run/x": "/var/run/x", "/proc/kcore": "/dev/null"}
    assert externals.named_sources(binds, outside) == {
        "/dev/null": "/dev/null",
        "/data": "/srv/data",
        "/data/sub": "/srv/data/sub",
        "/data/own": "/srv/data/own",
        "/var/run/x": "/srv/x",
        "/gone": "/srv/y",
    }


def test_pipes_among_the_standard_descriptors_are_inherited_once() -> None:
    assert externals.inherited(["/dev/null", "pipe:[7]", "pipe:[7]"]) == {"pipe:[7]": 1}
    assert externals.inherited(["", "/dev/pts/0"]) == {}
    files = ["/dev/null", "file[1a:2b]", "file[1a:2b]"]
    assert externals.inherited(files) == {"file[1a:2b]": 1}
    assert externals.outside_of(files) == ["file[1a:2b]"]
    terminal = ["tty[8801:19]"] * 3
    assert externals.inherited(terminal) == {"tty[8801:19]": 0}
    assert externals.outside_of(terminal) == ["tty[8801:19]"]


def test_the_names_of_standard_descriptors(tmp_path: Any) -> None:
    with (
        open(tmp_path / "log", "w") as log,
        subprocess.Popen(["sleep", "100"], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.DEVNULL) as process,
    ):
        try:
            inode = (tmp_path / "log").stat().st_ino
            names = externals.stdio_names(process.pid, set())
            assert names[0].startswith("pipe:[")
            assert names[1].startswith("file[")
            assert names[1].endswith(f":{inode:x}]")
            assert names[2] == "/dev/null"
            own = {mount.id for mount in externals.read_mountinfo("self")}
            assert externals.stdio_names(process.pid, own)[1] == str(tmp_path / "log")
        finally:
            process.kill()


def test_a_terminal_of_the_host_among_the_standard_descriptors() -> None:
    master, slave = pty.openpty()
    status = os.fstat(slave)
    try:
        with subprocess.Popen(["sleep", "100"], stdin=slave, stdout=subprocess.DEVNULL) as process:
            try:
                names = externals.stdio_names(process.pid, set())
                assert names[0] == f"tty[{status.st_rdev:x}:{status.st_dev:x}]"
                own = {mount.id for mount in externals.read_mountinfo("self")}
                assert externals.stdio_names(process.pid, own)[0] == os.ttyname(slave)
            finally:
                process.kill()
    finally:
        os.close(master)
        os.close(slave)


def test_mount_points_that_criu_does_not_make() -> None:
    bind, tmpfs = parse_options(["rbind"]), parse_options([])
    operations: Any = [
        FilesystemMount("proc", "proc", "/proc", tmpfs),
        FilesystemMount("tmpfs", "tmpfs", "/dev", tmpfs),
        FilesystemMount("mqueue", "mqueue", "/dev/mqueue", tmpfs),
        BindMount("/srv/data", "/data", bind),
        BindMount("/etc/hosts", "/data/etc/hosts", bind),
    ]
    found = [(point.base, point.path, point.source) for point in points(operations)]
    assert found == [
        ("", "/proc", ""),
        ("", "/dev", ""),
        ("", "/data", "/srv/data"),
        ("/srv/data", "/etc/hosts", "/etc/hosts"),
    ]


def test_cgroup_roots() -> None:
    assert cgroup_roots({"unified": "/sys/fs/cgroup/a/b"}, {"unified": "/sys/fs/cgroup"}) == [{"path": "/a/b"}]
    hierarchies = {"cpu": "/c/cpu", "systemd": "/c/systemd", "unified": "/c/unified"}
    paths = {"cpu": "/c/cpu/x", "systemd": "/c/systemd/x", "unified": "/c/unified/x"}
    assert cgroup_roots(paths, hierarchies) == [{"ctrl": "cpu", "path": "/x"}, {"ctrl": "name=systemd", "path": "/x"}]


@pytest.mark.parametrize(
    ("text", "expected"), [(None, []), ('["a", "b"]', ["a", "b"]), ('["a","b","c","d"]', ["a", "b", "c"])]
)
def test_descriptors_of_a_checkpoint(tmp_path: Any, text: "str | None", expected: list[str]) -> None:
    if text is not None:
        (tmp_path / "descriptors.json").write_text(text)
    assert read_descriptors(str(tmp_path)) == expected


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
def test_descriptors_that_are_broken(tmp_path: Any, text: str) -> None:
    (tmp_path / "descriptors.json").write_text(text)
    assert refused(read_descriptors, str(tmp_path)).startswith("read the checkpoint: ")


def test_failure_reads_the_log(tmp_path: Any) -> None:
    from pyrunc.checkpoint.criu import failure

    (tmp_path / "dump.log").write_bytes(LOG)
    response = SimpleNamespace(type=messages.DUMP, cr_errno=0, cr_errmsg="")
    assert "Can't lookup mount=23" in str(failure(response, str(tmp_path / "dump.log")))
    assert str(failure(response, str(tmp_path / "none"))).endswith(f"log file: {tmp_path}/none")
