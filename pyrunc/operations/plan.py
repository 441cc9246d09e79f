"""What a configuration means for the file system, as a list of operations.  Nothing here touches the system."""

from pyrunc.errors import PyruncError
from pyrunc.operations.bind import BindMount
from pyrunc.operations.constants import MOUNT_ATTR_RDONLY, MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE
from pyrunc.operations.devices import DEFAULT_DEVICES, MakeDevice, MakeDeviceLinks
from pyrunc.operations.filesystem import FilesystemMount, LateReadonly, ProcMount
from pyrunc.operations.masks import MaskPath, ReadonlyPath
from pyrunc.operations.mount import check_destination
from pyrunc.operations.options import parse_options
from pyrunc.operations.rootfs import (
    BindRoot,
    MakeWorkingDirectory,
    RootReadonly,
    SetPropagation,
    setup_propagation,
)
from pyrunc.pathnames import normpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from pyrunc.cgroups.layout import Layout
    from pyrunc.operations.base import Operation
    from pyrunc.operations.mount import IdMap
    from pyrunc.operations.options import MountOptions

    Config = dict[str, Any]


def plan_filesystem(
    config: "Config",
    *,
    bundle: str,
    layout: "Layout",
    cgroup_paths: "dict[str, str]",
    has_own: "Collection[str]",
) -> "list[Operation]":
    """The operations that make the container's file system, in order.

    bundle:        absolute path of the bundle, where relative sources start
    cgroup_paths:  hierarchy -> the container's cgroup, for binds where it has no cgroup namespace
    has_own:       the types of the namespaces that the container has of its own, made or joined
    Raises PyruncError for what cannot be asked for.
    """
    return _Plan(config, bundle, layout, cgroup_paths, has_own).operations()


def plan_mounts(
    mounts: "list[Config]", config: "Config", *, bundle: str, layout: "Layout", has_own: "Collection[str]"
) -> "list[Operation]":
    """The operations for more mounts of a container that was created with this configuration, in order."""
    made, late = _Plan({**config, "mounts": mounts}, bundle, layout, {}, has_own).mount_operations()
    return made + late


