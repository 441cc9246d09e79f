"""The messages of the CRI that are used here, by the numbers of its api.proto (runtime.v1)."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

Field = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "string": Field.TYPE_STRING,
    "bytes": Field.TYPE_BYTES,
    "bool": Field.TYPE_BOOL,
    "int": Field.TYPE_INT64,  # enumerations and all widths: the encoding is the same
}
# Message: fields as NAME=NUMBER:TYPE, a star before the type of a repeated one.
MESSAGES = {
    "PodMetadata": "name=1:string uid=2:string namespace=3:string attempt=4:int",
    "NamespaceOption": "network=1:int pid=2:int ipc=3:int",
    "SandboxSecurity": "namespace_options=1:NamespaceOption privileged=6:bool",
    "Entry": "key=1:string value=2:string",
    "LinuxSandbox": "cgroup_parent=1:string security_context=2:SandboxSecurity sysctls=3:*Entry",
    "PodSandboxConfig": "metadata=1:PodMetadata hostname=2:string log_directory=3:string linux=8:LinuxSandbox",
    "RunPodSandboxRequest": "config=1:PodSandboxConfig runtime_handler=2:string",
    "RunPodSandboxResponse": "pod_sandbox_id=1:string",
    "PodSandboxRequest": "pod_sandbox_id=1:string",
    "Network": "ip=1:string",
    "PodSandboxStatus": "id=1:string state=3:int network=5:Network",
    "PodSandboxStatusResponse": "status=1:PodSandboxStatus",
    "Listed": "id=1:string",
    "ListPodSandboxResponse": "items=1:*Listed",
    "ContainerMetadata": "name=1:string attempt=2:int",
    "ImageSpec": "image=1:string",
    "Mount": "container_path=1:string host_path=2:string readonly=3:bool",
    "Resources": "cpu_period=1:int cpu_quota=2:int cpu_shares=3:int memory_limit_in_bytes=4:int",
    "Capability": "add_capabilities=1:*string drop_capabilities=2:*string",
    "Int": "value=1:int",
    "Security": (
        "capabilities=1:Capability privileged=2:bool namespace_options=3:NamespaceOption run_as_user=5:Int "
        "readonly_rootfs=7:bool supplemental_groups=8:*int no_new_privs=11:bool run_as_group=12:Int"
    ),
    "LinuxContainer": "resources=1:Resources security_context=2:Security",
    "ContainerConfig": (
        "metadata=1:ContainerMetadata image=2:ImageSpec command=3:*string working_dir=5:string envs=6:*Entry "
        "mounts=7:*Mount log_path=11:string stdin=12:bool tty=14:bool linux=15:LinuxContainer"
    ),
    "CreateContainerRequest": "pod_sandbox_id=1:string config=2:ContainerConfig sandbox_config=3:PodSandboxConfig",
    "CreateContainerResponse": "container_id=1:string",
    "ContainerRequest": "container_id=1:string",
    "StartContainerRequest": "container_id=1:string",
    "StopContainerRequest": "container_id=1:string timeout=2:int",
    "ContainerStatus": "id=1:string state=3:int exit_code=7:int reason=10:string message=11:string",
    "ContainerStatusResponse": "status=1:ContainerStatus",
    "CpuUsage": "timestamp=1:int usage_core_nano_seconds=2:Int",
    "MemoryUsage": "timestamp=1:int working_set_bytes=2:Int",
    "ContainerStats": "cpu=2:CpuUsage memory=3:MemoryUsage",
    "ContainerStatsResponse": "stats=1:ContainerStats",
    "UpdateContainerResourcesRequest": "container_id=1:string linux=2:Resources",
    "ExecSyncRequest": "container_id=1:string cmd=2:*string timeout=3:int",
    "ExecSyncResponse": "stdout=1:bytes stderr=2:bytes exit_code=3:int",
    "ExecRequest": "container_id=1:string cmd=2:*string tty=3:bool stdin=4:bool stdout=5:bool stderr=6:bool",
    "ExecResponse": "url=1:string",
    "AttachRequest": "container_id=1:string stdin=2:bool tty=3:bool stdout=4:bool stderr=5:bool",
    "AttachResponse": "url=1:string",
    "PortForwardRequest": "pod_sandbox_id=1:string port=2:*int",
    "PortForwardResponse": "url=1:string",
    "Empty": "",
}
PACKAGE = "conformance"


def declared() -> descriptor_pb2.FileDescriptorProto:
    """The table as protobuf wants it."""
    file = descriptor_pb2.FileDescriptorProto(name="cri.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            field, _, rest = text.partition("=")
            number, _, kind = rest.partition(":")
            label = Field.LABEL_REPEATED if kind.startswith("*") else Field.LABEL_OPTIONAL
            added = message.field.add(name=field, number=int(number), label=label)
            kind = kind.removeprefix("*")
            if kind in SCALARS:
                added.type = SCALARS[kind]
            else:
                added.type, added.type_name = Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    return file


POOL = descriptor_pool.DescriptorPool()
POOL.Add(declared())


def new(name: str) -> Any:
    """An empty message."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))()


def encoded(name: str, values: "dict[str, Any]") -> str:
    """A message with these values, in hexadecimal."""
    message = json_format.ParseDict(values, new(name))
    return bytes(message.SerializeToString()).hex()


def decoded(name: str, text: str) -> Any:
    """The message in this hexadecimal text; fields that are not in the table are ignored."""
    message = new(name)
    message.ParseFromString(bytes.fromhex(text))
    return message
