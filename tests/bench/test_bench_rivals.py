"""H.264's curve, against which a clip's rate is put."""

from typing import Any, cast

import numpy as np
import pytest
from bench_fakes import scene

from bench.clips import Footage
from bench.codecs import CODECS, CRFS, run_codec
from bench.rivals import against_h264


class PixelJudge:
    """Judges by pixels."""

    def lpips(self, originals: list[np.ndarray], rivals: list[list[np.ndarray]]) -> np.ndarray:
        """Return mean absolute differences."""
        return np.array(
            [
                [np.abs(a.astype(float) - b).mean() / 255 for a, b in zip(originals, rival, strict=True)]
                for rival in rivals
            ]
        )


def test_the_curve_is_that_of_the_other_benches_and_the_ratio_is_read_from_it() -> None:
    pictures = scene(10, size=128)
    footage = Footage("one", pictures, 20.0, None)
    coded = {crf: run_codec(CODECS["h264"], pictures, frame_rate=20, crf=crf, keep=range(10)) for crf in CRFS}
    kbps = {crf: 8 * sum(stream.packet_bytes) / 0.5 / 1000 for crf, stream in coded.items()}
    judge = PixelJudge()
    errors = judge.lpips(pictures, [list(coded[CRFS[2]].pictures.values())])[0]
    row = {"payload_kbps": 2.0, "payload_kbps_clip": 4.0}
    why: dict[str, str] = {}
    figures = against_h264(footage, cast(Any, judge), dict(enumerate(errors)), row, why)
    assert [point["crf"] for point in figures["h264"]] == list(CRFS)
    assert [point["payload_kbps"] for point in figures["h264"]] == pytest.approx(list(kbps.values()))
    # As good as the third point is what the third point costs.
    assert figures["h264_kbps"] == pytest.approx(kbps[CRFS[2]])
    assert figures["rate_ratio_h264"] == pytest.approx(kbps[CRFS[2]] / 2)
    assert figures["rate_ratio_h264_clip"] == pytest.approx(kbps[CRFS[2]] / 4)
    assert not why
