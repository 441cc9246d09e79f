"""File systems that only mount(2) can mount: fsconfig(2) cannot say all that it says."""

import posix

from pyrunc.errors import PyruncError
from pyrunc.operations.constants import (
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_STRICTATIME,
    MS_NOATIME,
    MS_NODIRATIME,
    MS_NOSYMFOLLOW,
    MS_STRICTATIME,
)
from pyrunc.operations.filesystem import FilesystemMount
from pyrunc.operations.paths import O_PATH_DIRECTORY, open_in_root
from pyrunc.syscalls import mount, mount_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build

SAME_FLAGS = 0xF
"""MOUNT_ATTR_RDONLY to MOUNT_ATTR_NOEXEC, which are the same numbers for mount(2)."""

OTHER_FLAGS = (
    (MOUNT_ATTR_NOATIME, MS_NOATIME),
    (MOUNT_ATTR_STRICTATIME, MS_STRICTATIME),
    (MOUNT_ATTR_NODIRATIME, MS_NODIRATIME),
    (MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW),
)


def mount_data(words: "list[tuple[str, str | None]]") -> str:
    """What the file system is told as mount(2) takes it; an SELinux context, which may have commas, is quoted."""
    parts = []
    for key, value in words:
        if value is None:
            parts.append(key)
        elif key.endswith("context") and not value.startswith('"'):
            parts.append(f'{key}="{value}"')
        else:
            parts.append(f"{key}={value}")
    return ",".join(parts)


class OldMount(FilesystemMount):
    """Mounts a new file system by mount(2), onto the descriptor of its destination."""

    __slots__ = ()

    def perform(self, build: "Build") -> None:
        target, made = self.open_directory(build)
        try:
            self.refuse_proc(build, target)
            flags = self.attributes & SAME_FLAGS
            flags |= sum(flag for attribute, flag in OTHER_FLAGS if self.attributes & attribute)
            flags |= sum(self.options.superblock.values())
            words = self.words_for(target, made)
            data = mount_data(words)
            # The path is that of our own descriptor in the host's procfs; nothing in the root is looked up.
            mount(self.source or "none", f"/proc/self/fd/{target}", self.fstype, flags, data)
            self.mount = build.keep(open_in_root(build.root, self.destination, O_PATH_DIRECTORY))
            if mount_id(self.mount) == mount_id(target):
                raise PyruncError(f"{self.destination} was exchanged while it was being mounted on")
            self.finish(self.mount, target, made)
        finally:
            posix.close(target)
