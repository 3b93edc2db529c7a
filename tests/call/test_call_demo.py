"""What the demo says of its film: no figure without the time that it was counted over."""

import numpy as np
import pytest

from call import demo
from call.h264 import Coded

FIGURES = {
    "frames_in": 150,
    "frames_fresh": 150,
    "fresh_share": 1.0,
    "fresh_fps": 30.0,
    "payload_bytes_per_frame": 12.5,
    "motion_kbps": 3.0,
    "source_bytes": 10_000,
    "payload_kbps": 3.27,
    "wire_kbps_forward": 29.0,
    "wire_kbps_back": 7.0,
    "latency_ms_p50": 60.0,
    "latency_ms_p95": 90.0,
    "cpu_cores": 1.0,
    "rss_mb": 400.0,
}


@pytest.fixture
def rival() -> Coded:
    return Coded([np.zeros((2, 2, 3), np.uint8)], 13.0, 51)


def test_the_table_counts_the_source_picture_in_the_clip_as_well_as_h264s_key_frame_is(rival: Coded) -> None:
    rows = dict(demo.table(FIGURES, rival))
    assert rows["both, the picture over five minutes"] == "3.3 kbit/s"
    assert rows["both, the picture in this clip"] == "19.0 kbit/s"  # 3 and 80 kbit in 5 s
    assert rows["H.264, its key frame in this clip"] == "13.0 kbit/s (CRF 51)"


def test_each_film_says_over_which_time_its_rate_is(rival: Coded) -> None:
    said = dict(demo.titles(FIGURES, rival))
    assert said["Redrawn"].endswith("3.3 kbit/s over five minutes")
    assert "13.0 kbit/s in this clip" in said["H.264"]
