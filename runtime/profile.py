"""Profiles as a call sees them: a folder with exported graphs, tables and a few numbers. Knows no network."""

import hashlib
import importlib.util
import tomllib
from dataclasses import dataclass
from pathlib import Path

GRAPHS = ("locate", "source", "motion", "frame")


class ProfileError(Exception):
    """A profile that is not there, or not whole; its text is a sentence for the user."""


@dataclass(frozen=True)
class Profile:
    """A named set of graphs; both peers of a call must hold the same."""

    name: str
    folder: Path
    picture_size: int  # S, pixels
    keypoints: int  # K
    graphs_hash: bytes  # SHA-256 over the graphs

    @property
    def format_path(self) -> Path:
        """Return where the motion format's tables lie."""
        return self.folder / "tables.npz"

    def graph_path(self, graph: str) -> Path:
        """Return where an exported graph lies."""
        return self.folder / f"{graph}.onnx"


def profiles_folder() -> Path:
    """Return the folder of the profiles that ship, found without importing the networks' package."""
    spec = importlib.util.find_spec("models")
    if spec is None or not spec.submodule_search_locations:
        raise ProfileError("The profiles are not installed: install visavis again.")
    return Path(next(iter(spec.submodule_search_locations))) / "profiles"


def list_profiles() -> list[str]:
    """Return the names of the profiles that ship, in alphabetical order."""
    folder = profiles_folder()
    if not folder.is_dir():
        return []
    return sorted(path.parent.name for path in folder.glob("*/profile.toml"))


def load_profile(name_or_folder: str, *, needs_tables: bool = True) -> Profile:
    """Read a profile by its name, or from a folder of one's own; only fitting its tables does without them.

    Raises:
        ProfileError: no such profile, a damaged profile.toml, graphs or tables that are missing or not those that
            the profile was built with.
    """
    folder = Path(name_or_folder)
    if not (folder / "profile.toml").is_file():
        folder = profiles_folder() / name_or_folder
        if "/" in name_or_folder or not (folder / "profile.toml").is_file():
            known = ", ".join(list_profiles()) or "none"
            raise ProfileError(f"There is no profile {name_or_folder!r}; installed are: {known}.")
    path = folder / "profile.toml"
    try:
        table = tomllib.loads(path.read_text())
        name, network, graphs = str(table["name"]), table["network"], table.get("graphs", {})
        size, keypoints = int(network["picture_size"]), int(network["keypoints"])
        hashes = {graph: str(graphs[graph]) for graph in GRAPHS if graph in graphs}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProfileError(f"{path} is damaged ({error}); install visavis again.") from None
    total = hashlib.sha256()
    for graph in GRAPHS:
        file = folder / f"{graph}.onnx"
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError:
            raise ProfileError(
                f"The profile {name} lacks its graph {file}; install visavis again, or export it with "
                f"`visavis models export {name}`."
            ) from None
        if digest != hashes.get(graph):
            raise ProfileError(
                f"The graph {file} is damaged or of another version: its SHA-256 is not the one in profile.toml."
            )
        total.update(bytes.fromhex(digest))
    if needs_tables and not (folder / "tables.npz").is_file():
        raise ProfileError(f"The profile {name} lacks its tables; fit them with `visavis tables fit`.")
    return Profile(name, folder, size, keypoints, total.digest())
