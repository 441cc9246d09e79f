"""python -m pyrunc: the same command as the installed `pyrunc`."""

from pyrunc.cli import entry

if __name__ == "__main__":
    entry()
