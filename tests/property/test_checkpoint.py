"""Checkpoint and restore: what holds for any log, any mounts and any options."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pyrunc.checkpoint import externals, messages, report
from pyrunc.checkpoint.externals import Bind, MountPoint
from pyrunc.checkpoint.options import CGROUP_MODES, NETWORK_LOCKS, CheckpointOptions

SWITCHES = (
    "leave_running",
    "tcp_established",
    "tcp_skip_in_flight",
    "link_remap",
    "ext_unix_sk",
    "shell_job",
    "lazy_pages",
    "file_locks",
    "auto_dedup",
)
NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
BINDS = st.lists(st.builds(Bind, PATHS, PATHS, st.booleans()), max_size=4)
MOUNTS = st.lists(st.builds(MountPoint, st.integers(1, 9), st.sampled_from(["8:1", "0:9"]), PATHS), max_size=6)


@given(st.binary(max_size=2000) | st.text(max_size=500).map(lambda text: text.encode("utf-8", "replace")))
def test_an_excerpt_is_short_and_printable(log: bytes) -> None:
    lines = report.excerpt(log)
    assert len(lines) <= report.KEPT
    assert all(line.isprintable() and 0 < len(line) <= report.LONGEST for line in lines)


@given(st.sets(st.sampled_from(SWITCHES)), st.sampled_from(["", *CGROUP_MODES]), st.sampled_from(["", *NETWORK_LOCKS]))
def test_options_arrive(on: set[str], mode: str, lock: str) -> None:
    switches: dict[str, Any] = dict.fromkeys(on, True)
    fields = CheckpointOptions(manage_cgroups_mode=mode, network_lock=lock, **switches).fields()
    opts = messages.Request.FromString(messages.encode({"type": messages.DUMP, "opts": fields})).opts
    assert {name for name in SWITCHES if getattr(opts, name)} == on
    assert opts.HasField("manage_cgroups_mode") == bool(mode)
    assert opts.network_lock == NETWORK_LOCKS.get(lock, 0)


@given(BINDS, MOUNTS, MOUNTS, st.lists(PATHS, max_size=3))
def test_every_name_that_a_checkpoint_notes_is_known_at_a_restore(
    binds: list[Bind], inside: list[MountPoint], outside: list[MountPoint], masks: list[str]
) -> None:
    places = {bind.destination: bind.destination for bind in binds} | {mask: mask for mask in masks}
    noted = externals.noted_mounts(binds, masks, places, inside, outside)
    named = externals.named_sources(binds, outside)
    assert set(noted.values()) <= set(named)
    assert all(named[bind.destination] for bind in binds)


@given(MOUNTS)
def test_mountinfo_is_read_as_it_is_written(mounts: list[MountPoint]) -> None:
    text = "".join(f"{mount.id} 1 {mount.device} / {mount.path} rw shared:1 - x y rw\n" for mount in mounts)
    read = externals.parse_mountinfo(text)
    assert [(mount.id, mount.device, mount.path) for mount in read] == [
        (mount.id, mount.device, mount.path) for mount in mounts
    ]
