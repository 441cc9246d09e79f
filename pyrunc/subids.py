"""The id maps of an ordinary user's namespace: his own id he writes himself, newuidmap(1) and newgidmap(1) the rest."""

import posix
import time

from pyrunc import helper, pathnames, syscalls
from pyrunc.errors import PyruncError, from_os_error, reason_of
from pyrunc.facts import read
from pyrunc.launch import map_text, write_proc
from pyrunc.rootless import explain, is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    IdMap = list[tuple[int, int, int]]

# Before $PATH: what is there belongs to the system.  The last is NixOS's place for set-user-ID programs.
PLACES = ("/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
POLLIN = 0x1
SIGKILL = 9
SIGCHLD = 17
SIGPIPE = 13
MAX_WORDS = 2000  # bytes of a program's output for an error message
S_ISUID = 0o4000


def write_maps(pid: int, uid_maps: "IdMap", gid_maps: "IdMap") -> None:
    """Maps the ids of the user namespace of pid, a child of ours, for the calling user.  Raises PyruncError.

    Who writes his own group's map must give up setgroups for it; newgidmap sees to that by itself.
    """
    if is_own(uid_maps, posix.geteuid()):
        write_own(pid, "uid", uid_maps)
    else:
        call_program(pid, "uid", uid_maps)
    if is_own(gid_maps, posix.getegid()):
        write_own(pid, "gid", gid_maps)
    else:
        call_program(pid, "gid", gid_maps)


def write_own(pid: int, kind: str, maps: "IdMap") -> None:
    """Writes the map with the user's own id."""
    place = f"linux.{kind}Mappings"
    try:
        if kind == "gid":
            write_proc(pid, "setgroups", "deny", place)
        write_proc(pid, f"{kind}_map", map_text(maps), place)
    except PyruncError as error:
        explain(error)
        raise


def call_program(pid: int, kind: str, maps: "IdMap") -> None:
    """Has newuidmap or newgidmap write the map.  Raises PyruncError with its words and what is wrong here."""
    program, place, operation = f"new{kind}map", f"linux.{kind}Mappings", f"write {kind}_map"
    path = find(program)
    if path is None:
        raise PyruncError(
            f"{program}: not found",
            operation=operation,
            place=place,
            hint=own_id_hint(kind, maps)
            or f"it maps more than the user's own {kind}, and is in the package uidmap (or shadow-utils)",
        )
    arguments = [program, str(pid)]
    for inside, outside, size in maps:
        arguments += [str(inside), str(outside), str(size)]
    try:
        problem = run(path, arguments)
    except OSError as error:
        raise from_os_error(error, operation=f"run {path}", place=place) from error
    if problem is not None:
        raise PyruncError(problem, operation=operation, place=place, hint=hint_for(path, kind, maps))


def find(program: str) -> "str | None":
    """The absolute path of the program: in the system's directories, then in those of $PATH.

    Relative ones of $PATH are left out: the current directory may be a bundle with files that somebody else made.
    """
    others = (pathnames.environ().get("PATH") or "").split(":")
    for directory in (*PLACES, *[name for name in others if name.startswith("/")]):
        path = f"{directory}/{program}"
        if posix.access(path, posix.X_OK) and not pathnames.isdir(path):
            return path
    return None


def run(path: str, arguments: "list[str]") -> "str | None":
    """Runs the program to its end; what is wrong, in its own words, or None.  Raises OSError."""
    output, theirs = posix.pipe2(posix.O_CLOEXEC)
    try:
        try:
            child = posix.posix_spawn(
                path,
                arguments,
                ENVIRONMENT,
                file_actions=[
                    (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDONLY, 0),
                    (posix.POSIX_SPAWN_DUP2, theirs, 1),
                    (posix.POSIX_SPAWN_DUP2, theirs, 2),
                ],
                setsigmask=[],
                setsigdef=[SIGCHLD, SIGPIPE],
            )
        finally:
            posix.close(theirs)
        words, ended = read_words(output)
        if not ended:
            posix.kill(child, SIGKILL)
        status = wait_status(child)
    finally:
        posix.close(output)
    if not ended:
        return f"{arguments[0]}: has not ended after {helper.PATIENCE:g} s"
    if status == 0 or (status is None and not words):
        return None
    return words or f"{arguments[0]}: exit status {status}"


def read_words(fd: int) -> "tuple[str, bool]":
    """What a program writes until its end, in one line, and whether that end came in time."""
    deadline = time.monotonic() + helper.PATIENCE
    data = b""
    while syscalls.poll(fd, POLLIN, max(0, int((deadline - time.monotonic()) * 1000))):
        part = posix.read(fd, 4096)
        if not part:
            text = data.decode("utf-8", "replace")
            return "; ".join(line for line in text.splitlines() if line), True
        data = (data + part)[:MAX_WORDS]
    return "", False


def wait_status(child: int) -> "int | None":
    """The exit status of the child (128+n after signal n).

    None when the program that imported pyrunc ignores SIGCHLD, or waits for all: then what the child wrote decides.
    """
    try:
        status = posix.waitstatus_to_exitcode(posix.waitpid(child, 0)[1])
    except ChildProcessError:
        return None
    return status if status >= 0 else 128 - status


def hint_for(path: str, kind: str, maps: "IdMap") -> str:
    """What the user, or the administrator, can do when the program refuses."""
    if b"\nNoNewPrivs:\t1" in read("/proc/self/status"):
        return f"{path} gains no privileges: this process has no_new_privs set"
    if posix.statvfs(path).f_flag & posix.ST_NOSUID:
        return f"{path} gains no privileges: its file system is mounted nosuid"
    if not posix.stat(path).st_mode & S_ISUID and not has_capabilities(path):
        return f"{path} has neither the set-user-ID bit nor file capabilities: install the package uidmap again"
    return own_id_hint(kind, maps) or subordinate_hint(kind, maps)


def own_id_hint(kind: str, maps: "IdMap") -> str:
    """For a configuration that somebody else's `spec --rootless` has written: a single id, but not the caller's."""
    if len(maps) != 1 or maps[0][2] != 1:
        return ""
    own = posix.geteuid() if kind == "uid" else posix.getegid()
    return f"linux.{kind}Mappings maps {maps[0][1]}, the caller is {own}: `pyrunc spec --rootless` maps the caller"


def has_capabilities(path: str) -> bool:
    """Whether the file has capabilities (capabilities(7))."""
    try:
        return bool(posix.getxattr(path, "security.capability"))
    except OSError:
        return False


def subordinate_hint(kind: str, maps: "IdMap") -> str:
    """What /etc/subuid or /etc/subgid has for the user, when that does not suffice (subuid(5))."""
    import pwd

    uid = posix.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid} has no entry in /etc/passwd, which new{kind}map needs"
    file = f"/etc/sub{kind}"
    try:
        ranges = ranges_of(file, (name, str(uid)))
    except OSError as error:
        return f"{file}: {reason_of(error.errno or 0)}"
    if not ranges:
        return f"{file} has no entry for {name}: usermod --add-sub{kind}s 100000-165535 {name} (as root) makes one"
    own = posix.getuid() if kind == "uid" else posix.getgid()
    for index, (_, outside, size) in enumerate(maps):
        if (outside, size) != (own, 1) and not covered(outside, size, ranges):
            allowed = ", ".join(f"{first} to {first + count - 1}" for first, count in ranges)
            asked = f"linux.{kind}Mappings[{index}] asks for {outside} to {outside + size - 1}"
            return f"{asked}, {file} allows {name} {allowed}"
    return ""


def ranges_of(file: str, names: "tuple[str, ...]") -> "list[tuple[int, int]]":
    """(first id, count) of each line of a file like /etc/subuid for a user's name or number; bad lines are none."""
    ranges = []
    with open(file, errors="surrogateescape") as lines:
        for line in lines:
            fields = line.strip().split(":")
            if len(fields) == 3 and fields[0] in names and all(f.isascii() and f.isdigit() for f in fields[1:]):
                ranges.append((int(fields[1]), int(fields[2])))
    return ranges


def covered(first: int, size: int, ranges: "list[tuple[int, int]]") -> bool:
    """Whether all ids from first on are in one of the ranges, as the programs want it."""
    return any(start <= first and first + size <= start + count for start, count in ranges)
