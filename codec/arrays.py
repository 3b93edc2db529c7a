"""Files of arrays (numpy's .npz) as profiles hold them, read as if they came from a stranger: bounded, and without
pickles. Does not know what the arrays mean."""

import io
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from codec.errors import BitstreamError

MAX_FILE_BYTES = 4 << 20  # packed and unpacked


def load_arrays(path: Path | str) -> dict[str, npt.NDArray[Any]]:
    """Return a file's arrays by name.

    Raises BitstreamError for anything but such a file of at most 4 MiB, and OSError for one that cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise BitstreamError(f"{path} has more than {MAX_FILE_BYTES} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
        size = sum(member.file_size for member in members)
        if size > MAX_FILE_BYTES:
            raise BitstreamError(f"{path} unpacks to {size} bytes")
        # NumPy writes no others, and others fail in ways of their own.
        if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
            raise BitstreamError(f"{path} is packed in an unknown way")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, KeyError, TypeError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BitstreamError(f"{path} is damaged: {error}") from error
    except (zipfile.BadZipFile, zlib.error, struct.error, MemoryError, OverflowError) as error:
        raise BitstreamError(f"{path} is damaged: {error}") from error
    except (SyntaxError, tokenize.TokenError) as error:  # of a header that NumPy reads as Python
        raise BitstreamError(f"{path} is damaged: {error}") from error
