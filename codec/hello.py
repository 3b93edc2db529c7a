"""Hello: what two peers must agree on before a face can cross, and the sentence that says where they do not; and
goodbye. Frozen dataclasses and their bytes behind the type.

Does not know how a hello travels (codec.control) or what a profile is.
"""

import secrets
import struct
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Protocol

from codec.errors import BitstreamError
from codec.fields import check_reason
from codec.format import MotionFormat

PROTOCOL_VERSION = 5
HASH_BYTES = 32
SECRET_BYTES = 16
MAX_PROFILE_BYTES = 64
SLOWEST, FASTEST = 0.01, 655.35  # frames a second

_HELLO_FIELDS = struct.Struct(f">H{HASH_BYTES}s{HASH_BYTES}sHHI{SECRET_BYTES}sB")


class Capability(IntFlag):
    """The bits of a hello's capabilities; numbers are never used again for something else.

    A call is held in order where one side sends so and the other draws so: the motions come as
    `codec.ordered.OrderedMotion`, every one is drawn, in the order of capture and without a clock, and the
    receiver's feedback sets the pace. A receiver that remembers pictures may have a source picture of an earlier call:
    it wants to be offered the hash first (`codec.transfer.PictureOffer`). Who takes riders finds motion packets in the
    packets of sound as well. Who draws flow takes motion packets with a residual flow in front of them
    (`codec.flow_packet`).
    """

    DRAWS_IN_ORDER = 1
    SENDS_IN_ORDER = 2
    DECODES_PREDICTIVE = 4
    REMEMBERS_PICTURES = 8
    TAKES_RIDERS = 16
    DRAWS_FLOW = 32


class HelloMismatch(BitstreamError):
    """Two peers that cannot talk; the message is one sentence with both sides' values and what to do."""


@dataclass(frozen=True)
class Hello:
    """The first message of each side.

    Parameters
    ----------
    version
        The protocol's, 0..65535; `PROTOCOL_VERSION` is ours.
    profile
        The profile's name, 1 to 64 bytes of printable UTF-8.
    graphs_hash, format_hash
        SHA-256 of the profile's graphs and of its MotionFormat.
    picture_size
        Side of the drawn picture in pixels, 1..65535.
    frame_rate
        Frames a second that the sender means to send, 0.01..655.35, kept to a hundredth.
    capabilities
        32 bits, those of `Capability`; unknown ones are ignored.
    resumption_secret
        16 bytes with which a call that lost its line finds its way back.

    Raises
    ------
    ValueError
        For values outside of these ranges.
    """

    version: int
    profile: str
    graphs_hash: bytes
    format_hash: bytes
    picture_size: int
    frame_rate: float
    capabilities: int
    resumption_secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.version <= 0xFFFF:
            raise ValueError(f"a protocol version is 0..65535, not {self.version}")
        if not 1 <= len(self.profile.encode()) <= MAX_PROFILE_BYTES or not self.profile.isprintable():
            raise ValueError(f"a profile's name has 1 to {MAX_PROFILE_BYTES} printable bytes")
        if len(self.graphs_hash) != HASH_BYTES or len(self.format_hash) != HASH_BYTES:
            raise ValueError(f"a hash has {HASH_BYTES} bytes")
        if not 1 <= self.picture_size <= 0xFFFF:
            raise ValueError(f"a picture's side is 1..65535, not {self.picture_size}")
        if not SLOWEST <= self.frame_rate <= FASTEST:
            raise ValueError(f"a frame rate is {SLOWEST}..{FASTEST}, not {self.frame_rate}")
        object.__setattr__(self, "frame_rate", round(self.frame_rate, 2))
        if not 0 <= self.capabilities <= 0xFFFFFFFF:
            raise ValueError(f"capabilities are 32 bits, not {self.capabilities}")
        if len(self.resumption_secret) != SECRET_BYTES:
            raise ValueError(f"a resumption secret has {SECRET_BYTES} bytes")


