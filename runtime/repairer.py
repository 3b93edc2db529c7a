"""The repairer: a picture and its redrawn one -> codes, and codes -> the redrawn picture, corrected.

What the sender and the receiver share of residual codes, as `runtime.talker` is what they share of drawing. Its two
graphs are small and run once a second at most, so OpenVINO runs them on the CPU whatever draws the faces: both sides
then correct the same way. Knows nothing of bytes, or of when a picture needs a repair.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.engine import Graph, as_input, compile_openvino
from runtime.geometry import Floats
from runtime.profile import Profile, ProfileError
from runtime.talker import Picture

CELL = 8  # pixels of a cell's side
# What is above it is sent. In training it is a half; coded, signs cost little more than half of the bits that training
# counts, so that more is worth them.
SIGNIFICANT = 0.2


@dataclass(frozen=True)
class Residual:
    """What would repair a picture, before it is decided which cells are sent."""

    signs: NDArray[np.int8]  # [32, S/8, S/8], each -1 or 1
    significance: Floats  # [S/8, S/8] in [0, 1]

    def codes(self, *, within: NDArray[np.bool_] | None = None, most: int | None = None) -> NDArray[np.int8]:
        """Return the signs [32, S/8, S/8] of the cells to send, 0 elsewhere: the significant ones.

        within: bool [S/8, S/8], only some of these. most: only the most significant of them, so many.
        """
        significance = self.significance if within is None else np.where(within, self.significance, 0)
        sent = significance > SIGNIFICANT
        if most is not None and np.count_nonzero(sent) > most:
            order = np.argsort(-significance, axis=None, kind="stable")
            sent = np.zeros_like(sent)
            sent.flat[order[:most]] = True
        return self.signs * sent


class Repairer:
    """Runs the residual graphs of a profile; each method may be called from any thread."""

    def __init__(self, encode: Graph, decode: Graph, *, picture_size: int) -> None:
        self._encode, self._decode = encode, decode
        self.picture_size = picture_size

    @property
    def side(self) -> int:
        """Cells of a picture's side."""
        return self.picture_size // CELL

    def residual_encode(self, picture: Picture, redrawn: Picture) -> Residual:
        """Describe what a redrawn picture lacks of the camera's; both uint8 [S, S, 3]."""
        for one in (picture, redrawn):
            self._check(one, (self.picture_size, self.picture_size, 3), np.uint8)
        out = self._encode({"difference": as_input(picture) - as_input(redrawn)})
        return Residual(out["signs"][0].astype(np.int8), out["significance"][0, 0])

    def residual_decode(self, codes: NDArray[np.int8]) -> Floats:
        """Return the correction [S, S, 3] that codes [32, S/8, S/8] stand for, in pictures' units of 0 to 1.

        It is zero wherever a cell was not sent.
        """
        self._check(codes, (codes.shape[0], self.side, self.side), np.int8)
        signs = codes[None].astype(np.float32)
        kept = np.abs(signs[:, :1])
        return self._decode({"signs": signs, "kept": kept})["correction"][0].transpose(1, 2, 0)

    def repair(self, redrawn: Picture, codes: NDArray[np.int8]) -> Picture:
        """Return a redrawn picture with what its codes say added, uint8 [S, S, 3]."""
        self._check(redrawn, (self.picture_size, self.picture_size, 3), np.uint8)
        values = redrawn + 255 * self.residual_decode(codes)
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)

    @staticmethod
    def _check(array: NDArray[Any], shape: tuple[int, ...], dtype: type) -> None:
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{np.dtype(dtype)} {shape} was wanted, not {array.dtype} {array.shape}")


def load_repairer(profile: Profile) -> Repairer:
    """Compile a profile's residual graphs.

    Raises:
        ProfileError: a profile that has none.
        EngineError: a graph that does not compile.
    """
    if not profile.residual:
        raise ProfileError(
            f"The profile {profile.name} has no residual codes: its pictures are repaired by new source pictures alone."
        )
    graphs = [compile_openvino(profile, graph) for graph in ("residual_encode", "residual_decode")]
    return Repairer(*graphs, picture_size=profile.picture_size)
