"""Whole packets of every kind, made here without any data: what the fuzz bench damages."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from codec.control import Message, encode_control
from codec.encoder import MotionEncoder
from codec.flow import AXES, SIDE, Flow, encode_flow
from codec.flow_packet import attach_flow
from codec.format import MotionFormat
from codec.hello import PROTOCOL_VERSION, Hello
from codec.motion import Motion
from codec.picture import MAX_PICTURE_BYTES, Picture, cut_picture
from codec.predictive_encoder import Capture, PredictiveEncoder
from codec.repair import cut_repair
from codec.residual import CHANNELS, CLASSES, FEATURES, MAP_CONTEXTS, ResidualFormat, encode_residual
from transport import motion_packet
from transport.motion_packet import MotionPacket
from transport.room_messages import Enter, Entered, Left, Meet, Parted, Refused, Tell, Turn, Wanted, write
from transport.sound_packet import Block, Report, SoundPacket, write_packet, write_report

HASH = bytes(range(32))
SECRET = "0123456789abcdef" * 2
HEAD_BYTES = 128  # of a small array in a file: what it is, before its numbers
PRIMED = 3  # the first packets of a motion stream that a decoder is given, so that references are there to be named


def _motions(motion_format: MotionFormat, count: int) -> list[Motion]:
    """Make a face that moves by some steps of the format."""
    rng = np.random.default_rng(1)
    levels = rng.normal(0, 3, (count, len(motion_format.steps))).cumsum(axis=0)
    return [Motion(n[:3], n[3:6], n[6:].reshape(-1, 3)) for n in levels * motion_format.steps]


def motion_packets(motion_format: MotionFormat) -> list[bytes]:
    """Return packets of one stream: predictive first, one by one and in bundles, then static ones of both sorts."""
    motions = _motions(motion_format, 30)
    packets: list[bytes] = []
    if motion_format.prediction is not None:
        encoder, first = PredictiveEncoder(motion_format), 0
        for frames, repeated in ((1, 0), (1, 0), (2, 0), (1, 0), (2, 1), (3, 0), (1, 3), (4, 0)):
            captures = [Capture(motions[n], n / 25) for n in range(first, first + frames)]
            packets.append(encoder.encode(captures, source=first % 4, repeated=repeated, acknowledged=first))
            if first < PRIMED:  # what the decoder has been given
                encoder.acknowledge(round((first + frames - 1) * 60 / 25))
            first += frames
    for rounding in (True, False):
        static = MotionEncoder(motion_format, rounding=rounding)
        for n, keypoints in enumerate((None, motion_format.keypoints // 2, 0)):
            packets.append(static.encode(motions[n], captured_s=n / 25, source=n, keypoints=keypoints))
    return packets


def hello() -> Hello:
    """Return a hello of this version."""
    return Hello(PROTOCOL_VERSION, "laptop-256", HASH, HASH, 256, 25, 5, bytes(16))


def rtp_packets() -> list[bytes]:
    """Return RTP packets with a motion, a report, and both."""
    carried = [MotionPacket(b"motion"), MotionPacket(report=b"report"), MotionPacket(bytes(900), bytes(255))]
    return [motion_packet.write_packet(each, sequence=7, at_s=1.5) for each in carried]


def sound_packets() -> list[bytes]:
    """Return packets of 20 and 60 ms, repeated, of noise; and at the end a report."""
    short, noise = Block(960, 960, bytes([0x48, *range(40)])), Block(1920, 0, b"\x40")
    longer = Block(2880, 2880, bytes([0x58, *range(80)]))
    packets = [(short,), (longer,), (noise,), (short, noise), (noise, longer)]
    written = [write_packet(SoundPacket(number, blocks)) for number, blocks in enumerate(packets)]
    riders = (MotionPacket(bytes(range(30))), MotionPacket(bytes(range(20)), bytes(27)))
    written += [write_packet(SoundPacket(len(written), blocks, riders)) for blocks in packets]
    return [*written, write_report(Report(3, 0.25, 70000))]


def sdp(*, addresses: int) -> str:
    """Return an offer as aiortc writes it, with so many addresses to meet at."""
    candidates = [
        f"a=candidate:{n} 1 udp 2130706431 192.0.2.2 {40000 + n} typ host" for n in range(addresses)
    ]
    lines = [
        "v=0",
        "o=- 3970000000 3970000000 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=msid-semantic:WMS *",
        "m=application 40000 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 192.0.2.2",
        "a=mid:0",
        "a=sctp-port:5000",
        "a=max-message-size:65536",
        *candidates,
        "a=end-of-candidates",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:active",
        "",
    ]
    return "\r\n".join(lines)


def descriptions() -> list[bytes]:
    """Return an offer and answers as they are posted, the last with as many addresses as there may be."""
    offer = {"type": "offer", "sdp": sdp(addresses=1), "secret": SECRET}
    answers = [{"type": "answer", "sdp": sdp(addresses=addresses)} for addresses in (2, 40)]
    return [json.dumps(each).encode() for each in (offer, *answers)]


def room_messages() -> list[bytes]:
    """Return a message of every kind that a room's server and its guests say."""
    messages = (
        Enter("tuesday", SECRET),
        Enter("tuesday", SECRET, "K3MPA9", again=True, opens=True),
        Entered("K3MPA9"),
        Meet(),
        Wanted(),
        Turn(True),
        Tell("offer", sdp(addresses=2)),
        Parted(),
        Left(),
        Refused("The room is full."),
    )
    return [write(message).encode() for message in messages]


