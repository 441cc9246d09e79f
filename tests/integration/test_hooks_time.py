"""Hooks that take long or too long, stay, print without end, are interrupted; several at once."""

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunc import hooks
from tests.support.hook_scripts import (
    STATE_JSON,
    Script,
    failure,
    leaving_nothing,
    run,
    scripts,
    short_timeout,
    wait_for_orphan,
)
from tests.support.processes import wait_until


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Every test must leave no child and no descriptor behind."""
    with leaving_nothing():
        yield


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Makes a hook from the body of a shell script."""
    return scripts(tmp_path)


def wait_for_line(path: Path) -> None:
    """Waits until a hook has written a whole line there."""
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), f"a line in {path}", 60)


def test_a_timeout_kills_the_whole_group(script: Script, tmp_path: Path) -> None:
    seconds = short_timeout(script)
    hook = script(f"echo begun; sleep 600 & echo $! > {tmp_path}/child; exec sleep 600", timeout=seconds)
    begin = time.monotonic()
    error = failure(hook)
    assert seconds - 0.1 < time.monotonic() - begin < 5 * seconds
    assert error.reason == (
        f"error running createRuntime hook #0: hook ran past specified timeout of {seconds}.0s, stdout: begun, stderr: "
    )
    wait_for_orphan(int((tmp_path / "child").read_text()))


def test_a_timeout_also_ends_a_hook_that_ignores_signals_and_prints_all_the_time(script: Script) -> None:
    seconds = short_timeout(script)
    # Enough at once for its beginning to be left out, however slow the machine is.
    hook = script("trap '' TERM INT HUP; yes | head -c 10000; while :; do echo y; done", timeout=seconds)
    begin = time.monotonic()
    assert f"specified timeout of {seconds}.0s, stdout: ...y\ny" in failure(hook).reason
    assert time.monotonic() - begin < 5 * seconds


def test_a_hook_that_ends_in_time_is_not_late(script: Script) -> None:
    run(script("sleep 0.1", timeout=5), script("true", timeout=2**40))


def test_a_daemon_that_holds_the_output_does_not_hold_us(script: Script, tmp_path: Path) -> None:
    hook = script(f"(while :; do echo noise; done) & echo $! > {tmp_path}/daemon; echo ready; exit 5")
    begin = time.monotonic()
    error = failure(hook)
    assert time.monotonic() - begin < 5
    assert "exit status 5" in error.reason
    # Nobody reads any more, and a hook starts with SIGPIPE at its default.
    wait_for_orphan(int((tmp_path / "daemon").read_text()))


def test_a_silent_daemon_lives_on(script: Script, tmp_path: Path) -> None:
    run(script(f"sleep 60 & echo $! > {tmp_path}/daemon", timeout=30))
    daemon = int((tmp_path / "daemon").read_text())
    assert os.waitpid(daemon, os.WNOHANG) == (0, 0)
    os.kill(daemon, signal.SIGKILL)
    wait_for_orphan(daemon)


def test_100_megabytes_of_output_cost_no_memory(script: Script) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = failure(script("head -c 100000000 /dev/zero | tr '\\0' x; echo end >&2; exit 1", timeout=500))
    assert error.reason.endswith("xxx, stderr: end")
    assert len(error.reason) < hooks.OUTPUT_KEPT + 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096  # KiB


def test_an_exception_while_a_hook_runs_kills_it(script: Script, tmp_path: Path) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def interrupt_when_it_runs() -> None:
        wait_for_line(tmp_path / "pid")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, interrupt)
    thread = threading.Thread(target=interrupt_when_it_runs)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(script(f"echo $$ > {tmp_path}/pid; exec sleep 600"))
    finally:
        thread.join()
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_signals_with_handlers_do_not_disturb(script: Script, tmp_path: Path) -> None:
    count = 0

    def handler(number: int, frame: object) -> None:
        nonlocal count
        count += 1

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        for _ in range(20):
            run(script("sleep 0.01; exec 3<&0; cat <&3 >/dev/null"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert count > 5


def test_a_hook_dies_with_the_runtime(script: Script, tmp_path: Path) -> None:
    hook = script(f"echo $$ > {tmp_path}/pid; exec sleep 600")
    runtime = os.fork()
    if runtime == 0:
        run(hook)
        os._exit(1)
    wait_for_line(tmp_path / "pid")
    os.kill(runtime, signal.SIGKILL)
    os.waitpid(runtime, 0)
    wait_for_orphan(int((tmp_path / "pid").read_text()))


def test_ignored_sigchld_is_said(script: Script) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert "SIGCHLD is ignored" in failure(script("true"), keep_going=True).reason
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_several_threads_run_hooks_at_once(script: Script, tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                run(script_hooks[number][turn])
        except BaseException as error:  # noqa: BLE001 (whatever it is, the test must see it)
            errors.append(error)

    script_hooks = [[script(f"cat > {tmp_path}/{n}.{t}") for t in range(5)] for n in range(4)]
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all((tmp_path / f"{n}.{t}").read_text() == STATE_JSON for n in range(4) for t in range(5))


@pytest.mark.timing
def test_a_hook_costs_less_than_a_millisecond_of_our_own_time() -> None:
    times = []
    for _ in range(30):
        begin = time.thread_time()
        run({"path": "/bin/true"})
        times.append(time.thread_time() - begin)
    assert min(times) < 0.001
