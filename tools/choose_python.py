#!/usr/bin/env python3
"""Chooses the interpreter that pyrunc will run on: of those found, the one that starts fastest.

usage: choose_python.py [PYTHON]      prints its absolute path on stdout, the comparison on stderr

Every `pyrunc` command starts an interpreter, so its start is a good part of what a user waits for, and the builds
on one machine differ by a third.  Looked at: python3.N (N >= 11) in PATH, /usr/bin, /usr/local/bin and pyenv's
versions; scripts that only pass on to another interpreter (pyenv's shims) and virtual environments are not.
An argument names the interpreter instead; it is only checked.  Runs on any Python 3.6 or newer.
"""

import glob
import os
import shutil
import subprocess
import sys
import time

MINIMUM = (3, 11)
RUNS = 15
SYSTEM_BONUS = 0.03  # a draw goes to the system's own interpreter: every user can run it, and it gets security fixes
QUESTION = (
    "import os, sys, sysconfig;"
    "print(*sys.version_info[:2], sys.implementation.name, sys.prefix == sys.base_prefix,"
    " os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')), sep='\\n')"
)


class Interpreter:
    """What one interpreter says about itself."""

    def __init__(self, path, answer):
        major, minor, name, real, headers = answer
        self.path = path
        self.version = (int(major), int(minor))
        self.implementation = name
        self.is_real = real == "True"  # not the python of a virtual environment
        self.has_headers = headers == "True"

    def unusable(self):
        """Why pyrunc cannot run on it, None when it can."""
        if self.implementation != "cpython":
            return "is " + self.implementation + ", not CPython"
        if self.version < MINIMUM:
            return "is older than Python {}.{}".format(*MINIMUM)
        if not self.is_real:
            return "belongs to a virtual environment"
        if not self.has_headers and not can_install_headers(self.path):
            return "has no C headers (Python.h)"
        return None


def can_install_headers(path):
    """Debian's own interpreters get theirs from pythonX.Y-dev, which tools/requirements installs."""
    return path.startswith("/usr/bin/") and os.path.exists("/usr/bin/dpkg")


def ask(path):
    """The interpreter behind a path, None when there is none that answers."""
    try:
        answer = subprocess.run(
            [path, "-I", "-c", QUESTION], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = answer.stdout.decode().splitlines()
    return Interpreter(path, lines) if answer.returncode == 0 and len(lines) == 5 else None


def is_script(path):
    """Whether the file starts with #!: a shim that passes on to another interpreter."""
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


def candidates():
    """Real paths of what may be an interpreter, each once, versioned names first."""
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/bin", "/usr/local/bin"]
    homes = {os.path.expanduser("~/.pyenv"), os.environ.get("PYENV_ROOT", "")} - {""}
    for home in sorted(homes):
        folders += sorted(glob.glob(home + "/versions/*/bin"))
    found = []
    for folder in folders:
        if not folder.startswith("/"):
            continue
        for name in [*sorted(glob.glob(glob.escape(folder) + "/python3.[0-9]*")), folder + "/python3"]:
            suffix = os.path.basename(name)[len("python3") :].lstrip(".")
            if (suffix and not suffix.isdigit()) or not os.access(name, os.X_OK) or is_script(name):
                continue
            path = os.path.realpath(name)
            if path not in found:
                found.append(path)
    return found


def start_times(paths):
    """Seconds from fork to exit of each bare interpreter: its fastest of RUNS, taking turns so that other load on the
    machine meets all alike."""
    best = dict.fromkeys(paths, float("inf"))
    for _ in range(RUNS):
        for path in paths:
            begun = time.perf_counter()
            subprocess.Popen([path, "-I", "-S", "-c", "pass"], env={}).wait()
            best[path] = min(best[path], time.perf_counter() - begun)
    return best


def say(text):
    print(text, file=sys.stderr)


def find(name):
    """The path of an interpreter that the user named by path or as python3.N; exits when there is none that runs."""
    known = [path for path in candidates() if os.path.basename(path) == name]
    path = known[0] if known else shutil.which(name)
    if path is None:
        sys.exit(f"PYTHON={name}: no such command")
    if is_script(path):  # a shim: what it passes on to can be named, it cannot
        answer = subprocess.run([path, "-I", "-c", "import sys; print(sys.executable)"], stdout=subprocess.PIPE)
        path = answer.stdout.decode().strip()
    return os.path.abspath(path)


def check(name):
    """The real path of the interpreter that the user named; exits with the reason when it cannot be used."""
    path = find(name)
    interpreter = ask(path)
    if interpreter is None:
        sys.exit(f"PYTHON={name}: does not run")
    reason = interpreter.unusable()
    if reason:
        sys.exit(f"PYTHON={name}: {reason}")
    path = os.path.realpath(path)
    say(f"using {path}, as asked for")
    return path


def choose():
    """The fastest usable interpreter; exits with what to install when there is none."""
    usable = []
    for path in candidates():
        interpreter = ask(path)
        if interpreter is not None and interpreter.version >= MINIMUM:
            reason = interpreter.unusable()
            if reason:
                say(f"             {path} {reason}")
            else:
                usable.append(path)
    if not usable:
        sys.exit("no usable Python >= {}.{} found: install one (Debian: python3 python3-dev)".format(*MINIMUM))
    times = start_times(usable)
    for path in sorted(usable, key=times.get):
        say(f"  {times[path] * 1000:5.1f} ms   {path}")
    chosen = min(usable, key=lambda path: times[path] * (1 if path.startswith("/usr/") else 1 + SYSTEM_BONUS))
    say(f"using {chosen}, which starts fastest (PYTHON= names another)")
    return chosen


if __name__ == "__main__":
    print(check(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else choose())
