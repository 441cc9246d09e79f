"""The command restricts itself (landlock(7)) once it knows the container: whatever goes wrong after that, it writes to
the state root and to cgroups only, executes nothing, mounts nothing and looks into no other process.

For commands that need no more than that.  The restriction is for life, and everything that a restricted process starts
has it, too: so never what starts programs (a hook, the helper), mounts, or enters namespaces; and never a program that
imports pyrunc, which is why only the command line calls `arm`.

Without Landlock in the kernel, or with too many restrictions from outside already, there is one layer less: nothing
depends on it.
"""

import posix
from errno import EINVAL

from pyrunc import log, pathnames, syscalls
from pyrunc.state import HOOKS_FILE, RESCTRL_FILE, StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.record import Record

PR_SET_NO_NEW_PRIVS = 38
CGROUPS = "/sys/fs/cgroup"

# linux/landlock.h
EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
REMOVE = 1 << 4 | 1 << 5  # DIR, FILE
MAKE = 0x7F << 6  # CHAR to SYM
REFER = 1 << 13  # since Linux 5.19
TRUNCATE = 1 << 14  # since 6.2

HANDLED_FIRST = EXECUTE | WRITE_FILE | REMOVE | MAKE
HANDLED = HANDLED_FIRST | REFER | TRUNCATE


def arm() -> None:
    """From the next record that is loaded on."""
    StateDirectory.on_load = confine


def confine(state: StateDirectory, record: "Record") -> None:
    """Restricts the calling thread, unless this container needs more: programs to be started, another file system, a
    manager to be asked, processes to be found by their namespaces."""
    StateDirectory.on_load = None
    if state.exists(HOOKS_FILE) or state.exists(RESCTRL_FILE) or record.systemd_cgroup or not record.cgroups:
        return
    opened: list[int] = []
    try:
        ruleset, handled = new_ruleset()
        opened.append(ruleset)
        syscalls.landlock_add_rule(ruleset, handled & ~EXECUTE, state.root_fd)
        for path in parents(record.cgroups):
            opened.append(posix.open(path, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC))
            syscalls.landlock_add_rule(ruleset, handled & ~EXECUTE, opened[-1])
        syscalls.prctl(PR_SET_NO_NEW_PRIVS, 1)
        syscalls.landlock_restrict_self(ruleset)
    except OSError as error:
        log.debug(f"not restricted by Landlock: {error}")
    finally:
        for fd in opened:
            posix.close(fd)


def new_ruleset() -> tuple[int, int]:
    """A ruleset, and what it refuses unless a rule allows it.  Raises OSError."""
    try:
        return syscalls.landlock_create_ruleset(HANDLED), HANDLED
    except OSError as error:
        if error.errno != EINVAL:
            raise
    return syscalls.landlock_create_ruleset(HANDLED_FIRST), HANDLED_FIRST


def parents(cgroups: "dict[str, str]") -> "set[str]":
    """Where the directories of these cgroups are made and removed: mostly all below one."""
    if all(path.startswith(f"{CGROUPS}/") for path in cgroups.values()):
        return {CGROUPS}
    return {pathnames.dirname(path) for path in cgroups.values()}
