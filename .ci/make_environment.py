"""Make the virtual environment that the Makefile works in, with pip in it.

Debian and Ubuntu ship python3 without ensurepip unless python3-venv is installed; there pip comes from PyPI
instead. Knows nothing of the project: only the standard library is there when it runs.
"""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path

MINIMUM = (3, 11)
SYMLINKS = os.name != "nt"  # as python3 -m venv does

PIP_WHEEL = (
    "https://files.pythonhosted.org/packages/07/25/"
    "ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/pip-26.3-py3-none-any.whl"
)
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"


def download_pip(folder: Path) -> Path:
    """Fetch the pinned wheel of pip into `folder`; raises OSError where it does not come or is another."""
    # A bare Debian has no certificates either. What vouches for the wheel is its hash, not the line it came by.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(PIP_WHEEL, timeout=60, context=context) as reply:
        data = reply.read()
    if hashlib.sha256(data).hexdigest() != PIP_SHA256:
        raise OSError("pip's wheel did not arrive as it was published")
    path = folder / PIP_WHEEL.rpartition("/")[2]
    path.write_bytes(data)
    return path


def make_environment(folder: Path) -> None:
    """Create `folder` as a virtual environment with pip; raises OSError or CalledProcessError."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        venv.create(folder, symlinks=SYMLINKS)
        with tempfile.TemporaryDirectory() as scratch:
            wheel = download_pip(Path(scratch))
            python = str(folder / "bin" / "python")
            install = [f"{wheel}/pip", "install", "--quiet", "--no-index", str(wheel)]
            subprocess.run([python, *install], check=True)
    else:
        venv.create(folder, symlinks=SYMLINKS, with_pip=True)


def main() -> int:
    """Make the environment named on the command line; 1 and one sentence when that fails."""
    folder = Path(sys.argv[1])
    if sys.version_info < MINIMUM:
        print(
            f"Visavis needs Python {MINIMUM[0]}.{MINIMUM[1]} or newer, and {sys.executable} is "
            f"{sys.version.split()[0]}. Name a newer one: make PYTHON=python3.12",
            file=sys.stderr,
        )
        return 1
    try:
        make_environment(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        # A half-made environment would be taken for a whole one by the next run.
        shutil.rmtree(folder, ignore_errors=True)
        print(
            f"The environment {folder} could not be made ({error}). "
            "On Debian and Ubuntu: apt install python3-venv",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
