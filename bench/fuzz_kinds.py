"""What the fuzz bench throws at each decoder: how whole packets are damaged, and the decoder as it stands in a call. It
counts nothing and times nothing."""

from __future__ import annotations

import random
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.fuzz_seeds import (
    HEAD_BYTES,
    PRIMED,
    REPAIRED_SIDE,
    RESIDUAL,
    descriptions,
    flow_packets,
    heads_of,
    hello,
    many_units,
    members_of,
    motion_packets,
    picture_of,
    picture_pieces,
    residual_code,
    room_messages,
    rtp_packets,
    saved_file,
    sound_packets,
    webp,
)
from bench.messages import MESSAGES
from codec.control import decode_control, encode_control
from codec.decoder import MotionDecoder
from codec.errors import BitstreamError
from codec.flow import decode_flow
from codec.flow_packet import detach_flow
from codec.format import MotionFormat
from codec.hello import Hello, compare
from codec.packet import MAX_PACKET_BYTES
from codec.picture import MAX_PICTURE_BYTES, MAX_SIDE, PictureAssembler, decode_picture, encode_picture
from codec.repair import Repair, decode_repair, encode_repair
from codec.residual import MAX_CODE_BYTES, ResidualFormat, decode_residual
from codec.transfer import PicturePiece, ResidualPiece
from transport import motion_packet
from transport import room_messages as rooms
from transport.description import Description
from transport.errors import TransportError
from transport.pin import certificate_of
from transport.sound_packet import SoundPacketError, read_packet, read_report

RANDOM_SHARE = 0.2  # of the cases: bytes that were never a packet
MOST_CHANGES = 4
RENEWED = 50  # packets after which it is a new one: a damaged time takes it away from all references


@dataclass(frozen=True)
class Kind:
    """Packets of one kind and what reads them.

    Parameters
    ----------
    share
        Of all cases. Slow decoders have a small one, so that a million cases take minutes.
    seeds
        Whole packets.
    longest
        Bytes of a case at most.
    decode
        Returns, or raises `refuses`; anything else is a fault.
    """

    name: str
    share: float
    seeds: Sequence[bytes]
    longest: int
    decode: Callable[[bytes], object]
    refuses: type[Exception] = BitstreamError

    def cases(self, count: int, seed: int) -> Iterator[bytes]:
        """Yield so many cases, the same for the same seed."""
        draw = random.Random(f"{self.name} {seed}")
        for _ in range(count):
            if draw.random() < RANDOM_SHARE:
                yield draw.randbytes(draw.randint(0, min(self.longest, 300)))
            else:
                yield damaged(draw, self.seeds)[: self.longest]


