"""Files of arrays (numpy's .npz) as profiles hold them, read as if they came from a stranger: bounded, and without
pickles. Does not know what the arrays mean."""

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from codec.errors import BitstreamError

MAX_FILE_BYTES = 4 << 20  # packed and unpacked
MAX_ARRAYS = 64  # a file can name tens of thousands of empty ones


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
        with warnings.catch_warnings(
            action="ignore"
        ):  # a strange head makes NumPy and Python talk to the user
            return _unpacked(data)
    # The archive's and NumPy's readers are not total: they answer damaged bytes with whatever their code runs into.
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
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    for name, values in arrays.items():
        if not isinstance(values, np.ndarray):  # a member of another sort comes as its bytes
            raise ValueError(f"{name} is no array")
        if values.size > MAX_FILE_BYTES:  # of items that take no bytes there can be any number
            raise ValueError(f"{name} has {values.size} items")
    return arrays
