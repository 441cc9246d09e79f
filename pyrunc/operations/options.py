"""Mount options: the words of config.json's mounts[].options, taken apart.  Nothing here touches the system."""

from pyrunc.operations.constants import (
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_RELATIME,
    MOUNT_ATTR_STRICTATIME,
    MS_DIRSYNC,
    MS_I_VERSION,
    MS_LAZYTIME,
    MS_MANDLOCK,
    MS_PRIVATE,
    MS_REC,
    MS_SHARED,
    MS_SILENT,
    MS_SLAVE,
    MS_SYNCHRONOUS,
    MS_UNBINDABLE,
)

ATTRIBUTES = {
    "ro": (MOUNT_ATTR_RDONLY, True),
    "rw": (MOUNT_ATTR_RDONLY, False),
    "nosuid": (MOUNT_ATTR_NOSUID, True),
    "suid": (MOUNT_ATTR_NOSUID, False),
    "nodev": (MOUNT_ATTR_NODEV, True),
    "dev": (MOUNT_ATTR_NODEV, False),
    "noexec": (MOUNT_ATTR_NOEXEC, True),
    "exec": (MOUNT_ATTR_NOEXEC, False),
    "nodiratime": (MOUNT_ATTR_NODIRATIME, True),
    "diratime": (MOUNT_ATTR_NODIRATIME, False),
    "nosymfollow": (MOUNT_ATTR_NOSYMFOLLOW, True),
    "symfollow": (MOUNT_ATTR_NOSYMFOLLOW, False),
}
"""Attributes of a mount that are on or off; with an "r" before the word, of every mount in the tree."""

ACCESS_TIMES = {
    "relatime": (MOUNT_ATTR_RELATIME, True),
    "norelatime": (MOUNT_ATTR_RELATIME, False),
    "noatime": (MOUNT_ATTR_NOATIME, True),
    "atime": (MOUNT_ATTR_NOATIME, False),
    "strictatime": (MOUNT_ATTR_STRICTATIME, True),
    "nostrictatime": (MOUNT_ATTR_STRICTATIME, False),
}
"""Choices that exclude each other.  Un-choosing one gives the kernel's default, relatime."""

SUPERBLOCK_FLAGS = {
    "sync": ("sync", MS_SYNCHRONOUS),
    "async": ("sync", 0),
    "dirsync": ("dirsync", MS_DIRSYNC),
    "mand": ("mand", MS_MANDLOCK),
    "nomand": ("mand", 0),
    "lazytime": ("lazytime", MS_LAZYTIME),
    "nolazytime": ("lazytime", 0),
    "iversion": ("iversion", MS_I_VERSION),
    "noiversion": ("iversion", 0),
    "silent": ("silent", MS_SILENT),
    "loud": ("silent", 0),
}
"""Flags of the file system itself: what each word decides, and the mount(2) flag (0: off)."""

SUPERBLOCK_OFF = {"sync": "async", "mand": "nomand", "lazytime": "nolazytime"}
"""How fsconfig(2) is told to turn one off."""

PROPAGATION = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}


FSCONFIG_STRING_MAX = 255
"""The longest value that fsconfig(2) takes; the lowerdir of an overlay can be longer."""


