"""The whole table of known differences."""

from tests.differential import known_filesystem, known_process, known_system
from tests.differential.known import Known

TABLE: tuple[Known, ...] = (*known_process.ENTRIES, *known_filesystem.ENTRIES, *known_system.ENTRIES)
