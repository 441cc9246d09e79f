"""config.md#root and config.md#mounts."""

from typing import Any

import pytest

from conformance.command import Runtime
from conformance.requirement import MUST, SHOULD, check, drop, forgive, garble
from tests.support.bundles import Bundle


def with_mount(oci: Runtime, *asked: str, **mount: Any) -> Bundle:
    """A bundle with the probe and one more mount, at /mnt/x unless said otherwise; it is the first of the list."""
    made = oci.probe(*asked)
    made.config["mounts"].insert(0, {"destination": "/mnt/x", "type": "tmpfs", "source": "tmpfs", **mount})
    return made


def mounted(seen: dict[str, Any], destination: str) -> list[str]:
    """The last line of mountinfo for a mount point, split: field 5 are its options, those of the superblock last."""
    found = [line.split() for line in seen["mountinfo"] if line.split()[4] == destination]
    assert found, f"nothing is mounted at {destination}"
    return list(found[-1])


@check(240, MUST, "config.md#root", "a relative root.path is below the bundle", garble("/root/path", "other"))
def test_relative_root(oci: Runtime) -> None:
    made = oci.probe("file:/mark")
    (made.rootfs / "mark").write_text("here\n")
    made.config["root"] = {"path": "rootfs"}
    assert oci.see(made)["files"]["/mark"] == "here"


@check(241, MUST, "config.md#root", "an absolute root.path is taken as it is", garble("/root/path", "other"))
def test_absolute_root(oci: Runtime) -> None:
    made = oci.probe("file:/mark")
    (made.rootfs / "mark").write_text("here\n")
    made.config["root"] = {"path": str(made.rootfs)}
    assert oci.see(made)["files"]["/mark"] == "here"


@check(242, MUST, "config.md#root", "a root.path without a directory is an error", forgive("create"))
def test_missing_root(oci: Runtime) -> None:
    made = oci.probe()
    made.config["root"] = {"path": "missing"}
    oci.refuses(made)


@check(243, MUST, "config.md#root", "with readonly the root file system cannot be written", drop("/root/readonly"))
def test_readonly_root(oci: Runtime) -> None:
    made = oci.bundle("touch /new && exit 0; exit 7")
    made.config["root"] = {"path": "rootfs", "readonly": True}
    assert oci.run(made.save()).returncode == 7
    assert not (made.rootfs / "new").exists()


@check(244, MUST, "config.md#root", "without readonly it can be written", garble("/root/readonly", True))
def test_writable_root(oci: Runtime) -> None:
    made = oci.bundle("touch /new")
    made.config["root"] = {"path": "rootfs", "readonly": False}
    assert oci.run(made.save()).returncode == 0
    assert (made.rootfs / "new").exists()


@check(250, MUST, "config.md#mounts", "mounts are made in the listed order", drop("/mounts/0"), drop("/mounts/1"))
def test_mount_order(oci: Runtime) -> None:
    made = oci.probe()
    tmpfs = {"type": "tmpfs", "source": "tmpfs"}
    made.config["mounts"][:0] = [{"destination": "/mnt/outer", **tmpfs}, {"destination": "/mnt/outer/inner", **tmpfs}]
    points = [line.split()[4] for line in oci.see(made)["mountinfo"]]
    assert points.index("/mnt/outer") < points.index("/mnt/outer/inner")


@check(251, MUST, "config.md#mounts", "type is the file system's", drop("/mounts/0"), garble("/mounts/0/type", "ramfs"))
def test_mount_type(oci: Runtime) -> None:
    line = mounted(oci.see(with_mount(oci)), "/mnt/x")
    assert line[line.index("-") + 1] == "tmpfs"


@check(
    252,
    MUST,
    "config.md#mounts",
    "a type that the kernel does not have is an error",
    forgive("create"),
    drop("/mounts/0"),
)
def test_unknown_type(oci: Runtime) -> None:
    oci.refuses(with_mount(oci, type="nosuchfs"))


@check(253, MUST, "config.md#mounts", "source of a bind mount is a path of the host", drop("/mounts/0"))
def test_bind(oci: Runtime) -> None:
    source = oci.folder / "source"
    source.mkdir()
    (source / "mark").write_text("of the host\n")
    made = with_mount(oci, "file:/mnt/x/mark", type="none", source=str(source), options=["bind"])
    assert oci.see(made)["files"]["/mnt/x/mark"] == "of the host"


