"""Profiles as a call sees them: a folder with exported graphs, tables and a few numbers. Knows no network."""

import hashlib
import importlib.util
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from runtime.installed import how_to_mend
from runtime.profile_files import NamedFile, ProfileError, check, how_to_get, list_faults

GRAPHS = ("locate", "source", "motion", "frame")
# What residual codes take, where a profile has them: two graphs, and the chances by which codes are coded.
RESIDUAL_FILES = ("residual_encode.onnx", "residual_decode.onnx", "residual.npz")


@dataclass(frozen=True)
class Profile:
    """A named set of graphs; both peers of a call must hold the same."""

    name: str
    folder: Path
    picture_size: int  # S, pixels
    keypoints: int  # K
    graphs_hash: bytes  # SHA-256 over the graphs, and over what residual codes take
    int8: frozenset[str]  # graphs that also come in 8 bits, for OpenVINO
    half: frozenset[str]  # graphs that also come in half precision, for TensorRT
    residual: bool = False  # whether it has residual codes
    shared: "Shared | None" = None  # what it has from a smaller profile

    @property
    def seen_size(self) -> int:
        """Return the side of the pictures that the graphs `source` and `motion` look at, in pixels: S, or half of it
        where they are a smaller profile's."""
        return self.picture_size if self.shared is None else self.shared.picture_size

    @property
    def format_path(self) -> Path:
        """Return where the motion format's tables lie."""
        return self._home("motion") / "tables.npz"

    @property
    def residual_path(self) -> Path:
        """Return where the chances of residual codes lie."""
        return self.folder / "residual.npz"

    def graph_path(self, graph: str) -> Path:
        """Return where an exported graph lies."""
        return self._home(graph) / f"{graph}.onnx"

    def int8_path(self, graph: str) -> Path:
        """Return where a graph's 8-bit form lies, an OpenVINO model."""
        return self._home(graph) / f"{graph}.int8.xml"

    def half_path(self, graph: str) -> Path:
        """Return where a graph's form in half precision lies."""
        return self._home(graph) / f"{graph}.fp16.onnx"

    def _home(self, graph: str) -> Path:
        return self.folder if self.shared is None or graph == "frame" else self.shared.folder


@dataclass(frozen=True)
class Shared:
    """The smaller profile that a larger one has all but its frame graph from, with the motion's tables."""

    name: str
    folder: Path
    picture_size: int


@dataclass(frozen=True)
class Cost:
    """A profile's size and work, counted when it was made."""

    parameters: int
    source_gmac: float  # billions of multiplications and additions, once a source picture
    motion_gmac: float  # a camera frame
    frame_gmac: float  # a shown frame


@dataclass(frozen=True)
class Outline:
    """What a profile's toml says of it, whether or not it has graphs to run."""

    name: str
    picture_size: int
    keypoints: int
    hashes: dict[str, str]  # SHA-256 of each graph
    int8_hashes: dict[str, str]  # SHA-256 of each graph that also comes in 8 bits
    half_hashes: dict[str, str]  # and of each that also comes in half precision
    residual_hashes: dict[str, str]  # of RESIDUAL_FILES, by their stems; may be empty
    kept_hashes: dict[str, str]  # of what training resumes from and of the tables, by their names
    cost: Cost | None
    quality: dict[str, float]  # measured, ratios to the frozen picture; empty where nobody has
    shares: str | None  # the name of the profile that all but the frame graph is from

    @property
    def built(self) -> bool:
        """Say whether graphs were exported for it; profiles that are only described wait for their training."""
        return bool(self.hashes)


def profiles_folder() -> Path:
    """Return the folder of the profiles that ship, found without importing the networks' package."""
    spec = importlib.util.find_spec("models")
    if spec is None or not spec.submodule_search_locations:
        raise ProfileError("The profiles are not installed.", "Install visavis again.")
    return Path(next(iter(spec.submodule_search_locations))) / "profiles"


def list_profiles() -> list[str]:
    """Return the names of the profiles that ship, in alphabetical order; some may not be built."""
    folder = profiles_folder()
    if not folder.is_dir():
        return []
    return sorted(path.parent.name for path in folder.glob("*/profile.toml"))


def list_built_profiles() -> list[str]:
    """Return the names of the profiles that a call can run, in alphabetical order; damaged ones among them."""

    def runs(name: str) -> bool:
        try:
            return outline_profile(profiles_folder() / name).built
        except ProfileError:
            return True

    return [name for name in list_profiles() if runs(name)]


def outline_profile(folder: Path) -> Outline:
    """Read a profile folder's toml; raises ProfileError where it is damaged."""
    path = folder / "profile.toml"
    try:
        table = tomllib.loads(path.read_text())
        network, graphs, cost = table["network"], table.get("graphs", {}), table.get("cost")
        return Outline(
            str(table["name"]),
            int(network["picture_size"]),
            int(network["keypoints"]),
            {graph: str(graphs[graph]) for graph in GRAPHS if graph in graphs},
            {graph: str(digest) for graph, digest in table.get("int8", {}).items() if graph in GRAPHS},
            {graph: str(digest) for graph, digest in table.get("half", {}).items() if graph in GRAPHS},
            {name: str(digest) for name, digest in table.get("residual", {}).items()},
            {name: str(digest) for name, digest in table.get("kept", {}).items()},
            None if cost is None else Cost(**cost),
            {name: float(value) for name, value in table.get("quality", {}).items()},
            str(table["shares"]) if "shares" in table else None,
        )
    except OSError as error:
        raise ProfileError(f"{path} cannot be read ({error.strerror or error}).", how_to_mend(path)) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProfileError(f"{path} is damaged ({error}).", how_to_mend(path), damaged=True) from None


