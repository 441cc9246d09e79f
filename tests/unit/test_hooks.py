"""What the hooks module decides without starting anything: what it keeps of outputs, and its words for failures."""

import os
import subprocess
import sys

import pytest

from pyrunc import hooks


def output_of(data: bytes) -> hooks.Output:
    """An Output whose hook wrote data and ended."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    output = hooks.Output(ours)
    os.write(theirs, data)
    os.close(theirs)
    output.drain()
    assert output.fd == -1, "the pipe's end was not seen"
    return output


def test_a_short_output_is_kept_whole() -> None:
    assert output_of(b"one\ntwo\n").text() == "one\ntwo"


def test_of_a_long_output_the_end_is_kept() -> None:
    output = output_of(b"a" * hooks.OUTPUT_KEPT + b"the end")
    assert len(output.kept) == hooks.OUTPUT_KEPT
    assert output.text().startswith("...aaa")
    assert output.text().endswith("the end")


def test_output_that_is_not_utf8_is_still_shown() -> None:
    assert output_of(b"caf\xe9").text() == "caf�"


def test_a_missing_interpreter_gets_a_hint(tmp_path: "os.PathLike[str]") -> None:
    script = os.path.join(tmp_path, "script")
    with open(script, "w") as file:
        file.write("#!/nonexistent/interpreter\n")
    error = hooks.start_failure(script, FileNotFoundError(2, "No such file or directory"))
    assert error.reason == f"fork/exec {script}: no such file or directory"
    assert "interpreter" in error.hint
    assert hooks.start_failure("/nonexistent", FileNotFoundError(2, "")).hint == ""


def test_no_hooks_touch_nothing() -> None:
    # Not even the state is encoded: this one could not be.
    assert hooks.run_hooks([], {"x": object()}, "poststop", container_id="c", cwd="/nonexistent") == []


@pytest.mark.parametrize("module", ["hooks", "state", "record", "state_root"])
def test_the_hot_path_imports_nothing_dear(module: str) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import importlib; "
        "importlib.import_module(sys.argv[2]); print('\\n'.join(sys.modules))"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    site = next(path for path in sys.path if path.endswith("site-packages"))
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({site!r}); {program}", root]
    loaded = subprocess.run([*command, f"pyrunc.{module}"], check=True, capture_output=True, text=True).stdout.split()
    dear = (
        "re json enum typing dataclasses subprocess socket logging pathlib ctypes signal functools collections shutil"
    )
    assert not set(loaded) & set(dear.split())
