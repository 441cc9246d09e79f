"""The whole table of known differences."""

from tests.differential import known_filesystem, known_process, known_system, known_wrong
from tests.differential.known import Known

PARTS: dict[str, tuple[Known, ...]] = {
    "The process": known_process.ENTRIES,
    "File systems and devices": known_filesystem.ENTRIES,
    "State, hooks, cgroups, system calls": known_system.ENTRIES,
    "What is refused": known_wrong.ENTRIES,
}
TABLE: tuple[Known, ...] = tuple(entry for entries in PARTS.values() for entry in entries)