def load_profile(name_or_folder: str, *, whole: bool = True) -> Profile:
    """Read a profile by its name, or from a folder of one's own.

    What makes a part of a profile anew does without a `whole` one: its graphs alone have to be as they were named, and
    what else is missing or damaged counts as what it does not have.

    Raises:
        ProfileError: no such profile, one that is not built, a damaged profile.toml, graphs or tables that are missing
            or not those that the profile was built with.
    """
    profile, outline = _describe(name_or_folder)
    if not whole:
        profile = _without_faults(profile, outline)
    total = hashlib.sha256()
    for file in _graph_files(profile, outline):
        total.update(check(file))
    for file in _other_forms(profile, outline):
        check(file)
    if whole and not profile.format_path.is_file():
        advice = how_to_get(profile.format_path, _TABLES_MADE_BY.format(profile.format_path.parent.name))
        raise ProfileError(f"{profile.format_path} is missing.", advice)
    return replace(profile, graphs_hash=total.digest())


def find_faults(name_or_folder: str) -> list[ProfileError]:
    """Look at every file that a profile names, what only training takes included; return what is wrong with each.

    Raises ProfileError for no such profile, one that is not built, and a damaged profile.toml.
    """
    profile, outline = _describe(name_or_folder)
    homes = [profile.folder] if profile.shared is None else [profile.folder, profile.shared.folder]
    kept = [
        NamedFile(home / name, digest, _made_by(home, name))
        for home in homes
        for name, digest in outline_profile(home).kept_hashes.items()
    ]
    return list_faults([*_graph_files(profile, outline), *_other_forms(profile, outline), *kept])


def _describe(name_or_folder: str) -> tuple[Profile, Outline]:
    """Find a profile and read what its toml says, with what is a smaller one's; nothing else is looked at yet."""
    folder = Path(name_or_folder)
    if not (folder / "profile.toml").is_file():
        folder = profiles_folder() / name_or_folder
        if "/" in name_or_folder or not (folder / "profile.toml").is_file():
            known = ", ".join(list_built_profiles()) or "none"
            raise ProfileError(f"There is no profile {name_or_folder!r}; installed are: {known}.")
    outline = outline_profile(folder)
    if not outline.built:
        built = ", ".join(list_built_profiles()) or "none"
        raise ProfileError(
            f"The profile {outline.name} is not built: it has sizes but no weights yet. Built are: {built}."
        )
    shared = None
    if outline.shares is not None:
        smaller = outline_profile(profiles_folder() / outline.shares)
        if smaller.shares is not None:
            raise ProfileError(f"{folder / 'profile.toml'} shares with {smaller.name}, which itself shares.")
        shared = Shared(smaller.name, profiles_folder() / outline.shares, smaller.picture_size)
        outline = _joined(outline, smaller)
    profile = Profile(
        outline.name,
        folder,
        outline.picture_size,
        outline.keypoints,
        b"",
        frozenset(outline.int8_hashes),
        frozenset(outline.half_hashes),
        bool(outline.residual_hashes),
        shared,
    )
    return profile, outline


def _without_faults(profile: Profile, outline: Outline) -> Profile:
    """Leave out the other forms of graphs, and the residual codes, that are not whole."""
    files = [*_graph_files(profile, outline), *_other_forms(profile, outline)]
    faulty = {file.path for file in files if list_faults([file])}
    return replace(
        profile,
        int8=frozenset(graph for graph in profile.int8 if profile.int8_path(graph) not in faulty),
        half=frozenset(graph for graph in profile.half if profile.half_path(graph) not in faulty),
        residual=profile.residual and faulty.isdisjoint(profile.folder / name for name in RESIDUAL_FILES),
    )


def _joined(outline: Outline, smaller: Outline) -> Outline:
    """Return an outline with what is shared from the smaller profile's."""

    def with_frame(own: dict[str, str], theirs: dict[str, str]) -> dict[str, str]:
        frame = {graph: digest for graph, digest in own.items() if graph == "frame"}
        return {graph: digest for graph, digest in theirs.items() if graph != "frame"} | frame

    return replace(
        outline,
        hashes=with_frame(outline.hashes, smaller.hashes),
        int8_hashes=with_frame(outline.int8_hashes, smaller.int8_hashes),
        half_hashes=with_frame(outline.half_hashes, smaller.half_hashes),
    )


def _graph_files(profile: Profile, outline: Outline) -> list[NamedFile]:
    """Return what both peers must have alike: the graphs, and what residual codes take."""
    paths = {graph: profile.graph_path(graph) for graph in GRAPHS}
    files = [
        NamedFile(path, outline.hashes.get(graph), f"models export {path.parent.name}")
        for graph, path in paths.items()
    ]
    if profile.residual:
        for name in RESIDUAL_FILES:
            path = profile.folder / name
            files.append(
                NamedFile(path, outline.residual_hashes.get(path.stem), _made_by(profile.folder, name))
            )
    return files


def _other_forms(profile: Profile, outline: Outline) -> list[NamedFile]:
    """Return the graphs' forms in 8 bits and in half precision."""
    int8 = {profile.int8_path(graph): outline.int8_hashes[graph] for graph in sorted(profile.int8)}
    half = {profile.half_path(graph): outline.half_hashes[graph] for graph in sorted(profile.half)}
    return [
        NamedFile(path, digest, f"models {command} {path.parent.name}")
        for command, files in (("quantise", int8), ("half", half))
        for path, digest in files.items()
    ]


_TABLES_MADE_BY = "tables fit --profile {}"


def _made_by(folder: Path, name: str) -> str:
    """Return what makes a file of a profile's folder that is no graph."""
    if name == "tables.npz":
        return _TABLES_MADE_BY.format(folder.name)
    return f"models {'residual' if name.startswith('residual') else 'build'} {folder.name}"
