"""Binds: a directory or file of the host, seen in the container."""

import posix
from errno import EINVAL

from pyrunc.errors import SystemCallError
from pyrunc.operations.constants import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_RECURSIVE,
    MOUNT_ATTR_IDMAP,
    MS_REC,
    MS_SLAVE,
    OPEN_TREE_CLONE,
)
from pyrunc.operations.mount import Mount, apply_changes, changes, check_proc_source
from pyrunc.operations.paths import S_IFDIR, S_IFMT
from pyrunc.syscalls import mount_setattr, open_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build
    from pyrunc.operations.mount import Change, IdMap
    from pyrunc.operations.options import MountOptions


class BindMount(Mount):
    """Binds `source`, an absolute path of the host.

    inherited:  propagation that cuts the copy's tie to the host's mount (MS_SLAVE | MS_REC: what the container
                mounts in it does not travel to the host), 0 to keep the tie
    """

    __slots__ = ("changes", "clone", "source")

    def __init__(
        self,
        source: str,
        destination: str,
        options: "MountOptions",
        place: str = "",
        *,
        inherited: int = MS_SLAVE | MS_REC,
        id_maps: "tuple[IdMap, IdMap] | None" = None,
        strict: bool = False,
    ) -> None:
        super().__init__(destination, options, place, strict=strict, id_maps=id_maps)
        self.source = source
        self.changes: list[Change] = changes(options, inherited)
        self.clone = -1

    def describe(self) -> str:
        return f"bind {self.source} on {self.destination}"

    def prepare(self, build: "Build") -> None:
        # Ids can only be mapped with the runtime's privileges.
        if build.may_copy_early or self.id_maps is not None:
            self.clone = self._open(build)

    def perform(self, build: "Build") -> None:
        if self.clone < 0:
            self.clone = self._open(build)
        if posix.stat(self.clone).st_mode & S_IFMT == S_IFDIR:
            target, _made = self.open_directory(build)
        else:
            target = self.open_file(build)
        try:
            self.attach(build, self.clone, target)
        finally:
            posix.close(target)

    def _open(self, build: "Build") -> int:
        """A detached copy of the source's mount, with all that is to be different about it."""
        flags = OPEN_TREE_CLONE | AT_RECURSIVE if self.options.recursive else OPEN_TREE_CLONE
        try:
            clone = build.keep(open_tree(AT_FDCWD, self.source, flags))
        except SystemCallError as error:
            if error.errno == EINVAL and build.in_userns and not self.options.recursive:
                error.detail = "in a user namespace what is mounted below has to come along: use rbind"
            raise
        if self.destination == "/proc":
            check_proc_source(clone, self.destination)
        if self.id_maps is not None:
            self._map_ids(build, clone)
        apply_changes(clone, self.changes)
        return clone

    def _map_ids(self, build: "Build", clone: int) -> None:
        userns = self.mapping_userns(build)
        try:
            mount_setattr(
                clone,
                AT_EMPTY_PATH | AT_RECURSIVE if self.options.idmap_tree else AT_EMPTY_PATH,
                set=MOUNT_ATTR_IDMAP,
                userns_fd=userns,
            )
        except SystemCallError as error:
            error.detail = "is the file system one that can be idmapped, and the runtime privileged?"
            raise
