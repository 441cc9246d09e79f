"""pyrunc restore: makes a container from the files of a checkpoint, and (without --detach) waits and deletes it."""

from pyrunc.commands import bundle_of, rootless_of
from pyrunc.container import Container
from pyrunc.foreground import become_subreaper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation

FLAGS = (
    "tcp-established",
    "tcp-close",
    "ext-unix-sk",
    "shell-job",
    "file-locks",
    "auto-dedup",
    "lazy-pages",
    "no-pivot",
)
STRINGS = ("manage-cgroups-mode", "network-lock", "lsm-profile", "lsm-mount-context")


def run(invocation: "Invocation") -> int:
    """Restores the container.  Returns its process's exit status, 0 with --detach.  Raises PyruncError."""
    options = invocation.options
    detach = options.flag("detach")
    subreaper = not detach and not options.flag("no-subreaper")
    if subreaper:
        become_subreaper()
    return Container.restore(
        invocation.root,
        invocation.arguments[0],
        bundle_of(invocation),
        detach=detach,
        reap_orphans=subreaper,
        image_path=options.text("image-path"),
        work_path=options.text("work-path"),
        criu=invocation.settings.text("criu"),
        console_socket=options.text("console-socket"),
        pid_file=options.text("pid-file"),
        rootless=rootless_of(invocation),
        systemd_cgroup=invocation.settings.flag("systemd-cgroup"),
        empty_ns=options.texts("empty-ns"),
        **{name.replace("-", "_"): options.flag(name) for name in FLAGS},
        **{name.replace("-", "_"): options.text(name) for name in STRINGS},
    )
