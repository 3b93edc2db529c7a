"""Files of arrays: what NumPy writes of numbers is read as NumPy reads it, and nothing else is."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from codec.arrays import load_arrays
from codec.errors import BitstreamError

HEAD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
DTYPES = st.sampled_from(["|b1", "|u1", "|i1", "<u2", "<i2", "<i4", "<u8", "<f2", "<f4", "<f8"]).map(np.dtype)


def write(path: Path, head: str, body: bytes, *, version: bytes = b"\x01\x00") -> Path:
    data = b"\x93NUMPY" + version + len(head).to_bytes(2, "little") + head.encode() + body
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("values.npy", data)
    return path


@given(
    values=st_np.arrays(DTYPES, st_np.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)),
    turned=st.booleans(),
)
def test_what_numpy_writes_is_read(
    values: np.ndarray, turned: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "values.npz"
    np.savez_compressed(path, values=values.T if turned else values, other=np.arange(3))
    read = load_arrays(path)
    assert list(read) == ["values", "other"]
    with np.load(path) as wanted:
        for name, each in read.items():
            assert each.dtype == wanted[name].dtype
            assert each.shape == wanted[name].shape
            assert each.tobytes() == wanted[name].tobytes()
            assert each.flags.writeable


def test_a_head_by_hand_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", HEAD + "   \n", np.float32([1, 2]).tobytes())
    assert load_arrays(path)["values"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (HEAD.replace("(2,)", "(100000000000,)"), bytes(8)),  # 400 GB, if anybody made room for them
        (HEAD.replace("(2,)", "(9999999, 9999999, 9999999)"), bytes(8)),
        (HEAD.replace("(2,)", "(3,)"), bytes(8)),
        (HEAD.replace("(2,)", "(1,)"), bytes(8)),
        (HEAD.replace("(2,)", "(-2,)"), bytes(8)),
        (HEAD.replace("(2,)", "(2L,)"), bytes(8)),  # as Python 2 wrote it
        (HEAD.replace("<f4", "|O"), bytes(8)),
        (HEAD.replace("<f4", "<U2"), bytes(16)),
        (HEAD.replace("<f4", "<c8"), bytes(16)),
        (HEAD.replace("'<f4'", "[('a', '<f4')]"), bytes(8)),
        (HEAD.replace("False", "0"), bytes(8)),
        ("", bytes(8)),
    ],
)
def test_other_heads_are_refused(tmp_path: Path, head: str, body: bytes) -> None:
    with pytest.raises(BitstreamError, match="is damaged"):
        load_arrays(write(tmp_path / "a.npz", head + "\n", body))


def test_other_members_and_versions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BitstreamError, match="no array of numbers"):
        load_arrays(write(tmp_path / "a.npz", HEAD + "\n", bytes(8), version=b"\x02\x00"))
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("notes.txt", "numbers")
    with pytest.raises(BitstreamError, match="no array of numbers"):
        load_arrays(tmp_path / "b.npz")
    array = io.BytesIO()
    np.save(array, np.arange(3))
    (tmp_path / "c.npz").write_bytes(array.getvalue())
    with pytest.raises(BitstreamError, match="is damaged"):
        load_arrays(tmp_path / "c.npz")
