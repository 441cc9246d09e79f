"""CRIU's messages (images/rpc.proto of CRIU), as far as they are used, for the protobuf library.

The classes are made from this table at run time: code that protoc generates works with few versions of the library.
Enumerations are plain numbers, which are the same on the wire.
"""

from pyrunc.errors import PyruncError

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise PyruncError(
        f"cannot talk to criu: {error}",
        operation="load the protobuf library",
        hint="install the Python package protobuf (4.22 or later)",
    ) from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# criu_req_type
DUMP = 1
RESTORE = 2
PRE_DUMP = 4
NOTIFY = 6
FEATURE_CHECK = 9
VERSION = 10
TYPE_NAMES = {0: "EMPTY", 1: "DUMP", 2: "RESTORE", 4: "PRE_DUMP", 6: "NOTIFY", 9: "FEATURE_CHECK", 10: "VERSION"}

# message -> {field: (number, type)}; a type that is a key here is that message, "*" before it means repeated.
SCHEMA: "dict[str, dict[str, tuple[int, str]]]" = {
    "page_server": {"address": (1, "string"), "port": (2, "int32")},
    "mount_map": {"key": (1, "string"), "val": (2, "string")},
    "join_namespace": {"ns": (1, "string"), "ns_file": (2, "string")},
    "inherit_fd": {"key": (1, "string"), "fd": (2, "int32")},
    "cgroup_root": {"ctrl": (1, "string"), "path": (2, "string")},
    "opts": {
        "images_dir_fd": (1, "int32"),
        "pid": (2, "int32"),
        "leave_running": (3, "bool"),
        "ext_unix_sk": (4, "bool"),
        "tcp_established": (5, "bool"),
        "evasive_devices": (6, "bool"),
        "shell_job": (7, "bool"),
        "file_locks": (8, "bool"),
        "log_level": (9, "int32"),
        "log_file": (10, "string"),
        "ps": (11, "page_server"),
        "notify_scripts": (12, "bool"),
        "root": (13, "string"),
        "parent_img": (14, "string"),
        "track_mem": (15, "bool"),
        "auto_dedup": (16, "bool"),
        "work_dir_fd": (17, "int32"),
        "link_remap": (18, "bool"),
        "ext_mnt": (23, "*mount_map"),
        "manage_cgroups": (24, "bool"),
        "cg_root": (25, "*cgroup_root"),
        "rst_sibling": (26, "bool"),
        "inherit_fd": (27, "*inherit_fd"),
        "ext_sharing": (29, "bool"),
        "ext_masters": (30, "bool"),
        "manage_cgroups_mode": (34, "int32"),
        "external": (37, "*string"),
        "empty_ns": (38, "uint32"),
        "join_ns": (39, "*join_namespace"),
        "freeze_cgroup": (44, "string"),
        "tcp_skip_in_flight": (46, "bool"),
        "lazy_pages": (48, "bool"),
        "orphan_pts_master": (50, "bool"),
        "config_file": (51, "string"),
        "tcp_close": (52, "bool"),
        "lsm_profile": (53, "string"),
        "lsm_mount_context": (63, "string"),
        "network_lock": (64, "int32"),
    },
    "features": {"mem_track": (1, "bool"), "lazy_pages": (2, "bool")},
    "restored": {"pid": (1, "int32")},
    "notify": {"script": (1, "string"), "pid": (2, "int32")},
    "version": {"major_number": (1, "int32"), "minor_number": (2, "int32"), "sublevel": (4, "int32")},
    "request": {
        "type": (1, "int32"),
        "opts": (2, "opts"),
        "notify_success": (3, "bool"),
        "features": (5, "features"),
    },
    "response": {
        "type": (1, "int32"),
        "success": (2, "bool"),
        "restore": (4, "restored"),
        "notify": (5, "notify"),
        "cr_errno": (7, "int32"),
        "features": (8, "features"),
        "cr_errmsg": (9, "string"),
        "version": (10, "version"),
    },
}


def build() -> "tuple[type[Any], type[Any]]":
    """The classes of requests and responses."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="criu.proto", package="criu", syntax="proto2")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            added = message.field.add(name=field, number=number)
            added.label = field_type.LABEL_REPEATED if kind.startswith("*") else field_type.LABEL_OPTIONAL
            kind = kind.lstrip("*")
            if kind in SCHEMA:
                added.type = field_type.TYPE_MESSAGE
                added.type_name = f".criu.{kind}"
            else:
                added.type = getattr(field_type, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    request, response = [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"criu.{name}")) for name in ("request", "response")
    ]
    return request, response


Request, Response = build()


def encode(request: "dict[str, Any]") -> bytes:
    """A request as it goes over the wire.  Raises PyruncError for a path that is not UTF-8."""
    try:
        data: bytes = Request(**request).SerializeToString()
    except ValueError as error:
        raise PyruncError(f"a path is not valid UTF-8: {error}", operation="write the request for criu") from error
    return data


def decode(data: bytes) -> "Any":
    """A response of CRIU.  Raises PyruncError."""
    try:
        return Response.FromString(data)
    except DecodeError as error:
        raise PyruncError(f"criu answers with something else than a message: {error}") from error
