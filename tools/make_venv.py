"""Makes the virtual environment of a checkout, or completes the one that is there.

usage: PYTHON make_venv.py VENV [EXTRA...]      PYTHON is the interpreter that it will be made from (>= 3.11)

Installs what pyproject.toml names: the dependencies, and those of the `dev` extra and of the named ones.  An
environment that works is never made anew, only given what it lacks.
"""

import importlib.metadata
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
QUESTION = "import sys; print(sys.version_info >= (3, 11) and sys.prefix != sys.base_prefix)"


def wanted(extras: list[str]) -> list[str]:
    """The requirements as pip takes them."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    return [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]


def works(python: Path) -> bool:
    """Whether the environment's interpreter runs."""
    try:
        answer = subprocess.run([python, "-I", "-c", QUESTION], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer.stdout.strip() == "True"


def lacks(folder: Path, requirements: list[str]) -> bool:
    """Whether a package is not there (versions are pip's business)."""
    site = [str(path) for path in folder.glob("lib/python3.*/site-packages")]
    names = {
        (distribution.metadata["Name"] or "").lower().replace("_", "-")
        for distribution in importlib.metadata.distributions(path=site)
    }
    return any(requirement.split(">=")[0].lower() not in names for requirement in requirements)


def main() -> None:
    """Makes or completes the environment that the first argument names."""
    folder = Path(sys.argv[1])
    python = folder / "bin" / "python"
    requirements = wanted(["dev", *sys.argv[2:]])
    if not works(python):
        print(f"making {folder} with {sys.executable}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
    if lacks(folder, requirements):
        print("installing " + " ".join(requirements), file=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "-qq", *requirements], check=True)


if __name__ == "__main__":
    main()
