"""Which points the rate-distortion bench measures: the rows of MEASURES.md, whole and for a quick look. It knows names
and settings; it measures nothing."""

from __future__ import annotations

from dataclasses import dataclass

from bench.codecs import CODECS
from bench.rd_ours import HEADLINE, MODES

FROZEN = "frozen"
ANCHORS = ("h264", "h265")
QUICK_QUALITIES = {"h264": (27, 34, 41, 48), "h265": (27, 34, 41, 48), "vp9": (45, 60), "av1": (45, 60)}
QUICK_MODES = (
    HEADLINE,
    "ours_flow",
    "ours_gallery",
    "ours_repaired",
    "ours_adaptive",
    "ours_static",
    "ours_static_exact",
)
QUICK_SETTINGS: dict[str, tuple[int | None, ...]] = {"ours_flow": (500, 2000), "ours_gallery": (1, 4)}
QUICK_CLIPS = 3
QUICK_FRAMES = 5


@dataclass(frozen=True)
class Row:
    """A codec, and the settings of its points: CRF, K' (None for all keypoints, or as the mode chooses), pictures in
    the gallery, or bytes a second of residual flow."""

    name: str
    heading: str
    settings: tuple[int | None, ...]

    @property
    def ours(self) -> bool:
        """Say whether it is one of ours."""
        return self.name in MODES


@dataclass(frozen=True)
class Reference:
    """A message size from a paper: bits only, as nobody here draws from it. Bytes a frame, after entropy coding."""

    name: str
    heading: str
    bytes_mean: float
    bytes_min: float
    bytes_max: float


# face-vid2vid (Wang et al., CVPR 2021), supplement, table 6; the two other methods' messages coded with its scheme.
REFERENCES = (
    Reference("fs_vid2vid", "fs-vid2vid, the paper's figure", 231.42, 158, 599),
    Reference("fomm", "FOMM, the paper's figure", 171.09, 159, 210),
    Reference("face_vid2vid", "face-vid2vid, 20 keypoints, the paper's figure", 84.44, 78, 104),
    Reference("face_vid2vid_adaptive", "face-vid2vid, adaptive, the paper's figure", 53.03, 25, 102),
)


def choose_rows(*, quick: bool) -> tuple[Row, ...]:
    """Return the rows in the order of the tables."""
    frozen = Row(FROZEN, "frozen source picture", (None,))
    if quick:
        modes = [Row(name, MODES[name].heading, QUICK_SETTINGS.get(name, (None,))) for name in QUICK_MODES]
        codecs = [Row(name, CODECS[name].heading, crfs) for name, crfs in QUICK_QUALITIES.items()]
    else:
        modes = [Row(mode.name, mode.heading, tuple(mode.coding)) for mode in MODES.values()]
        codecs = [Row(codec.name, codec.heading, codec.qualities) for codec in CODECS.values()]
    return (frozen, *modes, *codecs)
