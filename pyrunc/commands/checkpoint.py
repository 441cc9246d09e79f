"""pyrunc checkpoint: writes the processes of a running container to files."""

from pyrunc.container import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation

FLAGS = (
    "leave-running",
    "tcp-established",
    "tcp-skip-in-flight",
    "link-remap",
    "ext-unix-sk",
    "shell-job",
    "lazy-pages",
    "file-locks",
    "pre-dump",
    "auto-dedup",
)
STRINGS = ("parent-path", "page-server", "manage-cgroups-mode", "network-lock")


def run(invocation: "Invocation") -> int:
    """Writes the checkpoint.  Raises PyruncError."""
    options = invocation.options
    Container.load(invocation.root, invocation.arguments[0]).checkpoint(
        image_path=options.text("image-path"),
        work_path=options.text("work-path"),
        criu=invocation.settings.text("criu"),
        empty_ns=options.texts("empty-ns"),
        status_fd=options.number("status-fd") if options.is_set("status-fd") else -1,
        **{name.replace("-", "_"): options.flag(name) for name in FLAGS},
        **{name.replace("-", "_"): options.text(name) for name in STRINGS},
    )
    return 0
