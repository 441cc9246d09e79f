"""A folder that looks like a resctrl file system, for machines that have none.

Files hold what was written to them last; groups get theirs when pyrunc makes them, and go with all in them.
"""

import shutil
from pathlib import Path

import pytest

from pyrunc import resctrl

SCHEMATA = "    MB:0=100;1=100\n    L3:0=fffff;1=fffff\n"
INFO = {
    "info/L3/cbm_mask": "fffff\n",
    "info/L3/min_cbm_bits": "1\n",
    "info/L3/num_closids": "16\n",
    "info/MB/bandwidth_gran": "10\n",
    "info/MB/delay_linear": "1\n",
    "info/MB/min_bandwidth": "10\n",
    "info/MB/num_closids": "8\n",
    "info/last_cmd_status": "ok\n",
}
COUNTERS = {
    "mon_data/mon_L3_00/llc_occupancy": "4096\n",
    "mon_data/mon_L3_00/mbm_total_bytes": "300\n",
    "mon_data/mon_L3_00/mbm_local_bytes": "200\n",
    "mon_data/mon_L3_01/llc_occupancy": "0\n",
    "mon_data/mon_L3_01/mbm_total_bytes": "Unavailable\n",
    "mon_data/mon_L3_01/mbm_local_bytes": "7\n",
}


class Tree:
    """The folder, and what was written in it: (file below it, text), in order."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.written: "list[tuple[str, str]]" = []
        self.populate(path)
        self.fill(path, INFO)
        make, write = resctrl.make_directory, resctrl.write

        def make_group(directory: str) -> None:
            make(directory)
            self.populate(Path(directory))

        def remember(root: str, directory: str, file: str, text: str) -> None:
            write(root, directory, file, text)
            self.written.append((str(Path(directory, file).relative_to(path)), text))

        monkeypatch.setattr(resctrl, "make_directory", make_group)
        monkeypatch.setattr(resctrl, "remove_directory", lambda directory: shutil.rmtree(directory, ignore_errors=True))
        monkeypatch.setattr(resctrl, "write", remember)
        monkeypatch.setattr(resctrl, "find_root", lambda: str(path))

    def populate(self, group: Path) -> None:
        """Makes the files of a group."""
        self.fill(group, {"tasks": "", **COUNTERS})
        if group.parent.name != "mon_groups":
            self.fill(group, {"schemata": SCHEMATA})
            (group / "mon_groups").mkdir()

    @staticmethod
    def fill(folder: Path, files: "dict[str, str]") -> None:
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def groups(self) -> "set[str]":
        """The groups and monitoring groups that there are."""
        found = {entry.parent for entry in self.path.rglob("tasks")}
        return {str(group.relative_to(self.path)) for group in found if group != self.path}
