"""What all comparisons of a run share: the runtimes, a root file system to copy, a tree of mounts to bind."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.differential.features_filesystem import TREE
from tests.differential.runtimes import PEERS, Runtime, WithoutUnified, installed, is_hybrid
from tests.support.rootfs import RootTemplate


class World:
    """Made once; `close` takes back what it made on the host.

    explained: the names of entries of the table that were needed so far;  compared: the names of cases
    """

    def __init__(self, folder: Path, pyrunc: Path) -> None:
        self.folder = folder / "differential"
        self.folder.mkdir()
        self.template = RootTemplate(self.folder)
        self.tree = make_tree(self.folder / "tree")
        self.words = {TREE: str(self.tree)}
        self.hidden = WithoutUnified() if is_hybrid() and installed("crun") else None
        self.ours = Runtime("pyrunc", [str(pyrunc)], self.folder)
        self.peers = {name: self._peer(name, path) for name in PEERS if (path := installed(name))}
        self.threads = ThreadPoolExecutor(1 + len(self.peers))
        self.explained: set[str] = set()
        self.compared: set[str] = set()

    def _peer(self, name: str, path: str) -> Runtime:
        prefix = self.hidden.prefix if self.hidden and name == "crun" else []
        return Runtime(name, [*prefix, path], self.folder)

    def close(self) -> None:
        """Ends what it started; nothing is mounted any more."""
        self.threads.shutdown()
        if self.hidden:
            self.hidden.close()
        for place in ("sub/below", "sub"):
            subprocess.run(["umount", self.tree / place], check=True)
        shutil.rmtree(self.folder)


def make_tree(path: Path) -> Path:
    """A directory with a file system mounted in it, and another in that one."""
    for place, options in (("sub", "mode=755"), ("sub/below", "mode=755,nosuid")):
        (path / place).mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tree", path / place], check=True)
    return path