@dataclass(frozen=True)
class Goodbye:
    """The last message of a side; `reason` is printable, at most 200 bytes, and may be empty. `failed` where the call
    ends because something went wrong there."""

    reason: str
    failed: bool = False

    def __post_init__(self) -> None:
        check_reason(self.reason)


class Profile(Protocol):
    """What a hello says of a profile."""

    @property
    def name(self) -> str: ...

    @property
    def graphs_hash(self) -> bytes: ...

    @property
    def picture_size(self) -> int: ...


def make_hello(profile: Profile, motion_format: MotionFormat, *, frame_rate: float) -> Hello:
    """Say what this side is, with a new secret; a frame rate beyond what can be said is brought to the nearest."""
    return Hello(
        version=PROTOCOL_VERSION,
        profile=profile.name,
        graphs_hash=profile.graphs_hash,
        format_hash=motion_format.hash,
        picture_size=profile.picture_size,
        frame_rate=min(max(frame_rate, SLOWEST), FASTEST),
        capabilities=0,
        resumption_secret=secrets.token_bytes(SECRET_BYTES),
    )


def compare(mine: Hello, theirs: Hello) -> None:
    """Check that two peers can talk; frame rate, capabilities and secret are each side's own.

    Raises HelloMismatch with one sentence for the first difference that matters.
    """
    if mine.version != theirs.version:
        newer = "this side" if mine.version < theirs.version else "the other side"
        raise HelloMismatch(
            f"The other side speaks version {theirs.version} of the protocol and this side version "
            f"{mine.version}: update Visavis on {newer}."
        )
    if mine.profile != theirs.profile:
        raise HelloMismatch(
            f"The other side uses the profile '{theirs.profile}' and this side '{mine.profile}': "
            f"start both with the same --profile."
        )
    if mine.picture_size != theirs.picture_size:
        raise HelloMismatch(
            f"The other side's profile '{theirs.profile}' draws {theirs.picture_size} pixels and this side's "
            f"{mine.picture_size}: install the same version of Visavis on both sides."
        )
    for name, ours, other in (
        ("graphs", mine.graphs_hash, theirs.graphs_hash),
        ("motion tables", mine.format_hash, theirs.format_hash),
    ):
        if ours != other:
            raise HelloMismatch(
                f"The {name} of the profile '{mine.profile}' differ, {other.hex()[:8]} on the other side and "
                f"{ours.hex()[:8]} on this one: install the same version of Visavis on both sides."
            )


def encode_hello(hello: Hello) -> bytes:
    """Return a hello's bytes behind the type."""
    name = hello.profile.encode()
    fields = _HELLO_FIELDS.pack(
        hello.version,
        hello.graphs_hash,
        hello.format_hash,
        hello.picture_size,
        round(hello.frame_rate * 100),
        hello.capabilities,
        hello.resumption_secret,
        len(name),
    )
    return fields + name


def decode_hello(body: bytes) -> Hello:
    """Return the hello; raises BitstreamError, struct.error or ValueError for anything else.

    One of a later version may be longer: what this version knows of it stands where it always stood, so that both
    sides can be named in a mismatch.
    """
    version, graphs, tables, size, rate, capabilities, secret, length = _HELLO_FIELDS.unpack_from(body)
    end = _HELLO_FIELDS.size + length
    if len(body) < end or (len(body) > end and version <= PROTOCOL_VERSION):
        raise BitstreamError(f"a hello of version {version} has {end + 1} bytes, not {len(body) + 1}")
    name = body[_HELLO_FIELDS.size : end].decode()
    return Hello(version, name, graphs, tables, size, rate / 100, capabilities, secret)


def encode_goodbye(goodbye: Goodbye) -> bytes:
    """Return a goodbye's bytes behind the type."""
    return bytes([goodbye.failed]) + goodbye.reason.encode()


def decode_goodbye(body: bytes) -> Goodbye:
    """Return the goodbye; raises BitstreamError or ValueError for anything else."""
    if not body or body[0] > 1:
        raise BitstreamError("a goodbye says with 0 or 1 whether something failed")
    return Goodbye(body[1:].decode(), failed=bool(body[0]))
