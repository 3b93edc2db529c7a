"""How this program came onto the machine, so that what is missing or damaged is mended by a command that works here."""

import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

HOME = Path(__file__).parents[1]  # a clone, or the environment's packages


def in_clone() -> bool:
    """Say whether the program runs from a clone of its repository."""
    return (HOME / "pyproject.toml").is_file()


def is_ours(file: Path) -> bool:
    """Say whether a file lies where the program does, and not in a folder of the user's."""
    return file.resolve().is_relative_to(HOME.resolve())


def how_to_add(extra: str) -> str:
    """Return the command that adds an optional part of the program."""
    if in_clone():
        return "make install-dev" if extra == "dev" else f"make install EXTRAS={extra}"
    if _by_uv():
        return f"uv pip install --python {shlex.quote(sys.prefix)} 'visavis[{extra}]'"
    return f"{'pipx runpip visavis' if _by_pipx() else 'pip'} install 'visavis[{extra}]'"


def how_to_mend(file: Path) -> str:
    """Say, as an order, how to get back a file that came with the program, or one of the user's own."""
    if not is_ours(file):
        return f"Take {file.name} again from where you have {file.parent} from."
    if in_clone():
        return f"Get it back with: git checkout -- {file}"
    if _by_pipx():
        return "Get it back with: pipx reinstall visavis"
    if _by_uv():
        return "Get it back with: uv tool upgrade --reinstall visavis"
    return f"Get it back with: pip install --force-reinstall --no-deps {shlex.quote(_origin())}"


def _by_pipx() -> bool:
    return "pipx" in Path(sys.prefix).parts


def _by_uv() -> bool:
    """Say whether the program is one of uv's tools, whose environments have no pip."""
    return (Path(sys.prefix) / "uv-receipt.toml").is_file()


def _origin() -> str:
    """Return where pip had the program from: a folder, an archive, a repository, or the index by its name."""
    try:
        told = distribution("visavis").read_text("direct_url.json")
    except PackageNotFoundError:
        told = None
    if not told:
        return "visavis"
    origin = json.loads(told)
    url = str(origin["url"])
    if repository := origin.get("vcs_info"):
        return f"{repository['vcs']}+{url}@{repository['commit_id']}"
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "file" else url
