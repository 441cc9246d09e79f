"""Labels of security modules: where they go, what is inherited, and that there must be somebody to enforce them."""

from pathlib import Path
from typing import Any

import pytest

from pyrunc.cgroups.layout import Layout
from pyrunc.errors import PyruncError
from pyrunc.execution import inherited
from pyrunc.operations.filesystem import FilesystemMount
from pyrunc.operations.old_mount import mount_data
from pyrunc.operations.plan import plan_mounts
from pyrunc.process import plan_process
from pyrunc.security import lsm

LABEL = "system_u:object_r:container_file_t:s0:c1,c2"
V2 = Layout(2, {"unified": "/sys/fs/cgroup"}, {"unified": "/"})


def settings(**more: Any) -> Any:
    return plan_process({"args": ["x"], "cwd": "/", **more})


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the kernel's files; empty, so that there is neither module."""
    monkeypatch.setattr(lsm, "APPARMOR_ENABLED", str(tmp_path / "enabled"))
    monkeypatch.setattr(lsm, "APPARMOR_ATTR", str(tmp_path / "attr"))
    monkeypatch.setattr(lsm, "SELINUX_FS", str(tmp_path / "selinux"))
    return tmp_path


def test_labels_need_their_module(kernel: Path) -> None:
    assert lsm.exec_labels(settings()) == []
    for text in ("", "N\n"):
        (kernel / "enabled").write_text(text)
        with pytest.raises(PyruncError, match="AppArmor is not enabled on this host") as raised:
            lsm.exec_labels(settings(apparmorProfile="p"))
        assert raised.value.place == "process.apparmorProfile"
    with pytest.raises(PyruncError, match="SELinux is not enabled on this host") as raised:
        lsm.exec_labels(settings(selinuxLabel="l"))
    assert raised.value.place == "process.selinuxLabel"


def test_where_labels_go(kernel: Path) -> None:
    (kernel / "enabled").write_text("Y\n")
    (kernel / "selinux").mkdir()
    both = settings(apparmorProfile="p", selinuxLabel="u:r:t:s0")
    assert lsm.exec_labels(both) == [("exec", "exec p"), ("exec", "u:r:t:s0")]
    (kernel / "attr").mkdir()
    assert lsm.exec_labels(both) == [("apparmor/exec", "exec p"), ("exec", "u:r:t:s0")]


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ({}, {"capabilities": ["a"], "apparmorProfile": "p", "selinuxLabel": "l"}),
        ({"apparmorProfile": "", "capabilities": {}}, {"apparmorProfile": "p", "selinuxLabel": "l"}),
        ({"apparmorProfile": "q", "selinuxLabel": "m"}, {"capabilities": ["a"]}),
    ],
)
def test_what_an_exec_inherits(process: dict[str, Any], expected: dict[str, Any]) -> None:
    first = {"capabilities": ["a"], "apparmorProfile": "p", "selinuxLabel": "l", "cwd": "/first"}
    assert inherited(first, process) == expected
    assert inherited({}, {"capabilities": {}}) == {}


def labels_of(**mount: Any) -> tuple[Any, str]:
    """What the file system is told about contexts, and the label that its root gets later."""
    config = {"root": {"path": "r"}, "linux": {"mountLabel": LABEL, "namespaces": [{"type": "mount"}]}}
    entry = {"destination": "/x", "source": "s", **mount}
    (operation,) = plan_mounts([entry], config, bundle="/b", layout=V2, has_own={"mount"})
    assert isinstance(operation, FilesystemMount)
    return [value for key, value in operation.words if key == "context"], operation.late_label


def test_the_label_of_mounts() -> None:
    assert labels_of(type="tmpfs") == ([LABEL], "")
    assert labels_of(type="devpts", options=["newinstance"]) == ([LABEL], "")
    assert labels_of(type="mqueue") == ([], LABEL)
    assert labels_of(type="sysfs") == ([], "")
    assert labels_of(type="tmpfs", options=["context=own"]) == (["own"], "")


def test_contexts_for_the_older_call() -> None:
    words: list[tuple[str, str | None]] = [("size", "1m"), ("context", LABEL), ("word", None), ("rootcontext", '"a,b"')]
    assert mount_data(words) == f'size=1m,context="{LABEL}",word,rootcontext="a,b"'