@check(254, MUST, "config.md#mounts", "a relative source of a bind mount is below the bundle", drop("/mounts/0"))
def test_relative_bind(oci: Runtime) -> None:
    made = with_mount(oci, "file:/mnt/x/mark", type="none", source="volume", options=["bind"])
    (made.path / "volume").mkdir()
    (made.path / "volume/mark").write_text("below the bundle\n")
    assert oci.see(made)["files"]["/mnt/x/mark"] == "below the bundle"


@check(255, MUST, "config.md#mounts", "a bind mount of a file makes its target", drop("/mounts/0"))
def test_bind_file(oci: Runtime) -> None:
    made = with_mount(oci, "file:/new/file", destination="/new/file", type="bind", source="text", options=["bind"])
    (made.path / "text").write_text("a file\n")
    assert oci.see(made)["files"]["/new/file"] == "a file"


@check(
    256, MUST, "config.md#mounts", "a bind mount of what is not there is an error", forgive("create"), drop("/mounts/0")
)
def test_bind_missing(oci: Runtime) -> None:
    oci.refuses(with_mount(oci, type="none", source="/no/such/source", options=["bind"]))


@check(
    257,
    MUST,
    "config.md#linux-mount-options",
    "rbind binds the mounts below, bind does not",
    drop("/mounts/0"),
    garble("/mounts/0/options", ["bind"]),
)
def test_rbind(oci: Runtime) -> None:
    with open("/proc/self/mountinfo") as file:
        below = {line.split()[4] for line in file if line.split()[4].startswith("/dev/")}
    if not below:
        pytest.skip("nothing is mounted below /dev of this host")
    seen = oci.see(with_mount(oci, type="none", source="/dev", options=["rbind"]))
    points = {line.split()[4] for line in seen["mountinfo"]}
    assert {f"/mnt/x/{path.removeprefix('/dev/')}" for path in below} <= points


PLAIN = {
    "ro": "ro",
    "nosuid": "nosuid",
    "nodev": "nodev",
    "noexec": "noexec",
    "noatime": "noatime",
    "nodiratime": "nodiratime",
    "relatime": "relatime",
}


@check(
    258,
    MUST,
    "config.md#linux-mount-options",
    "ro nosuid nodev noexec noatime nodiratime relatime are attributes of the mount",
    *(garble("/mounts/0/options", [option for option in PLAIN if option != left_out]) for left_out in PLAIN),
)
def test_attributes(oci: Runtime) -> None:
    for options in (["ro", "nosuid", "nodev"], ["noexec", "noatime"], ["nodiratime"], ["relatime"]):
        shown = mounted(oci.see(with_mount(oci, options=options)), "/mnt/x")[5].split(",")
        assert set(options) <= set(shown)
        assert {"ro", "nosuid", "nodev", "noexec", "noatime"} & set(shown) <= set(options)


@check(
    259,
    MUST,
    "config.md#linux-mount-options",
    "sync, dirsync and mand or lazytime reach the superblock",
    drop("/mounts/0/options"),
)
def test_superblock_flags(oci: Runtime) -> None:
    line = mounted(oci.see(with_mount(oci, options=["sync", "lazytime"])), "/mnt/x")
    assert {"sync", "lazytime"} <= set(",".join(line[5:]).split(","))


@check(
    260,
    MUST,
    "config.md#mounts",
    "options that are no flags go to the file system",
    drop("/mounts/0/options"),
    garble("/mounts/0/options", ["mode=700"]),
)
def test_data(oci: Runtime) -> None:
    line = mounted(oci.see(with_mount(oci, options=["mode=711", "size=64k"])), "/mnt/x")
    assert {"mode=711", "size=64k"} <= set(line[-1].split(","))


@check(
    261,
    MUST,
    "config.md#mounts",
    "an option that the file system refuses is an error",
    forgive("create"),
    drop("/mounts/0/options"),
)
def test_bad_data(oci: Runtime) -> None:
    oci.refuses(with_mount(oci, options=["nonsense=1"]))


@check(
    262,
    MUST,
    "config.md#linux-mount-options",
    "private, slave, shared and unbindable are the mount's propagation",
    garble("/mounts/0/options", ["bind"]),
)
def test_propagation(oci: Runtime) -> None:
    for option in ("shared", "unbindable"):
        line = mounted(oci.see(with_mount(oci, type="none", source="/usr", options=["bind", option])), "/mnt/x")
        fields = line[6 : line.index("-")]
        assert any(field.startswith(option) for field in fields), (option, fields)
    private = mounted(oci.see(with_mount(oci, type="none", source="/usr", options=["bind", "private"])), "/mnt/x")
    assert private[6] == "-"


