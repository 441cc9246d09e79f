"""What paths mean to a process whose root is a given directory: asked of the kernel, by chroot(2).

One child process looks; its answers are marshalled pairs (True, (device, inode)) or (False, errno).
"""

import marshal
import os
from errno import ELOOP, ENOENT, ENOTDIR
from typing import Any

MOST_LINKS = 40  # as path_resolution(7) has it


class Oracle:
    """The child, and how to ask it."""

    def __init__(self) -> None:
        to_child, self.questions = os.pipe()
        self.answers, from_child = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.questions)
                os.close(self.answers)
                serve(to_child, from_child)
            finally:
                os._exit(0)
        os.close(to_child)
        os.close(from_child)
        self.reader = os.fdopen(self.answers, "rb")

    def ask(self, what: str, top: str, path: str) -> tuple[bool, Any]:
        """what: "look" for what is there, "directory" or "file" to make what is missing, too."""
        question = marshal.dumps((what, top, path))
        os.write(self.questions, len(question).to_bytes(4, "little") + question)
        answer: tuple[bool, Any] = marshal.load(self.reader)
        return answer

    def close(self) -> None:
        """Ends the child."""
        os.close(self.questions)
        self.reader.close()
        os.waitpid(self.pid, 0)


def serve(questions: int, answers: int) -> None:
    """Answers until nobody asks any more."""
    outside = os.open("/", os.O_PATH | os.O_DIRECTORY)
    with os.fdopen(questions, "rb") as reader:
        while size := reader.read(4):
            what, top, path = marshal.loads(reader.read(int.from_bytes(size, "little")))
            os.chroot(top)
            os.chdir("/")
            try:
                if what != "look":
                    path = make(path, what == "file")
                status = os.stat(path)
                answer: tuple[bool, Any] = True, (status.st_dev, status.st_ino)
            except OSError as error:
                answer = False, error.errno
            os.fchdir(outside)
            os.chroot(".")
            os.write(answers, marshal.dumps(answer))


def make(path: str, file: bool) -> str:
    """mkdir -p, which follows links that lead nowhere and makes what they name; file: the last part is to be a file.

    By the book, one part after the other, in the root that the process has: the physical path of what is there.
    Raises OSError.
    """
    waiting = path.split("/")
    if file and not path.strip("/."):
        os.stat(path)  # no part that a file could have for a name
    here: list[str] = []
    links = 0
    while waiting:
        name = waiting.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            here = here[:-1]
            continue
        place = "/" + "/".join([*here, name])
        try:
            is_link, is_directory = os.path.islink(place), os.path.isdir(place)
            os.lstat(place)
        except FileNotFoundError:
            return make_rest(here, [name, *waiting], file)
        if is_link:
            links += 1
            if links > MOST_LINKS:
                raise OSError(ELOOP, "too many links") from None
            target = os.readlink(place)
            here = [] if target.startswith("/") else here
            waiting = [*target.split("/"), *waiting]
        elif is_directory:
            here.append(name)
        elif waiting or not file:
            raise OSError(ENOTDIR, "not a directory")
        else:
            return place
    return "/" + "/".join(here)


def make_rest(here: list[str], parts: list[str], file: bool) -> str:
    """Makes what is missing; nothing is above what is not there."""
    parts = [part for part in parts if part not in ("", ".")]
    if ".." in parts:
        raise OSError(ENOENT, "nothing is above what is not there")
    place = "/" + "/".join(here)
    for number, part in enumerate(parts):
        place = os.path.join(place, part)
        if file and number == len(parts) - 1:
            with open(place, "x"):
                pass  # it is there, and empty
        else:
            os.mkdir(place)
    return place
