"""AppArmor profiles and SELinux labels: which file of /proc/self/attr takes which text, and whether any can be had."""

from pyrunc import pathnames
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrunc.process import ProcessSettings

APPARMOR_ENABLED = "/sys/module/apparmor/parameters/enabled"
SELINUX_FS = "/sys/fs/selinux"
APPARMOR_ATTR = "/proc/self/attr/apparmor"


def exec_labels(process: "ProcessSettings") -> "list[tuple[str, str]]":
    """(path below /proc/self/attr, text) for process.apparmorProfile and process.selinuxLabel.

    Raises PyruncError when a label is asked for that the host's kernel does not enforce.
    """
    labels = []
    if process.apparmor_profile:
        if not apparmor_enabled():
            raise PyruncError("AppArmor is not enabled on this host", place="process.apparmorProfile")
        # Since Linux 5.8 AppArmor has a directory of its own, as several modules may want the old files.
        file = "apparmor/exec" if pathnames.isdir(APPARMOR_ATTR) else "exec"
        labels.append((file, f"exec {process.apparmor_profile}"))
    if process.selinux_label:
        check_selinux("process.selinuxLabel")
        labels.append(("exec", process.selinux_label))
    return labels


def check_selinux(place: str) -> None:
    """Raises PyruncError when the kernel has no SELinux for the label that stands at `place` in config.json."""
    if not pathnames.isdir(SELINUX_FS):
        raise PyruncError("SELinux is not enabled on this host", place=place)


def check_mount_label(config: "dict[str, Any]") -> None:
    """Raises PyruncError when there is a linux.mountLabel without SELinux."""
    if (config.get("linux") or {}).get("mountLabel"):
        check_selinux("linux.mountLabel")


def apparmor_enabled() -> bool:
    """Whether the kernel enforces AppArmor profiles."""
    try:
        with open(APPARMOR_ENABLED) as file:
            return file.read(1) == "Y"
    except FileNotFoundError:
        return False
