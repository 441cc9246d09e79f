"""Known differences in what a process is."""

from tests.differential.known import BOTH, Known

OLD_RUNC = "runc 1.1 is of specification 1.0.2 and ignores what is newer; runc 1.2 and later do as pyrunc."

ENTRIES = (
    Known(
        "scheduler",
        BOTH,
        (r"seen scheduler (policy|nice)",),
        ours="`process.scheduler` is applied",
        theirs="not",
        why="Specification 1.1 and later. These versions of the peers ignore what they do not know.",
        marks=("scheduler",),
    ),
    Known(
        "io-priority",
        BOTH,
        (r"seen ioprio", r"outcome"),
        ours="`process.ioPriority` is applied, to the process group; what the kernel refuses is an error",
        theirs="not applied",
        why="Specification 1.1 and later. These versions of the peers ignore it.",
        marks=("io_priority",),
        when=lambda ours, theirs: ours != "works",
    ),
    Known(
        "personality",
        ("runc",),
        (r"seen personality",),
        ours="`linux.personality` is applied",
        theirs="not",
        why=OLD_RUNC,
        marks=("personality",),
    ),
    Known(
        "capabilities-refused",
        BOTH,
        (r"outcome",),
        ours="sets that the kernel would refuse (effective beyond permitted, inheritable beyond bounding) are "
        "cut down to what can be granted, with a warning",
        theirs="`create` fails",
        why="config.md: what cannot be granted SHOULD NOT be an error and MUST be warned of.",
        marks=("effective-beyond", "ambient-beyond", "permitted-beyond", "capabilities"),
        when=lambda ours, theirs: ours == "works",
    ),
    Known(
        "groups-twice",
        BOTH,
        (r"seen groups",),
        ours="`additionalGids` as they are listed: a group that is there twice is there twice",
        theirs="once",
        why="The specification says nothing; it has no effect on what is permitted.",
        marks=("user",),
    ),
    Known(
        "home-of-unknown-user",
        ("crun",),
        (r"seen env HOME",),
        ours="as runc: `HOME=/` where the image's passwd file does not know the user; an empty `HOME` is replaced",
        theirs="no `HOME`, or the empty one",
        why="The specification says nothing of `HOME`. Programs expect one.",
    ),
    Known(
        "env-order",
        BOTH,
        (r"seen env \(order\)",),
        ours="a `HOME` that was added comes last, also where an empty one was replaced",
        theirs="in the place of the empty one, or there is none",
        why="The order of variables has no meaning.",
    ),
    Known(
        "keyring-name",
        BOTH,
        (r"seen keyring",),
        ours="the session keyring is named `_ses.ID.` and a random number",
        theirs="runc: `_ses.ID`; crun: `ID`",
        why="Outside the specification. The kernel finds keyrings by their names: one that can be foreseen may be "
        "another user's by then.",
    ),
    Known(
        "output-file-owner",
        BOTH,
        (r"host output",),
        ours="of the container's standard descriptors only pipes, sockets and its own terminal are given to its user",
        theirs="regular files and the caller's terminal, too",
        why="A file of the caller's is not the container's to own, and may be read by others later; his terminal would "
        "remain a host user's, who has the same number. The program can write to it but not reopen it by name "
        "(`/dev/stdout`). Engines use pipes and terminals of the container's own.",
    ),
)