class _Plan:
    """One planning: the answers that several parts of the configuration depend on."""

    __slots__ = (
        "bundle",
        "cgroup_paths",
        "config",
        "has_own",
        "inherited",
        "label",
        "layout",
        "linux",
        "mounts",
        "setup",
    )

    def __init__(
        self,
        config: "Config",
        bundle: str,
        layout: "Layout",
        cgroup_paths: "dict[str, str]",
        has_own: "Collection[str]",
    ) -> None:
        self.config = config
        self.bundle = bundle
        self.layout = layout
        self.cgroup_paths = cgroup_paths
        self.has_own = has_own
        self.linux: Config = config.get("linux") or {}
        self.label: str = self.linux.get("mountLabel") or ""
        self.mounts: list[Config] = config.get("mounts") or []
        self.setup = setup = setup_propagation(self.linux.get("rootfsPropagation") or "")
        # What is bound keeps its tie to the host's mount only if the whole tree was to.
        self.inherited = 0 if setup & MS_SHARED else (MS_PRIVATE if setup & MS_PRIVATE else MS_SLAVE) | MS_REC

    def operations(self) -> "list[Operation]":
        setup = self.setup
        plan: list[Operation] = [
            SetPropagation(setup, "linux.rootfsPropagation" if self.linux.get("rootfsPropagation") else ""),
            BindRoot(
                MS_PRIVATE if setup & MS_PRIVATE else MS_SLAVE,
                parent_may_be_shared=bool(setup & MS_SHARED) or not setup & MS_REC,
                place="root.path",
            ),
        ]
        mounts, late = self.mount_operations()
        plan += mounts
        if not any(isinstance(mount, BindMount) and mount.destination == "/dev" for mount in mounts):
            plan += self._devices()
        plan += self._working_directory()
        plan += late
        plan += self._paths()
        if self.config["root"].get("readonly"):
            plan.append(RootReadonly("root.readonly"))
        return plan

    def mount_operations(self) -> "tuple[list[Operation], list[Operation]]":
        """The operations of `mounts`, and those that finish them once all that is below stands."""
        plan: list[Operation] = []
        late: list[Operation] = []
        for index, mount in enumerate(self.mounts):
            place = f"mounts[{index}] ({mount['destination']})"
            try:
                operation = self._mount(mount, clean(mount["destination"]), place)
            except PyruncError as error:
                raise error.at(place=place) from error
            plan.append(operation)
            if isinstance(operation, FilesystemMount) and operation.late_read_only:
                late.append(LateReadonly(operation))
        return plan, late

    def _mount(self, mount: "Config", destination: str, place: str) -> "Operation":
        options = parse_options(mount.get("options") or [])
        fstype: str = mount.get("type") or ""
        if options.remount:
            from pyrunc.operations.remount import Remount

            return Remount(destination, options, place)
        # "bind" is no file system: who says it as the type means the option.
        bind = options.bind or fstype == "bind"
        check_destination(destination, fstype, bind)
        if bind:
            return self._bind(mount, destination, options, place)
        if not fstype:
            raise PyruncError("a mount that is not a bind needs a type")
        if fstype == "cgroup":
            return self._cgroup(destination, options, place)
        if options.tmpcopyup:
            if fstype != "tmpfs":
                raise PyruncError(f"tmpcopyup is only possible with tmpfs, not {fstype}")
            # Now, because nothing can be imported any more when it is performed.
            import pyrunc.operations.copyup  # noqa: F401
        return self._maker(fstype, options)(
            fstype,
            mount.get("source") or "",
            destination,
            options,
            place,
            label="" if fstype in ("proc", "sysfs") else self.label,
            id_maps=self._id_maps(mount, options),
        )

    @staticmethod
    def _maker(fstype: str, options: "MountOptions") -> "type[FilesystemMount]":
        if fstype == "proc":
            return ProcMount
        if options.beyond_fsconfig:
            from pyrunc.operations.old_mount import OldMount

            return OldMount
        return FilesystemMount

    def _bind(self, mount: "Config", destination: str, options: "MountOptions", place: str) -> "Operation":
        source: str = mount.get("source") or ""
        if not source:
            raise PyruncError("a bind mount needs a source")
        if options.data:
            words = ", ".join(key if value is None else f"{key}={value}" for key, value in options.data)
            raise PyruncError(f"bind mounts cannot have any filesystem-specific options applied ({words})")
        if "user" in self.has_own and destination == "/sys" and options.set & MOUNT_ATTR_RDONLY:
            # The user's own cgroups are below and writable for him: read-only has to mean them too (CVE-2023-25809).
            options.tree_set |= MOUNT_ATTR_RDONLY
        return BindMount(
            source if source.startswith("/") else f"{self.bundle}/{source}",
            destination,
            options,
            place,
            inherited=self.inherited,
            id_maps=self._id_maps(mount, options),
            strict=destination == "/proc",
        )

    def _cgroup(self, destination: str, options: "MountOptions", place: str) -> "Operation":
        from pyrunc.operations import cgroup_mount

        own = "cgroup" in self.has_own
        # Without its own namespace the container sees cgroups that its user may own on the host (CVE-2023-25809).
        read_only = not own and "user" in self.has_own
        if self.layout.version == 2:
            top = self.layout.hierarchies[cgroup_mount.UNIFIED]
            bound = self.cgroup_paths.get(cgroup_mount.UNIFIED, top) if own else top
            return cgroup_mount.Cgroup2Mount(destination, options, bound, place, own=own, read_only=read_only)
        return cgroup_mount.Cgroup1Mount(
            destination,
            options,
            cgroup_mount.hierarchies_of(self.layout, self.cgroup_paths),
            place,
            own=own,
            read_only=read_only,
            label=self.label,
        )

    def _id_maps(self, mount: "Config", options: "MountOptions") -> "tuple[IdMap, IdMap] | None":
        uids = [id_range(entry) for entry in mount.get("uidMappings") or []]
        gids = [id_range(entry) for entry in mount.get("gidMappings") or []]
        if not uids and not gids and not options.idmap:
            return None
        if bool(uids) != bool(gids):
            raise PyruncError("uidMappings and gidMappings of a mount must come together")
        if not uids and "user" not in self.has_own:
            raise PyruncError("an idmapped mount without mappings needs a user namespace of the container's own")
        return uids, gids

    def _devices(self) -> "list[Operation]":
        bind = "user" in self.has_own
        listed: list[Config] = self.linux.get("devices") or []
        paths = {clean(device["path"]) for device in listed}
        plan: list[Operation] = [
            MakeDevice(path, "c", major, minor, bind=bind)
            for path, major, minor in DEFAULT_DEVICES
            if path not in paths
        ]
        for index, device in enumerate(listed):
            path = clean(device["path"])
            if path == "/dev/ptmx":
                continue  # always a link to the container's own (see MakeDeviceLinks)
            mode = device.get("fileMode")
            plan.append(
                MakeDevice(
                    path,
                    device["type"],
                    device.get("major", 0),
                    device.get("minor", 0),
                    f"linux.devices[{index}] ({device['path']})",
                    mode=0o666 if mode is None else mode & 0o7777,
                    uid=device.get("uid", 0),
                    gid=device.get("gid", 0),
                    bind=bind,
                )
            )
        plan.append(MakeDeviceLinks())
        return plan

    def _working_directory(self) -> "list[Operation]":
        path: str = (self.config.get("process") or {}).get("cwd") or "/"
        path = clean(path)
        return [] if path == "/" else [MakeWorkingDirectory(path, "process.cwd")]

    def _paths(self) -> "list[Operation]":
        plan: list[Operation] = [
            ReadonlyPath(path, f"linux.readonlyPaths[{index}]")
            for index, path in enumerate(self.linux.get("readonlyPaths") or [])
        ]
        plan += [
            MaskPath(path, f"linux.maskedPaths[{index}]", label=self.label)
            for index, path in enumerate(self.linux.get("maskedPaths") or [])
        ]
        return plan


def clean(path: str) -> str:
    """An absolute path without needless parts; relative ones, which are deprecated, start at "/"."""
    return normpath("/" + path.lstrip("/"))


def id_range(entry: "dict[str, int]") -> tuple[int, int, int]:
    """(container id, host id, size) of one entry of uidMappings or gidMappings."""
    return entry["containerID"], entry["hostID"], entry["size"]
