"""python -m pyrunc.demo [COMMAND]: runs the demo's container with the pyrunc command named, and cleans up after it."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pyrunc.demo import make_bundle

ROOTLESS_HINT = """
pyrunc did not manage to run a container for an ordinary user here (its reason is above).
Try it as root: sudo make run
"""


def main(command: str) -> int:
    """Makes the bundle in a temporary folder, runs it and removes it; the container's exit status."""
    rootless = os.geteuid() != 0
    folder = Path(tempfile.mkdtemp(prefix="pyrunc-demo-"))
    try:
        bundle = folder / "bundle"
        bundle.mkdir()
        config = make_bundle(bundle, rootless=rootless)
        argv = [os.path.abspath(command), "--root", str(folder / "state"), "run", "--bundle", str(bundle)]
        argv.append(f"pyrunc-demo-{os.getpid()}")
        programs = [mount["destination"] for mount in config["mounts"] if mount["type"] == "bind"]
        print(f"bundle:   {bundle} (config.json and a root file system made of this host's {' '.join(programs)})")
        print(f"command:  {shlex.join(argv)}\n", flush=True)
        status = subprocess.run(argv, stdin=subprocess.DEVNULL).returncode
        if status == 0:
            print("\nIts process has ended; the container, its cgroup and the bundle are removed.")
            print("Next: `pyrunc --help`, and the README for containers of your own.")
        elif rootless:
            print(ROOTLESS_HINT, file=sys.stderr)
        return status
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Removes the folder, unless something is mounted in it: that could be the host's own programs."""
    if f" {folder}/" in Path("/proc/self/mountinfo").read_text():
        print(f"something is still mounted below {folder}: it stays", file=sys.stderr)
    else:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "pyrunc"))