def picture_of(side: int) -> Picture:
    """Draw a picture, half of it smooth and half of it noise, uint8 [side, side, 3]."""
    y, x = np.mgrid[0:side, 0:side] * 255 // side
    return np.stack([x, y, (x * y) % 256], axis=-1).astype(np.uint8)


def webp() -> bytes:
    """Return a picture as a side without an AV1 encoder sends it."""
    from PIL import Image

    with tempfile.TemporaryDirectory(prefix="visavis-fuzz-") as folder:
        path = Path(folder) / "picture.webp"
        Image.fromarray(picture_of(64)).save(path)
        return path.read_bytes()


def many_units() -> bytes:
    """Return a file that is all empty AV1 units: nothing to see, and much to read."""
    boxes = ((b"ftyp", b"avif"), (b"meta", b""), (b"mdat", b"\x12\x00" * (MAX_PICTURE_BYTES // 2 - 20)))
    return b"".join((8 + len(body)).to_bytes(4, "big") + name + body for name, body in boxes)


def picture_pieces(picture: bytes, repair: bytes) -> list[bytes]:
    """Return the pieces of some small transfers, so that damaged ones still come together now and then."""
    pieces: list[Message] = []
    for transfer in range(6):
        pieces += cut_picture(picture, transfer=transfer, slot=transfer % 4, piece_bytes=400)
        pieces += cut_repair(repair, transfer=transfer, slot=transfer % 4, piece_bytes=400)
    return [encode_control(piece) for piece in pieces]


def _residual_format() -> ResidualFormat:
    """Make up chances; nothing is learned here, so that the bench needs no profile that has them."""
    rng = np.random.default_rng(2)
    return ResidualFormat(
        rng.integers(1 << 14, 3 << 14, MAP_CONTEXTS).astype(np.uint16),
        rng.integers(-40, 40, (CHANNELS, 2, FEATURES)).astype(np.int16),
        (512 + 1024 * np.arange(CLASSES)).astype(np.uint16),  # the more likely, the higher the score
    )


RESIDUAL = _residual_format()
REPAIRED_SIDE = 64  # cells of a picture of 512


def residual_code(part: int) -> bytes:
    """Return a code of a square, one `part`-th of the picture's side."""
    sent = np.zeros((REPAIRED_SIDE, REPAIRED_SIDE), np.bool_)
    sent[: REPAIRED_SIDE // part, : REPAIRED_SIDE // part] = True
    signs = np.random.default_rng(3).choice(np.array([-1, 1], np.int8), (CHANNELS, *sent.shape))
    return encode_residual(np.asarray(signs * sent, np.int8), RESIDUAL)


def flow_packets(packet: bytes) -> list[bytes]:
    """Return a motion packet without a residual flow, and behind one of zeros, a small and two larger ones."""
    bands = np.add.outer(np.arange(SIDE), np.arange(SIDE))
    noise = np.random.default_rng(4).normal(0, 1, (AXES, SIDE, SIDE))
    flows = [
        Flow(step, (noise * scale * 0.7**bands).astype(np.int16))
        for step, scale in enumerate((0, 4, 20, 100))
    ]
    return [packet, *(attach_flow(packet, encode_flow(flow), source=flow.step) for flow in flows)]


def saved_file(save: Callable[[Path], None]) -> bytes:
    """Return the bytes that `save` writes to the path that it is given."""
    with tempfile.TemporaryDirectory(prefix="visavis-fuzz-") as folder:
        path = Path(folder) / "file.npz"
        save(path)
        return path.read_bytes()


def members_of(file: Path) -> dict[str, bytes]:
    """Return what a file of arrays holds, by name, unpacked."""
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def heads_of(members: dict[str, bytes]) -> list[bytes]:
    """Return each member's head behind a byte that says which one it is."""
    return [bytes([number]) + whole[:HEAD_BYTES] for number, whole in enumerate(members.values())]