class MountOptions:
    """What a list of mount options asks for.

    set, clear:              MOUNT_ATTR_* to turn on and off; for a choice of access times `clear` has the whole
                             MOUNT_ATTR__ATIME field, as mount_setattr(2) wants it
    tree_set, tree_clear:    the same for every mount below ("rro" and its kin)
    superblock:              flag of the file system ("sync", ...) -> mount(2) flag, 0 to turn it off
    propagation:             MS_SHARED and its kin, with MS_REC or without, in order
    bind, recursive:         "bind" or "rbind"; only "rbind"
    idmap, idmap_tree:       "idmap" or "ridmap"; only "ridmap"
    data:                    everything else, for the file system: (key, value), value None for a mere word
    """

    __slots__ = (
        "bind",
        "clear",
        "data",
        "idmap",
        "idmap_tree",
        "propagation",
        "recursive",
        "remount",
        "set",
        "superblock",
        "tmpcopyup",
        "tree_clear",
        "tree_set",
    )

    def __init__(self) -> None:
        self.set = 0
        self.clear = 0
        self.tree_set = 0
        self.tree_clear = 0
        self.superblock: dict[str, int] = {}
        self.propagation: list[int] = []
        self.bind = False
        self.recursive = False
        self.remount = False
        self.tmpcopyup = False
        self.idmap = False
        self.idmap_tree = False
        self.data: list[tuple[str, str | None]] = []

    @property
    def beyond_fsconfig(self) -> bool:
        """Whether the options say something of a file system that only mount(2) can say."""
        if self.superblock.get("silent") or self.superblock.get("iversion"):
            return True
        return any(value is not None and len(value) > FSCONFIG_STRING_MAX for _key, value in self.data)

    def superblock_words(self) -> "list[tuple[str, str | None]]":
        """The flags of the file system as fsconfig(2) takes them."""
        words: list[tuple[str, str | None]] = []
        for flag, value in self.superblock.items():
            if value:
                words.append((flag, None))
            elif flag in SUPERBLOCK_OFF:
                words.append((SUPERBLOCK_OFF[flag], None))
        return words

    def _attribute(self, tree: bool, set: int, clear: int) -> None:
        if tree:
            self.tree_set, self.tree_clear = change(self.tree_set, self.tree_clear, set, clear)
        else:
            self.set, self.clear = change(self.set, self.clear, set, clear)

    def _access_time(self, tree: bool, value: int, chosen: bool) -> None:
        now_set, now_clear = (self.tree_set, self.tree_clear) if tree else (self.set, self.clear)
        if not chosen:
            if now_clear & MOUNT_ATTR__ATIME and now_set & MOUNT_ATTR__ATIME != value:
                return  # "noatime" and then "norelatime": relatime was not the choice
            if value == MOUNT_ATTR_RELATIME:
                # Nothing is said any more, and the kernel's default stays what it is.
                if tree:
                    self.tree_clear &= ~MOUNT_ATTR__ATIME
                else:
                    self.clear &= ~MOUNT_ATTR__ATIME
                return
            value = MOUNT_ATTR_RELATIME
        self._attribute(tree, value, MOUNT_ATTR__ATIME)


def change(set: int, clear: int, later_set: int, later_clear: int) -> tuple[int, int]:
    """Two mount_setattr(2) changes of the same mount as one: the later one wins."""
    return (set & ~later_clear) | later_set, (clear & ~later_set) | later_clear


def parse_options(words: "list[str]") -> MountOptions:
    """Takes a list of mount options apart; of words that contradict each other the last one counts."""
    options = MountOptions()
    for word in words:
        if word in ATTRIBUTES:
            bit, on = ATTRIBUTES[word]
            options._attribute(False, bit if on else 0, 0 if on else bit)
        elif word in PROPAGATION:
            options.propagation.append(PROPAGATION[word])
        elif word in ACCESS_TIMES:
            options._access_time(False, *ACCESS_TIMES[word])
        elif word == "bind":
            options.bind = True
        elif word == "rbind":
            options.bind = options.recursive = True
        elif word in SUPERBLOCK_FLAGS:
            flag, number = SUPERBLOCK_FLAGS[word]
            options.superblock[flag] = number
        elif word[:1] == "r" and word[1:] in ATTRIBUTES:
            bit, on = ATTRIBUTES[word[1:]]
            options._attribute(True, bit if on else 0, 0 if on else bit)
        elif word[:1] == "r" and word[1:] in ACCESS_TIMES:
            options._access_time(True, *ACCESS_TIMES[word[1:]])
        elif word == "remount":
            options.remount = True
        elif word == "tmpcopyup":
            options.tmpcopyup = True
        elif word in ("idmap", "ridmap"):
            options.idmap = True
            options.idmap_tree = word == "ridmap"
        elif word not in ("", "defaults"):
            key, equals, value = word.partition("=")
            options.data.append((key, value if equals else None))
    return options
