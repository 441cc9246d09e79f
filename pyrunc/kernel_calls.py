"""The system calls that nothing else could do as safely: where one cannot be made, that is said before anything is.

Linux 5.14 has all of them, but a filter on pyrunc itself (that of a container which it runs in, or of a service) may
refuse any, and so may who imitates a kernel.  Imported only where that may be so: see `HostFacts.calls_in_doubt`.
"""

import posix
from errno import E2BIG, EBADF, EFAULT, EINVAL

from pyrunc import syscalls
from pyrunc.errors import PyruncError, reason_of
from pyrunc.namespaces import CLONE_NEWNS, CLONE_NEWUSER

# Name: the first Linux that has what is used of it, and for what.
CALLS = {
    "openat2": ("5.6", "to look up paths of the container without leaving its root"),
    "close_range": ("5.11", "to keep what the caller has open out of the container"),
    "clone3": ("5.7", "to start pyrunc-init in its namespaces and its cgroup"),
    "execveat": ("3.19", "to execute pyrunc-init from where nobody can write to it"),
    "pidfd_open": ("5.3", "to act on the container's process, and not on another with its number"),
    "pidfd_send_signal": ("5.1", "to act on the container's process, and not on another with its number"),
    "fsopen": ("5.2", "to make file systems that are mounted nowhere yet"),
    "fsconfig": ("5.2", "to make file systems that are mounted nowhere yet"),
    "fsmount": ("5.2", "to make file systems that are mounted nowhere yet"),
    "open_tree": ("5.2", "to copy mounts before they are mounted anywhere"),
    "mount_setattr": ("5.12", "to restrict mounts before anybody can use them"),
    "move_mount": ("5.2", "to mount on what was looked up, and not on a path"),
    "memfd_create": ("3.17", "to make a copy of pyrunc-init that nobody can write to"),
}
# In this order: how they answer who may not mount, before they look at anything else, is EPERM.
MOUNTING = ("fsopen", "fsmount", "move_mount")
BY_DESCRIPTOR = ("fsopen", "fsconfig", "fsmount", "open_tree", "mount_setattr", "move_mount")
# A clone of pyrunc-init's mount takes the first two, a copy of it the last: either will do.
HELPER_CLONE = ("open_tree", "mount_setattr")
HELPER_COPY = "memfd_create"
ALWAYS = ("openat2", "close_range", "clone3", "execveat", "pidfd_open", "pidfd_send_signal")

# What a call that can be made says to arguments which it cannot accept.
NOT_ACCEPTED = (EINVAL, EFAULT, EBADF, E2BIG)


def check_calls(mounting: bool) -> None:
    """Raises PyruncError when a system call cannot be made that a new process needs, or (mounting) its mounts."""
    answers = {name: syscalls.probe(name) for name in CALLS}
    refused = {name: errno for name, errno in answers.items() if errno not in NOT_ACCEPTED}
    if mounting and any(name in refused for name in MOUNTING):
        # Is it that we may not mount here?  pyrunc does that in the container's namespaces.
        working = work_elsewhere()
        for number, name in enumerate(MOUNTING):
            if working >> number & 1:
                refused.pop(name, None)
    found = missing(refused, mounting, may_mount=any(answers[name] in NOT_ACCEPTED for name in MOUNTING))
    if found:
        raise lacking(found)


def work_elsewhere() -> int:
    """Which of MOUNTING (a bit each) work where we may mount, and all when there is no such place to find out."""
    everything = (1 << len(MOUNTING)) - 1
    child = posix.fork()
    if child:
        try:
            return posix.waitstatus_to_exitcode(posix.waitpid(child, 0)[1])
        except ChildProcessError:
            return everything  # a program that ignores SIGCHLD, or waits for all, has seen it
    status = everything
    try:
        try:
            syscalls.unshare(CLONE_NEWNS)
        except OSError:
            syscalls.unshare(CLONE_NEWUSER | CLONE_NEWNS)
        status = sum(1 << number for number, name in enumerate(MOUNTING) if syscalls.probe(name) in NOT_ACCEPTED)
    finally:
        posix._exit(status)


def missing(refused: "dict[str, int]", mounting: bool, may_mount: bool) -> "dict[str, int]":
    """Of the calls that cannot be made those that matter.

    may_mount: whether the caller may mount where it is, and so clone the mount of pyrunc-init
    """
    needed = [*ALWAYS, *(BY_DESCRIPTOR if mounting else ())]
    if HELPER_COPY in refused and (not may_mount or any(name in refused for name in HELPER_CLONE)):
        needed += [HELPER_COPY, *HELPER_CLONE]
    return {name: refused[name] for name in dict.fromkeys(needed) if name in refused}


def lacking(found: "dict[str, int]") -> PyruncError:
    """The error for calls that cannot be made."""
    texts = [
        f"{name} (of Linux {CALLS[name][0]} and later) is needed {CALLS[name][1]}: {reason_of(errno)}"
        for name, errno in found.items()
    ]
    return PyruncError(
        "; ".join(texts),
        operation="check the system calls",
        hint="Linux 5.14 or later has all that is needed, but a seccomp filter on pyrunc itself, as that of a container"
        f" around it, may forbid {', '.join(found)}",
        errno=next(iter(found.values())),
    )