def damaged(draw: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds with one to four changes: bits, bytes, pieces lost, doubled, or from another seed."""
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.randint(1, MOST_CHANGES)):
        at, far = draw.randint(0, len(data)), draw.randint(1, 16)
        match draw.randrange(7):
            case 0 if data:
                data[at - 1] ^= 1 << draw.randrange(8)
            case 1 if data:
                data[at - 1] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
            case 2:
                del data[at:]
            case 3:
                del data[at : at + far]
            case 4:
                data[at:at] = draw.randbytes(far)
            case 5:
                data[at:at] = data[at : at + far] * draw.randint(1, 8)
            case _:
                other = draw.choice(seeds)
                data[at:] = other[draw.randint(0, len(other)) :]
    return bytes(data)


def make_kinds(motion_format: MotionFormat) -> list[Kind]:
    """Return every kind; the shares' sum is 1."""
    picture, packet = encode_picture(picture_of(64)), motion_packets(motion_format)[-1]
    repairs = [encode_repair(Repair(packet, residual_code(part))) for part in (8, 1)]
    pictures = [picture, encode_picture(picture_of(MAX_SIDE), quality=5), webp(), many_units()]
    sounds, arrays = sound_packets(), ArrayTarget(motion_format)
    return [
        Kind(
            "motion", 0.25, motion_packets(motion_format), MAX_PACKET_BYTES + 9, MotionTarget(motion_format)
        ),
        Kind(
            "control", 0.25, [encode_control(message) for message in MESSAGES.values()], 1109, decode_control
        ),
        Kind("hello", 0.1, [encode_control(hello())], 1109, _compare_hello),
        Kind("sound", 0.1, sounds[:-1], 1209, read_packet, SoundPacketError),
        Kind("flow", 0.02, flow_packets(packet), MAX_PACKET_BYTES + 9, _decode_flow),
        Kind("rtp", 0.08, rtp_packets(), 1221, motion_packet.read_packet, motion_packet.MotionPacketError),
        Kind("report", 0.05, sounds[-1:], 64, read_report, SoundPacketError),
        Kind("pieces", 0.08, picture_pieces(picture, repairs[0]), 1109, PiecesTarget()),
        Kind("room", 0.03, room_messages(), rooms.MAX_MESSAGE_BYTES, _read_room_message, TransportError),
        Kind("description", 0.017, descriptions(), 1 << 16, _read_description, TransportError),
        Kind("repair", 0.004, repairs, MAX_CODE_BYTES + 1200, _decode_repair),
        Kind("picture", 0.01, pictures, MAX_PICTURE_BYTES + 9, decode_picture),
        Kind("format", 0.003, [saved_file(motion_format.save)], 1 << 18, FileTarget(MotionFormat.load)),
        Kind("chances", 0.003, [saved_file(RESIDUAL.save)], 1 << 18, FileTarget(ResidualFormat.load)),
        Kind("array", 0.003, arrays.seeds, 2 * HEAD_BYTES, arrays),
    ]


class MotionTarget:
    """A motion decoder that has some packets behind it, and now and then is a new one."""

    def __init__(self, motion_format: MotionFormat) -> None:
        self._format = motion_format
        self._good = motion_packets(motion_format)[:PRIMED]
        self._count = 0
        self._renew()

    def __call__(self, packet: bytes) -> object:
        self._count += 1
        if self._count % RENEWED == 0:
            self._renew()
        return self._decoder.decode(packet)

    def _renew(self) -> None:
        self._decoder = MotionDecoder(self._format)
        for packet in self._good:
            self._decoder.decode(packet)


class PiecesTarget:
    """The pieces of pictures and repairs, as they come over the reliable channel; it is never a new one."""

    def __init__(self) -> None:
        self._pictures, self._repairs = PictureAssembler(), PictureAssembler()

    def __call__(self, data: bytes) -> object:
        match decode_control(data):
            case PicturePiece() as piece:
                return self._pictures.add(piece)
            case ResidualPiece(piece):
                return self._repairs.add(piece)
            case message:
                return message


class FileTarget:
    """A file as a profile holds it."""

    def __init__(self, load: Callable[[Path], object]) -> None:
        self._load = load
        self._folder = tempfile.TemporaryDirectory(prefix="visavis-fuzz-")
        self._path = Path(self._folder.name) / "file.npz"

    def __call__(self, data: bytes) -> object:
        self._path.write_bytes(data)
        return self._load(self._path)


class ArrayTarget:
    """A file of arrays whose packing is whole, and one of its arrays is not: a checksum keeps `FileTarget` from most of
    that. A case is a byte that names the array, and what stands in the place of its head."""

    def __init__(self, motion_format: MotionFormat) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="visavis-fuzz-")
        self._path = Path(self._folder.name) / "file.npz"
        motion_format.save(self._path)
        self._members = members_of(self._path)
        self.seeds = heads_of(self._members)

    def __call__(self, data: bytes) -> object:
        damaged = list(self._members)[data[0] % len(self._members)] if data else ""
        with zipfile.ZipFile(self._path, "w") as archive:
            for name, whole in self._members.items():
                archive.writestr(name, data[1:] + whole[HEAD_BYTES:] if name == damaged else whole)
        return MotionFormat.load(self._path)


def _read_room_message(data: bytes) -> object:
    return rooms.read(data.decode(errors="replace"))


def _read_description(data: bytes) -> object:
    return certificate_of(Description.from_json(data))


def _compare_hello(data: bytes) -> object:
    message = decode_control(data)
    if isinstance(message, Hello):
        compare(hello(), message)
    return message


def _decode_flow(data: bytes) -> object:
    packet, attached = detach_flow(data)
    return packet if attached is None else decode_flow(attached.code)


def _decode_repair(data: bytes) -> object:
    return decode_residual(decode_repair(data).code, RESIDUAL, side=REPAIRED_SIDE)
