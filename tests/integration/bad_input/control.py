"""Commands on a container that is there: its processes, its limits."""

from collections.abc import Callable
from pathlib import Path

from tests.integration.bad_input.case import Case, World, both, created, file, running, stopped
from tests.integration.bad_input.containers import paused


def path_of(folder: str) -> Callable[[World], None]:
    """PATH is this folder alone."""

    def prepare(world: World) -> None:
        world.environment["PATH"] = world.fill(folder)

    return prepare


def ps_that_prints(text: str, status: int = 0) -> Callable[[World], None]:
    """The host's ps prints this and ends with that status."""

    def prepare(world: World) -> None:
        program = Path(world.folder / "ps")
        program.write_text(f"#!/bin/sh\nprintf %s '{text}'\nexit {status}\n")
        program.chmod(0o755)
        world.environment["PATH"] = f"{world.folder}:/usr/bin:/bin"

    return prepare


def standard_input(text: str) -> Callable[[World], None]:
    """What the command reads from its standard input."""

    def prepare(world: World) -> None:
        world.options["input"] = text

    return prepare


CASES = [
    Case(
        "pause of a missing one",
        "pyrunc pause failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="pause {id}",
    ),
    Case(
        "pause of a paused one",
        "pyrunc pause failed: {id}: container not running",
        prepare=paused,
        command="pause {id}",
    ),
    Case(
        "pause of a stopped one",
        "pyrunc pause failed: {id}: container not running",
        prepare=stopped,
        command="pause {id}",
    ),
    Case(
        "resume of a created one",
        "pyrunc resume failed: {id}: container not paused",
        prepare=created,
        command="resume {id}",
    ),
    Case(
        "resume of a running one",
        "pyrunc resume failed: {id}: container not paused",
        prepare=running,
        command="resume {id}",
    ),
    Case(
        "resume of a stopped one",
        "pyrunc resume failed: {id}: container not paused",
        prepare=stopped,
        command="resume {id}",
    ),
    Case(
        "mounts without a file",
        'pyrunc: "mounts" requires exactly 3 argument(s)\nhint: see pyrunc mounts --help',
        command="mounts add {id}",
    ),
    Case(
        "mounts with another verb",
        'pyrunc mounts: add or remove, not "list"\nhint: see pyrunc mounts --help',
        command="mounts list {id} {tmp}/nowhere",
    ),
    Case(
        "mounts of a missing one",
        "pyrunc mounts failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="mounts add {id} {tmp}/nowhere",
    ),
    Case(
        "mounts from a missing file",
        "pyrunc mounts failed: {id}: read {tmp}/nowhere: no such file or directory",
        prepare=running,
        command="mounts add {id} {tmp}/nowhere",
    ),
    Case(
        "mounts from no list",
        "pyrunc mounts failed: {id}: {tmp}/m: must hold a JSON list of mounts, as config.json's",
        prepare=both(running, file("{tmp}/m", '{"destination": "/a"}')),
        command="mounts add {id} {tmp}/m",
    ),
    Case(
        "mounts of a stopped one",
        "pyrunc mounts failed: {id}: cannot add mounts to a stopped container",
        prepare=both(stopped, file("{tmp}/m", "[]")),
        command="mounts add {id} {tmp}/m",
    ),
    Case(
        "mounts without a destination",
        "pyrunc mounts failed: {id}: the list of mounts: /0/destination: is required",
        prepare=both(running, file("{tmp}/m", '[{"type": "tmpfs"}]')),
        command="mounts remove {id} {tmp}/m",
    ),
    Case(
        "mounts on the root",
        "pyrunc mounts failed: {id}: mounts[0] (/): the root of a container cannot be mounted over",
        prepare=both(running, file("{tmp}/m", '[{"destination": "/", "type": "tmpfs"}]')),
        command="mounts add {id} {tmp}/m",
    ),
    Case(
        "mounts of a missing source",
        "pyrunc mounts failed: {id}: mounts[0] (/a): bind /no on /a: open_tree /no: no such file or directory",
        prepare=both(running, file("{tmp}/m", '[{"destination": "/a", "source": "/no", "options": ["bind"]}]')),
        command="mounts add {id} {tmp}/m",
    ),
    Case(
        "mounts that are none are removed",
        "pyrunc mounts failed: {id}: mounts[0] (/bin): unmount /bin: /bin is not a mount point",
        prepare=both(running, file("{tmp}/m", '[{"destination": "/bin"}]')),
        command="mounts remove {id} {tmp}/m",
    ),
    Case(
        "update of a missing one",
        "pyrunc update failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="update --pids-limit 5 {id}",
    ),
    Case(
        "update of a stopped one",
        "pyrunc update failed: {id}: container not running",
        prepare=stopped,
        command="update --pids-limit 5 {id}",
    ),
    Case(
        "update with a size that is none",
        "pyrunc update failed: {id}: invalid value for memory: invalid size: 'much'\n"
        "hint: a size is like 67108864, 64M or -1",
        prepare=running,
        command="update --memory much {id}",
    ),
    Case(
        "update with a number that is none",
        "pyrunc update failed: {id}: invalid value for cpu-quota: '1e5' is not a whole number",
        prepare=running,
        command="update --cpu-quota 1e5 {id}",
    ),
    Case(
        "update with a number below zero",
        "pyrunc update failed: {id}: resources.json: /cpu/shares: must be from 0 to 18446744073709551615, not -1",
        prepare=running,
        command="update --cpu-share -1 {id}",
    ),
    Case(
        "update with a weight beyond 16 bits",
        "pyrunc update failed: {id}: resources.json: /blockIO/weight: must be from 0 to 65535, not 65536",
        prepare=running,
        command="update --blkio-weight 65536 {id}",
    ),
    Case(
        "update of the cache's schema",
        "pyrunc update failed: {id}: linux.intelRdt: no resctrl file system is mounted\nhint: mount -t resctrl resctrl "
        "/sys/fs/resctrl; the CPU must have Intel RDT, AMD QoS or Arm MPAM",
        prepare=running,
        command="update --l3-cache-schema L3:0=f {id}",
    ),
    Case(
        "update of the memory bandwidth's schema",
        "pyrunc update failed: {id}: config.json: /linux/intelRdt/memBwSchema: must be one line that begins with "
        "\"MB:\", not 'L3:0=50'",
        prepare=running,
        command="update --mem-bw-schema L3:0=50 {id}",
    ),
    Case(
        "update from a missing file",
        "pyrunc update failed: {id}: read {tmp}/nowhere: no such file or directory",
        prepare=running,
        command="update --resources {tmp}/nowhere {id}",
    ),
    Case(
        "update from what is no JSON",
        "pyrunc update failed: {id}: the standard input: line 1, column 1: a value is missing",
        prepare=both(running, standard_input("limits")),
        command="update --resources - {id}",
    ),
    Case(
        "update from JSON of another shape",
        "pyrunc update failed: {id}: resources.json has 2 problems:\n"
        '/cpu: must be an object, not []\n/pids/limit: must be a whole number, not "5"',
        prepare=both(running, standard_input('{"cpu": [], "pids": {"limit": "5"}}')),
        command="update --resources=- {id}",
    ),
    Case(
        "update to CPUs that the host lacks",
        "pyrunc update failed: {id}: linux.resources.cpu.cpus: write '4095' to "
        "/sys/fs/cgroup/cpuset{cgroup}/cpuset.cpus: numerical result out of range",
        prepare=running,
        command="update --cpuset-cpus 4095 {id}",
        marks=["cgroup1"],
    ),
    Case(
        "events of a missing one",
        "pyrunc events failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="events --stats {id}",
    ),
    Case(
        "events of a stopped one",
        "pyrunc events failed: {id}: container with id {id} is not running",
        prepare=stopped,
        command="events {id}",
    ),
    Case(
        "statistics of a stopped one",
        "pyrunc events failed: {id}: container with id {id} is not running",
        prepare=stopped,
        command="events --stats {id}",
    ),
    Case(
        "events without pause",
        "pyrunc events failed: {id}: duration interval must be greater than 0\n"
        "hint: --interval takes a duration like 500ms or 5s",
        prepare=running,
        command="events --interval 0 {id}",
    ),
    Case(
        "events at no interval",
        'invalid value "often" for flag -interval: parse error\nhint: see pyrunc events --help',
        command="events --interval often {id}",
    ),
    Case(
        "ps of a missing one",
        "pyrunc ps failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="ps {id}",
    ),
    Case(
        "ps in an unknown format",
        "pyrunc ps failed: {id}: invalid format option\nhint: --format takes table or json",
        prepare=running,
        command="ps --format xml {id}",
    ),
    Case(
        "ps without the pid",
        "pyrunc ps failed: {id}: couldn't find PID field in ps output\nhint: give ps options that show the PID",
        prepare=running,
        command="ps {id} -o comm",
    ),
    Case(
        "ps with a column before the pid that has blanks",
        "pyrunc ps failed: {id}: unable to parse pid: '{number} a b 1'\n"
        "hint: only ps options with plain columns will do",
        prepare=both(running, ps_that_prints("PPID ARGS PID\n1 a b 1\n")),
        command="ps {id}",
    ),
    Case(
        "ps that fails",
        "pyrunc ps failed: {id}: exit status 3: no such option",
        prepare=both(running, ps_that_prints("no such option\n", 3)),
        command="ps {id} -x",
    ),
    Case(
        "ps where there is none",
        'pyrunc ps failed: {id}: exec: "ps": executable file not found in $PATH\nhint: --format json needs no ps',
        prepare=both(running, path_of("{tmp}")),
        command="ps {id}",
    ),
]
