"""pyrunc spec: writes a config.json to start from."""

import os

from pyrunc.commands import bundle_of
from pyrunc.errors import PyruncError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation

CONFIG = "config.json"


def run(invocation: "Invocation") -> int:
    """Writes config.json into the bundle.  Raises PyruncError when one is there."""
    from pyrunc.cgroups.layout import CGROUP2_SUPER_MAGIC, CGROUP_ROOT, filesystem_type
    from pyrunc.fastjson import dumps
    from pyrunc.spec.default import default_config

    cgroup2 = filesystem_type(CGROUP_ROOT) == CGROUP2_SUPER_MAGIC
    config = default_config(invocation.options.flag("rootless"), cgroup2)
    data = (dumps(config, indent="\t") + "\n").encode()
    path = os.path.join(bundle_of(invocation), CONFIG)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError as error:
        raise PyruncError(f"File {CONFIG} exists. Remove it first", errno=error.errno or 0) from error
    except OSError as error:
        raise from_os_error(error) from error
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError as error:
        # Half a config.json would only confuse whoever runs it.
        os.unlink(path)
        raise from_os_error(error, operation=f"write {path}") from error
    finally:
        os.close(fd)
    return 0
