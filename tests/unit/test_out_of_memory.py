"""Whether a process was killed for want of memory, from what the kernel counts."""

from pathlib import Path

import pytest

from pyrunc.cgroups.out_of_memory import explanation, kills

V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
V2 = "low 0\nhigh 0\nmax 7\noom 1\noom_kill {}\noom_group_kill 0\n"


@pytest.mark.parametrize(
    ("controller", "file", "text", "count"),
    [
        ("memory", "memory.oom_control", V1.format(2), 2),
        ("memory", "memory.oom_control", V1.format(0), 0),
        ("memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", 0),
        ("unified", "memory.events", V2.format(1), 1),
        ("unified", "memory.events", V2.format(0), 0),
        ("unified", "cgroup.events", "populated 0\n", 0),
        ("pids", "memory.events", V2.format(1), 0),
    ],
)
def test_counts(tmp_path: Path, controller: str, file: str, text: str, count: int) -> None:
    (tmp_path / file).write_text(text)
    paths = {controller: str(tmp_path)}
    assert kills(paths) == count
    assert (explanation(paths) is not None) == (count > 0)


def test_nothing_was_made() -> None:
    assert explanation({}) is None
    assert explanation({"unified": "/sys/fs/cgroup/pyrunc-test-none", "memory": "/nowhere"}) is None
