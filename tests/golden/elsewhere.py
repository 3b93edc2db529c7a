"""Make the golden vectors under other versions of Python and NumPy, and compare them with those that are kept here:

    python -m tests.golden.elsewhere ~/venv-3.13/bin/python ~/venv-3.12/bin/python

from the repository's root. Each interpreter needs `numpy`, `constriction` and `av`, and nothing else. The vectors hold
packets and what was decoded from them there, so the same bytes mean that both sides code and decode alike. Not compared
are a picture's bytes, which depend on the AV1 encoder's version, and the packing of the format's file: the hash of what
is in it stands in the vectors.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
MAKERS = ("tests.golden.make_codec", "tests.golden.make_residual")
VERSIONS = """
import platform, numpy
from importlib.metadata import version
print(f"Python {platform.python_version()}, NumPy {numpy.__version__}, constriction {version('constriction')}")
"""


def differing(python: str) -> list[str]:
    """Return the names of the vectors that another interpreter makes differently.

    Raises subprocess.CalledProcessError where it cannot make them.
    """
    with tempfile.TemporaryDirectory() as folder:
        for maker in MAKERS:
            subprocess.run([python, "-m", maker, folder], cwd=FOLDER.parent.parent, check=True)
        made = sorted(Path(folder).glob("*.json"))
        assert made
        return [one.name for one in made if one.read_bytes() != (FOLDER / one.name).read_bytes()]


def main(pythons: list[str]) -> int:
    """Compare with each interpreter; return the exit code."""
    code = 0
    for python in pythons:
        versions = subprocess.run([python, "-c", VERSIONS], check=True, capture_output=True, text=True)
        names = differing(python)
        code = 1 if names else code
        print(f"{versions.stdout.strip()}: {', '.join(names) + ' differ' if names else 'all the same'}")
    return code


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("usage: python -m tests.golden.elsewhere PYTHON...")
    sys.exit(main(sys.argv[1:]))
