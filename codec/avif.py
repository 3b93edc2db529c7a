"""The little of AVIF that our own source pictures use, read before any decoder sees a byte.

An AVIF file of ours is `ftyp`, `meta`, `mdat`, and its `mdat` is one AV1 still: a sequence header with the
reduced still-picture header and one frame. Anything else, tracks and sequences above all, could make a
demuxer or a decoder allocate or work without bound, so it is refused. Does not know pixels. Sources:
ISO/IEC 14496-12 section 4.2 (boxes), the AV1 specification sections 5.3 (OBUs) and 5.5 (sequence header).
"""

from codec.errors import BitstreamError

_BRAND = b"ftypavif"
_BOXES = (b"ftyp", b"meta", b"mdat")

_SEQUENCE_HEADER, _TEMPORAL_DELIMITER, _METADATA, _FRAME = 1, 2, 5, 6
_MOST_UNITS = 8  # ours have four at most; 256 kB of empty ones would take as long as many pictures


def is_avif(data: bytes) -> bool:
    """Tell whether a file says of itself that it is AVIF."""
    return data[4:12] == _BRAND


def still_of(data: bytes) -> tuple[bytes, int, int]:
    """Return an AVIF file's AV1 stream, its width and its height in pixels, each 1..65536.

    Raises BitstreamError for anything but one still picture stored as our encoder stores it.
    """
    names: list[bytes] = []
    payload, offset = b"", 0
    while offset < len(data) and len(names) <= len(_BOXES):
        size, name = int.from_bytes(data[offset : offset + 4], "big"), data[offset + 4 : offset + 8]
        if size < 8 or offset + size > len(data):
            raise BitstreamError("a box of an AVIF file ends outside of it")
        if name == b"mdat":
            payload = data[offset + 8 : offset + size]
        names.append(name)
        offset += size
    if tuple(names) != _BOXES:
        raise BitstreamError("an AVIF file holds something else than one still picture")
    return payload, *_dimensions(payload)


def _dimensions(stream: bytes) -> tuple[int, int]:
    """Return width and height of a stream of one sequence header and one frame."""
    headers, frames, units, offset = [], 0, 0, 0
    while offset < len(stream):
        units += 1
        if units > _MOST_UNITS:
            raise BitstreamError(f"a still picture has at most {_MOST_UNITS} AV1 units")
        header = stream[offset]
        kind = header >> 3 & 15
        if header & 0b10000111 != 0b10:  # no forbidden bit, no extension, with its size, nothing reserved
            raise BitstreamError("an AV1 unit has an unknown header")
        size, offset = _leb128(stream, offset + 1)
        if offset + size > len(stream):
            raise BitstreamError("an AV1 unit ends outside of its stream")
        if kind == _SEQUENCE_HEADER:
            headers.append(stream[offset : offset + size])
        elif kind == _FRAME:
            frames += 1
        elif kind not in (_TEMPORAL_DELIMITER, _METADATA):
            raise BitstreamError(f"an AV1 unit of type {kind} has no place in a still picture")
        offset += size
    if len(headers) != 1 or frames != 1:
        raise BitstreamError(f"a still picture has one header and one frame, not {len(headers)} and {frames}")
    return _sequence_dimensions(headers[0])


def _sequence_dimensions(header: bytes) -> tuple[int, int]:
    bits = f"{int.from_bytes(header, 'big'):0{8 * len(header)}b}"
    # seq_profile 3, still_picture 1, reduced_still_picture_header 1, seq_level_idx 5, then the sizes of the
    # sizes
    if len(bits) < 18 or bits[3:5] != "11":
        raise BitstreamError("an AV1 sequence header is not that of a still picture")
    width_bits, height_bits = int(bits[10:14], 2) + 1, int(bits[14:18], 2) + 1
    if len(bits) < 18 + width_bits + height_bits:
        raise BitstreamError("an AV1 sequence header is too short")
    width, height = bits[18 : 18 + width_bits], bits[18 + width_bits : 18 + width_bits + height_bits]
    return int(width, 2) + 1, int(height, 2) + 1


def _leb128(data: bytes, offset: int) -> tuple[int, int]:
    """Return a number of at most four bytes of seven bits, and the offset behind it."""
    value = 0
    for index in range(4):
        if offset + index >= len(data):
            break
        byte = data[offset + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, offset + index + 1
    raise BitstreamError("an AV1 unit's size is damaged")
