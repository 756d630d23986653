"""Installs the Python packages that read what `stemma export` writes, into a cache of its own:
~/.cache/stemma/safetensors. Nothing of it is needed to build, test or run Stemma otherwise."""

import pathlib
import subprocess
import sys

HOME = pathlib.Path.home() / ".cache/stemma/safetensors"
PACKAGES = ["safetensors==0.8.0", "numpy==2.4.6"]


def python():
    """The Python that has them; makes it where it is not there yet."""
    program = HOME / "bin/python"
    mark = HOME / "installed"
    if mark.exists() and mark.read_text() == " ".join(PACKAGES):
        return program
    subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
    subprocess.run([str(program), "-m", "pip", "--disable-pip-version-check", "install", "--quiet",
                    *PACKAGES], check=True)
    mark.write_text(" ".join(PACKAGES))
    return program