@check(263, MUST, "config.md#linux-mount-options", "an option later in the list wins", drop("/mounts/0/options/1"))
def test_last_option_wins(oci: Runtime) -> None:
    assert "rw" in mounted(oci.see(with_mount(oci, options=["ro", "rw"])), "/mnt/x")[5].split(",")


@check(
    264,
    SHOULD,
    "config.md#linux-mount-options",
    "rro makes a whole tree read-only",
    garble("/mounts/0/options", ["rbind"]),
)
def test_recursive_readonly(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    seen = oci.see(with_mount(oci, type="none", source="/dev", options=["rbind", "rro"]))
    lines = [line.split() for line in seen["mountinfo"] if line.split()[4].startswith("/mnt/x")]
    assert lines
    assert all("ro" in line[5].split(",") for line in lines)


@check(
    265, SHOULD, "config.md#linux-mount-options", "nosymfollow is an attribute of the mount", drop("/mounts/0/options")
)
def test_nosymfollow(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    assert "nosymfollow" in mounted(oci.see(with_mount(oci, options=["nosymfollow"])), "/mnt/x")[5].split(",")


@check(
    266,
    SHOULD,
    "config.md#posix-platform-mounts",
    "uidMappings and gidMappings map the owners of a bind mount",
    garble("/mounts/0/uidMappings/0/hostID", 5000),
)
def test_idmapped(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    maps = {"uidMappings": [{"containerID": 0, "hostID": 4000, "size": 10}]}
    maps["gidMappings"] = maps["uidMappings"]
    source = oci.folder / "owned"
    source.mkdir()
    (source / "file").touch()
    made = with_mount(oci, "stat:/mnt/x/file", type="none", source=str(source), options=["bind", "idmap"], **maps)
    assert oci.see(made)["stat"]["/mnt/x/file"]["uid"] == 4000


@check(
    267,
    MUST,
    "config.md#posix-platform-mounts",
    "uidMappings without gidMappings is an error",
    forgive("create"),
)
def test_half_mapping(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    maps = [{"containerID": 0, "hostID": 4000, "size": 10}]
    oci.refuses(with_mount(oci, type="none", source="/usr", options=["bind", "idmap"], uidMappings=maps))


@check(268, MUST, "config.md#mounts", "a relative destination is taken as relative to /", drop("/mounts/0"))
def test_relative_destination(oci: Runtime) -> None:
    mounted(oci.see(with_mount(oci, destination="mnt/relative")), "/mnt/relative")


@check(
    270,
    MUST,
    "config.md#specification-version",
    "an ociVersion that is no semantic version is an error",
    forgive("create"),
)
def test_bad_version(oci: Runtime) -> None:
    oci.refuses(oci.bundle(ociVersion="one"))


@check(271, MUST, "config.md#specification-version", "every version of 1.x is accepted", garble("/ociVersion", "9.0.0"))
def test_versions(oci: Runtime) -> None:
    for version in ("1.0.0", "1.0.2", "1.0.2-dev"):
        assert oci.run(oci.bundle(ociVersion=version)).returncode == 0


@check(272, MUST, "config.md#extensibility", "unknown properties are ignored", garble("/root/path", "none"))
def test_unknown_properties(oci: Runtime) -> None:
    made = oci.bundle(unknown={"a": [1]})
    made.config["process"]["alsoUnknown"] = True
    made.config["linux"]["andThis"] = "x"
    assert oci.run(made.save()).returncode == 0


@check(
    273,
    MUST,
    "config.md#valid-values",
    "a value of the wrong type is an error",
    forgive("create"),
    garble("/process/cwd", "/"),
)
def test_wrong_type(oci: Runtime) -> None:
    oci.refuses(oci.probe(cwd=17))


@check(274, MUST, "config.md#valid-values", "a config.json that is no JSON is an error", forgive("create"))
def test_no_json(oci: Runtime) -> None:
    made = oci.bundle()
    (made.path / "config.json").write_text('{"ociVersion": "1.0.2", ')
    name = oci.new_id()
    assert oci("create", "--bundle", made, name).returncode != 0
    assert oci("state", name).returncode != 0


@check(275, MUST, "config.md#domainname", "the container's processes see the domain name", drop("/domainname"))
def test_domain_name(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    made = oci.probe()
    made.config["domainname"] = "conformance.example"
    assert oci.see(made)["domainname"] == "conformance.example"
