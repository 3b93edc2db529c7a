"""Conventional codecs behind one interface, and a rival's curve."""

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.bd_rate import bd_rate
from bench.clips import read_video
from bench.codecs import CODECS, Point, rate_at, run_codec
from bench.errors import BenchError
from bench.metrics.basic import psnr
from call.h264 import supplement_bytes
from tests.patience import PATIENCE_S


def test_the_curve_is_straight_in_log_rate_and_ends_where_it_ends() -> None:
    curve = [Point(20, 400, 0.02), Point(30, 100, 0.06), Point(40, 50, 0.2)]
    assert rate_at(curve, 0.02) == pytest.approx(400)
    assert rate_at(curve, 0.04) == pytest.approx(200)
    assert rate_at(curve, 0.13) == pytest.approx((100 * 50) ** 0.5)
    assert rate_at(curve, 0.01) is None
    assert rate_at(curve, 0.21) is None


@pytest.fixture(scope="module")
def faces(face_clip: Path) -> list[np.ndarray]:
    """A face, 128 x 128."""
    return read_video(face_clip, size=128)[0][:12]


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_gives_back_each_frame_at_once_and_pays_for_quality(
    name: str, faces: list[np.ndarray]
) -> None:
    codec = CODECS[name]
    fine, coarse = (run_codec(codec, faces, frame_rate=25, crf=crf, keep={0, 11}) for crf in (30, 45))
    assert len(fine.packet_bytes) == len(faces)
    assert min(fine.packet_bytes) > 0
    assert fine.pictures.keys() == {0, 11}
    assert sum(coarse.packet_bytes) < 0.7 * sum(fine.packet_bytes)
    assert psnr(faces[11], fine.pictures[11]) > psnr(faces[11], coarse.pictures[11]) > 15
    # The right frame, not its neighbour.
    assert psnr(faces[11], fine.pictures[11]) > psnr(faces[0], fine.pictures[11])


def test_a_codec_that_waits_for_later_frames_is_refused(faces: list[np.ndarray]) -> None:
    from dataclasses import replace

    slow = replace(CODECS["h264"], options={"preset": "medium"})
    with pytest.raises(BenchError, match="holds frames back"):
        run_codec(slow, faces, frame_rate=25, crf=30, keep=set())


def test_what_x264_says_of_itself_is_not_counted() -> None:
    note = b"\0\0\0\1\x06\x05" + b"x264" * 100
    picture = b"\0\0\1\x65\x88\x84"
    assert supplement_bytes(note + picture) == len(note) - 1
    assert supplement_bytes(picture) == 0


def test_h265_saves_bits_against_h264(face_clip: Path) -> None:
    pictures = read_video(face_clip)[0]
    curves = []
    for name in ("h264", "h265"):
        streams = [
            (run_codec(CODECS[name], pictures, frame_rate=25, crf=crf, keep={20})) for crf in (24, 30, 36)
        ]
        curves.append(
            [(float(sum(each.packet_bytes)), psnr(pictures[20], each.pictures[20])) for each in streams]
        )
    assert -60 < bd_rate(*curves) < -5


@pytest.mark.parametrize("which", ["face_clip", "val_clip"])
def test_x264_agrees_with_the_ffmpeg_command(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("ffmpeg is not installed: apt install ffmpeg")
    pictures, rate = read_video(request.getfixturevalue(which), size=256)
    pictures = pictures[:40]
    raw, coded = tmp_path / "clip.rgb", tmp_path / "clip.264"
    raw.write_bytes(b"".join(np.ascontiguousarray(picture).tobytes() for picture in pictures))
    command = f"{program} -v error -f rawvideo -pix_fmt rgb24 -s 256x256 -r {rate} -i {raw} -pix_fmt yuv420p"
    options = "-c:v libx264 -preset medium -tune zerolatency -bf 0 -crf 34 -threads 1"
    note = "-bsf:v filter_units=remove_types=6 -f h264"
    subprocess.run([*f"{command} {options} {note}".split(), str(coded)], check=True, timeout=PATIENCE_S)
    ours = run_codec(CODECS["h264"], pictures, frame_rate=rate, crf=34, keep=set())
    assert sum(ours.packet_bytes) == pytest.approx(coded.stat().st_size, rel=0.01)


def test_the_codecs_agree_on_colours() -> None:
    red = np.full((64, 64, 3), (200, 40, 40), np.uint8)
    picture = cv2.GaussianBlur(red, (0, 0), 3)
    for codec in CODECS.values():
        stream = run_codec(codec, [picture] * 3, frame_rate=25, crf=codec.qualities[0], keep={2})
        assert np.abs(stream.pictures[2].astype(int) - picture).mean() < 6, codec.name
