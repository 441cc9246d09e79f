"""Changing what is mounted already: the option "remount"."""

import posix
from errno import EINVAL

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.constants import (
    FSCONFIG_CMD_RECONFIGURE,
    FSCONFIG_SET_FLAG,
    FSCONFIG_SET_STRING,
    FSPICK_EMPTY_PATH,
    MOUNT_ATTR_RDONLY,
)
from pyrunc.operations.filesystem import context_log
from pyrunc.operations.mount import Mount, apply_changes, changes
from pyrunc.operations.paths import open_in_root
from pyrunc.syscalls import fsconfig, fspick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build


class Remount(Mount):
    """Changes the attributes of the mount at the destination and, without "bind", the options of its file system."""

    __slots__ = ()

    def describe(self) -> str:
        return f"remount {self.destination}"

    def perform(self, build: "Build") -> None:
        target = open_in_root(build.root, self.destination)
        try:
            if not self.options.bind:
                self._reconfigure(target)
            apply_changes(target, changes(self.options))
        except SystemCallError as error:
            if error.errno == EINVAL and not error.detail:
                raise PyruncError(f"{self.destination} is not a mount point", errno=EINVAL) from error
            raise
        finally:
            posix.close(target)

    def _reconfigure(self, target: int) -> None:
        words = self.options.superblock_words() + self.options.data
        if self.options.set & MOUNT_ATTR_RDONLY:
            words.insert(0, ("ro", None))
        elif self.options.clear & MOUNT_ATTR_RDONLY:
            words.insert(0, ("rw", None))
        if not words:
            return
        fs_fd = fspick(target, "", FSPICK_EMPTY_PATH)
        try:
            for key, value in words:
                fsconfig(fs_fd, FSCONFIG_SET_FLAG if value is None else FSCONFIG_SET_STRING, key, value)
            fsconfig(fs_fd, FSCONFIG_CMD_RECONFIGURE)
        except SystemCallError as error:
            error.detail = context_log(fs_fd)
            raise
        finally:
            posix.close(fs_fd)
