"""Files of arrays (numpy's .npz) as profiles hold them, read as if they came from a stranger: bounded, silent, and of
numbers alone. Does not know what the arrays mean.

NumPy's own reader evaluates an array's head as Python, warns the user of strange ones and makes room for whatever they
say; of all that it reads, only what NumPy writes for numbers is taken here.
"""

import io
import math
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from codec.errors import BitstreamError

MAX_FILE_BYTES = 4 << 20  # packed and unpacked
MAX_ARRAYS = 64  # a file can name tens of thousands of empty ones

_MAGIC = b"\x93NUMPY\x01\x00"
_HEAD = re.compile(
    rb"\{'descr': '(\|b1|\|[iu]1|<[iu][248]|<f[248])', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,7}, ?){0,3}\d{0,7})\), \} *\n"
)


def load_arrays(path: Path | str) -> dict[str, npt.NDArray[Any]]:
    """Return a file's arrays by name.

    Raises BitstreamError for anything but such a file of at most 4 MiB and 64 arrays, and OSError for one that cannot
    be read.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise BitstreamError(f"{path} has more than {MAX_FILE_BYTES} bytes")
    try:
        return _unpacked(data)
    # The archive's reader is not total: it answers damaged bytes with whatever its code runs into.
    except Exception as error:
        raise BitstreamError(f"{path} is damaged: {error}") from error


def _unpacked(data: bytes) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise ValueError(f"it holds {len(members)} arrays, more than {MAX_ARRAYS}")
        size = sum(member.file_size for member in members)
        if size > MAX_FILE_BYTES:
            raise ValueError(f"it unpacks to {size} bytes, more than {MAX_FILE_BYTES}")
        # NumPy writes no others, and some of them unpack to more than they say.
        if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
            raise ValueError("it is packed in an unknown way")
        return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}


def _array(data: bytes) -> npt.NDArray[Any]:
    """Return the array that a member holds (NumPy's format, version 1.0)."""
    begins = len(_MAGIC) + 2
    ends = begins + int.from_bytes(data[len(_MAGIC) : begins], "little")
    head = _HEAD.fullmatch(data[begins:ends])
    if not data.startswith(_MAGIC) or head is None:
        raise ValueError("one of its members is no array of numbers")
    descr, fortran, sides = head.groups()
    dtype = np.dtype(descr.decode())
    shape = tuple(int(side) for side in sides.split(b",") if side.strip())
    if len(data) - ends != math.prod(shape) * dtype.itemsize:
        raise ValueError("one of its arrays is longer or shorter than it says")
    values = np.frombuffer(data, dtype, offset=ends)
    return values.reshape(shape, order="F" if fortran == b"True" else "C").copy(order="K")
