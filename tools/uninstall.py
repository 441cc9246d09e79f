"""Removes what tools/install.py installed: exactly what its manifest names, and folders only where they are empty.

usage: python3 tools/uninstall.py PREFIX [DESTDIR]
"""

import os
import sys

MANIFEST = "MANIFEST"


def remove(manifest: str, destination: str) -> "list[str]":
    """Removes the files and empty folders that a manifest names; the folders that others put something into."""
    with open(manifest) as file:
        entries = [destination + line.rstrip("\n") for line in file]
    for entry in entries:
        if not entry.endswith("/") and os.path.lexists(entry):
            os.unlink(entry)
    kept = []
    for folder in sorted((entry for entry in entries if entry.endswith("/")), key=len, reverse=True):
        if os.path.isdir(folder):
            if os.listdir(folder):
                kept.append(folder)
            else:
                os.rmdir(folder)
    return kept


def main() -> None:
    """Removes what is installed below the arguments, and says so."""
    destination = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else ""
    library = destination + os.path.join(sys.argv[1], "lib", "pyrunc")
    manifest = os.path.join(library, MANIFEST)
    if not os.path.exists(manifest):
        sys.exit(f"pyrunc is not installed below {destination + sys.argv[1]}: there is no {manifest}")
    kept = remove(manifest, destination)
    print(f"uninstalled {destination + os.path.join(sys.argv[1], 'bin', 'pyrunc')}")
    for folder in kept:
        if folder.startswith(library):
            print(f"kept {folder}: not all in it was installed")


if __name__ == "__main__":
    main()
