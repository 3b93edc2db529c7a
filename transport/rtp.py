"""The fixed header of RTP's packets (RFC 3550, section 5.1), as our own streams have it: without padding, extension and
contributing sources. What stands behind it, and what its time counts, is not known here."""

import struct
from typing import NamedTuple

VERSION = 0x80
SEQUENCE_CYCLE, TIME_CYCLE = 1 << 16, 1 << 32

_HEADER = struct.Struct(">BBHII")
HEADER_BYTES = _HEADER.size


class Header(NamedTuple):
    """A packet's payload type, its number modulo 2^16, its time modulo 2^32, and its stream."""

    kind: int
    sequence: int
    time: int
    source: int


def write_header(header: Header) -> bytes:
    """Return a header's 12 bytes."""
    return _HEADER.pack(VERSION, *header)


def read_header(data: bytes) -> Header | None:
    """Return the header that at least 12 bytes begin with, None where it is of another kind."""
    version, *fields = _HEADER.unpack_from(data)
    return Header(*fields) if version == VERSION else None
