"""Profiles as a call sees them: a folder with exported graphs, tables and a few numbers. Knows no network."""

import hashlib
import importlib.util
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

GRAPHS = ("locate", "source", "motion", "frame")
# What residual codes take, where a profile has them: two graphs, and the chances by which codes are coded.
RESIDUAL_FILES = ("residual_encode.onnx", "residual_decode.onnx", "residual.npz")


class ProfileError(Exception):
    """A profile that is not there, or not whole; its text is a sentence for the user."""


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
        raise ProfileError("The profiles are not installed: install visavis again.")
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
            None if cost is None else Cost(**cost),
            {name: float(value) for name, value in table.get("quality", {}).items()},
            str(table["shares"]) if "shares" in table else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProfileError(f"{path} is damaged ({error}); install visavis again.") from None


def load_profile(name_or_folder: str, *, needs_tables: bool = True) -> Profile:
    """Read a profile by its name, or from a folder of one's own; only fitting its tables does without them.

    Raises:
        ProfileError: no such profile, one that is not built, a damaged profile.toml, graphs or tables that are missing
            or not those that the profile was built with.
    """
    folder = Path(name_or_folder)
    if not (folder / "profile.toml").is_file():
        folder = profiles_folder() / name_or_folder
        if "/" in name_or_folder or not (folder / "profile.toml").is_file():
            known = ", ".join(list_built_profiles()) or "none"
            raise ProfileError(f"There is no profile {name_or_folder!r}; installed are: {known}.")
    outline = outline_profile(folder)
    name = outline.name
    if not outline.built:
        built = ", ".join(list_built_profiles()) or "none"
        raise ProfileError(
            f"The profile {name} is not built: it has sizes but no weights yet. Built are: {built}."
        )
    shared = None
    if outline.shares is not None:
        smaller = outline_profile(profiles_folder() / outline.shares)
        if smaller.shares is not None:
            raise ProfileError(f"{folder / 'profile.toml'} shares with {smaller.name}, which itself shares.")
        shared = Shared(smaller.name, profiles_folder() / outline.shares, smaller.picture_size)
        outline = _joined(outline, smaller)
    profile = Profile(
        name,
        folder,
        outline.picture_size,
        outline.keypoints,
        b"",
        frozenset(outline.int8_hashes),
        frozenset(outline.half_hashes),
        bool(outline.residual_hashes),
        shared,
    )
    total = hashlib.sha256()
    for graph in GRAPHS:
        file = profile.graph_path(graph)
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError:
            raise ProfileError(
                f"The profile {name} lacks its graph {file}; install visavis again, or export it with "
                f"`visavis models export {name}`."
            ) from None
        if digest != outline.hashes.get(graph):
            raise ProfileError(
                f"The graph {file} is damaged or of another version: its SHA-256 is not the one in profile.toml."
            )
        total.update(bytes.fromhex(digest))
    if outline.residual_hashes:
        total.update(_residual_digest(outline, folder))
    for graph, expected in outline.int8_hashes.items():
        file = profile.int8_path(graph)
        if int8_digest(file) != expected:
            raise ProfileError(
                f"{file} or its .bin is missing, damaged or of another version; install visavis again, or make it "
                f"with `visavis models quantise {name}`."
            )
    for graph, expected in outline.half_hashes.items():
        file = profile.half_path(graph)
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise ProfileError(
                f"{file} is missing, damaged or of another version; install visavis again, or make it with "
                f"`visavis models half {name}`."
            )
    if needs_tables and not profile.format_path.is_file():
        raise ProfileError(f"The profile {name} lacks its tables; fit them with `visavis tables fit`.")
    return replace(profile, graphs_hash=total.digest())


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


def _residual_digest(outline: Outline, folder: Path) -> bytes:
    """Return the SHA-256s of what residual codes take; raises ProfileError where it is not what the toml says."""
    digests = b""
    for name in RESIDUAL_FILES:
        file = folder / name
        digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
        if digest != outline.residual_hashes.get(file.stem):
            raise ProfileError(
                f"{file} is missing, damaged or of another version; install visavis again, or make it with "
                f"`visavis models residual {outline.name}`."
            )
        digests += bytes.fromhex(digest)
    return digests


def int8_digest(path: Path) -> str:
    """Return the SHA-256 of an 8-bit graph's .xml and .bin; empty where one is missing."""
    try:
        return hashlib.sha256(path.read_bytes() + path.with_suffix(".bin").read_bytes()).hexdigest()
    except OSError:
        return ""
