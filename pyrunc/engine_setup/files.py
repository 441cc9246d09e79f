"""The file of an engine: read, and replaced in one step, below a directory that stands for the host's root."""

import os
import stat
from errno import ELOOP, ENOENT

from pyrunc.errors import PyruncError, SystemCallError, from_os_error
from pyrunc.operations.paths import O_PATH_DIRECTORY, make_directory, open_in_root

MAX_SIZE = 4 << 20
NEW_MODE = 0o644


class File:
    """One file below `prefix`.  Links on the way lead nowhere else than below it; the file itself may not be one.

    text: what is in it, None when it is not there
    """

    def __init__(self, prefix: str, path: str) -> None:
        """Reads it.  Raises PyruncError."""
        self.path = path
        self.shown = os.path.join(prefix, path.lstrip("/"))
        try:
            self._root = os.open(prefix, O_PATH_DIRECTORY | os.O_CLOEXEC)
            self.text, self._status = self._read()
        except OSError as error:
            raise self._error(error) from error

    def replace(self, text: "str | None") -> None:
        """Writes the text in one step, with the owner and mode that the file had; None removes it.

        Raises PyruncError, also when the file has changed since it was read.
        """
        try:
            if self._read()[0] != self.text:
                raise PyruncError("was changed by somebody else at this moment", operation=self.shown)
            folder, name = os.path.split(self.path)
            directory = make_directory(self._root, folder)
            try:
                if text is None:
                    os.unlink(name, dir_fd=directory)
                else:
                    self._write(directory, name, text)
            finally:
                os.close(directory)
        except OSError as error:
            raise self._error(error) from error

    def _read(self) -> "tuple[str | None, os.stat_result | None]":
        folder, name = os.path.split(self.path)
        try:
            directory = open_in_root(self._root, folder, O_PATH_DIRECTORY)
        except SystemCallError as error:
            if error.errno == ENOENT:
                return None, None
            raise
        try:
            # O_NONBLOCK: a fifo does not keep us waiting.
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return None, None
        except OSError as error:
            if error.errno == ELOOP:
                target = os.readlink(name, dir_fd=directory)
                hint = "setup writes no file through a link; change the one it leads to"
                raise PyruncError(f"is a link to {target}", operation=self.shown, hint=hint) from error
            raise
        finally:
            os.close(directory)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise PyruncError("is no regular file", operation=self.shown)
        with open(fd, "rb") as file:
            data = file.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise PyruncError(f"is larger than {MAX_SIZE >> 20} MiB", operation=self.shown)
        try:
            return data.decode(), status
        except UnicodeDecodeError as error:
            raise PyruncError(f"is no UTF-8: octet {error.start}", operation=self.shown) from error

    def _write(self, directory: int, name: str, text: str) -> None:
        new = f".{name}.pyrunc-setup-{os.getpid()}"
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
        try:
            with open(fd, "wb") as file:
                file.write(text.encode())
                file.flush()
                if self._status is not None:
                    os.fchown(fd, self._status.st_uid, self._status.st_gid)
                os.fchmod(fd, NEW_MODE if self._status is None else stat.S_IMODE(self._status.st_mode))
                os.fsync(fd)
            os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(new, dir_fd=directory)
            raise

    def _error(self, error: OSError) -> PyruncError:
        found = from_os_error(error, operation=self.shown)
        if isinstance(error, PermissionError) and os.geteuid():
            found.hint = "this file is root's to change"
        return found
