"""Files that change under the commands that read them, and clocks that stand elsewhere."""

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.system_faults import FULL, SLEEP, Trial

pytestmark = [pytest.mark.root, pytest.mark.timeout(600 if FULL else 60)]

CHANGES: "dict[str, Callable[[Path], object]]" = {
    "removed": Path.unlink,
    "truncated": lambda path: path.write_text(path.read_text()[:100]),
    "emptied": lambda path: path.write_text(""),
    "changed": lambda path: path.write_text(path.read_text().replace("sleep", "false")),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
    "a fifo": lambda path: (path.unlink(), os.mkfifo(path)),
    "unreadable text": lambda path: path.write_bytes(b"\xff\xfe{"),
}


@pytest.mark.parametrize("change", CHANGES if FULL else ["removed", "changed"])
def test_config_between_create_and_start(change: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """What the container was created with counts (runtime.md, "Lifecycle", step 2): nothing of it is read again."""
    trial = Trial(pyrunc, bundle(SLEEP))
    config = trial.made.path / "config.json"
    text = config.read_text()
    pyrunc.ok("create", "--bundle", trial.made, trial.id)
    CHANGES[change](config)
    pyrunc.ok("start", trial.id)
    pyrunc.ok("exec", trial.id, "true")
    assert pyrunc.state(trial.id)["status"] == "running"
    trial.clean(change)
    result = trial.meet(f"create: {change}", "create", "--bundle", str(trial.made), trial.id)
    assert (result.returncode == 0) == (change == "changed")
    trial.clean(change)
    if config.is_dir():
        config.rmdir()
    else:
        config.unlink(missing_ok=True)
    config.write_text(text)
    trial.end()


@pytest.mark.parametrize("change", CHANGES if FULL else ["removed", "truncated", "a fifo"])
def test_process_file_of_exec(change: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """A process.json that is not one (any more)."""
    trial = Trial(pyrunc, bundle(SLEEP))
    pyrunc.ok("create", "--bundle", trial.made, trial.id)
    pyrunc.ok("start", trial.id)
    file = folder / "process.json"
    file.write_text(json.dumps({**trial.made.config["process"], "args": ["/bin/sleep", "0"]}))
    CHANGES[change](file)
    if change == "changed":
        assert pyrunc("exec", "--process", file, trial.id).returncode == 1, "it runs false now"
    else:
        assert trial.meet(change, "exec", "--process", str(file), trial.id).returncode == 255
    assert pyrunc.state(trial.id)["status"] == "running"
    trial.clean(change)
    trial.end()


def test_config_that_changes_all_the_time(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """A writer truncates and writes the file again and again: the container is one of the whole ones, or none."""
    trial = Trial(pyrunc, bundle(SLEEP))
    config = trial.made.path / "config.json"
    texts = [json.dumps({**trial.made.config, "annotations": {"which": str(n), "pad": "x" * 20000}}) for n in (1, 2)]
    config.write_text(texts[0])
    over = threading.Event()

    def write() -> None:
        dice = random.Random(4711)
        while not over.is_set():
            with open(config, "w") as file:
                file.write(dice.choice(texts))
            time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(40 if FULL else 8):
            result = trial.meet("changing", "create", "--bundle", str(trial.made), trial.id)
            if result.returncode == 0:
                assert pyrunc.state(trial.id)["annotations"]["which"] in ("1", "2")
                stored = json.loads((pyrunc.root / trial.id / "config.json").read_text())
                assert stored["annotations"] == pyrunc.state(trial.id)["annotations"]
            trial.clean("changing")
    finally:
        over.set()
        writer.join()
    trial.made.save()
    trial.end()


@pytest.mark.parametrize("days", [-9, 4000] if FULL else [4000])
def test_other_clocks(days: int, bundle: BundleFactory, pyrunc: Pyrunc, runtime: Path, folder: Path) -> None:
    """All commands in a time namespace whose clocks stand elsewhere: they wait, and know the process, as ever."""
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    offset = days * 86400 if days > 0 else -int(uptime / 2)
    shifted = folder / "shifted"
    shifted.write_text(
        f'#!/bin/sh\nexec unshare --time --monotonic {offset} --boottime {offset} --fork "{runtime}" "$@"\n'
    )
    shifted.chmod(0o755)
    probe = subprocess.run(["unshare", "--time", "--monotonic", "1", "--fork", "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no time namespaces: {probe.stderr}")
    inside = Pyrunc(shifted, pyrunc.root, pyrunc.folder)
    inside.numbers = pyrunc.numbers
    made = bundle(SLEEP)
    made.config["hooks"] = {"poststart": [{"path": "/bin/sleep", "args": ["sleep", "0.2"], "timeout": 20}]}
    trial = Trial(inside, made.save())
    inside.ok("create", "--bundle", made, trial.id)
    inside.ok("start", trial.id)
    assert inside.state(trial.id)["status"] == "running"
    inside.ok("exec", trial.id, "true")
    inside.ok("pause", trial.id)
    inside.ok("resume", trial.id)
    inside.ok("kill", trial.id, "KILL")
    inside.wait_status(trial.id, "stopped")
    trial.clean("clocks")
    trial.end()
