import warnings
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.tables import GROUP_STEPS, expression_steps_of


def test_a_saved_format_is_the_same_format(motion_format, tmp_path):
    motion_format.save(tmp_path / "tables.npz")
    loaded = MotionFormat.load(tmp_path / "tables.npz")
    assert loaded.hash == motion_format.hash
    assert len(loaded.hash) == 32
    loaded.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "tables.npz").read_bytes()


def test_every_part_of_a_format_changes_its_hash(motion_format):
    tables = motion_format.tables.copy()
    tables[7, :2] += np.array([1, -1], dtype=np.int64).astype(np.uint16)
    others = [
        replace(motion_format, rotation_step=0.5),
        replace(motion_format, translation_step=0.5),
        replace(motion_format, expression_steps=motion_format.expression_steps * 2),
        replace(motion_format, tables=motion_format.exact_tables),
        replace(motion_format, exact_tables=motion_format.tables),
        replace(motion_format, prediction=None),
        *(
            replace(motion_format, prediction=replace(motion_format.prediction, **{name: changed}))
            for name, changed in changed_parts(motion_format.prediction).items()
        ),
    ]
    assert len({other.hash for other in [motion_format, *others]}) == 13


def changed_parts(prediction):
    tables = prediction.tables.astype(int)
    tables[3, :2] += [1, -1] if tables[3, 1] > 1 else [-1, 1]
    return {
        "basis": -prediction.basis,
        "steps": prediction.steps + 1,
        "origin": prediction.origin + 1,
        "rates": prediction.rates % 1000 + 1,
        "contexts": 63 - prediction.contexts,
        "tables": tables,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"basis": np.zeros((60, 59), dtype=int)},
        {"basis": np.full((60, 60), 20000)},
        {"basis": np.zeros((60, 60))},
        {"steps": np.zeros(66, dtype=int)},
        {"steps": np.ones(65, dtype=int)},
        {"origin": np.full(66, 1 << 21)},
        {"rates": np.zeros((9, 66), dtype=int)},
        {"contexts": np.full((66, 9, 4, 6), 64)},
        {"tables": np.full((64, 64), 1023)},
    ],
)
def test_a_prediction_that_cannot_code_is_refused(motion_format, change):
    with pytest.raises(ValueError, match="prediction"):
        replace(motion_format.prediction, **change)


def test_a_prediction_for_other_keypoints_is_refused(motion_format):
    with pytest.raises(ValueError, match="keypoints"):
        MotionFormat(
            0, 0.25, 2**-8, np.zeros((0, 3)), *([np.full((12, 256), 256)] * 2), motion_format.prediction
        )


@pytest.mark.parametrize(
    "change",
    [
        {"keypoints": 19},
        {"keypoints": 32},
        {"rotation_step": 0.3},
        {"translation_step": 0.0},
        {"translation_step": float("nan")},
        {"expression_steps": np.full(20, 0.5)},
        {"expression_steps": np.full((20, 3), 0.7)},
        {"tables": np.zeros((132, 256), dtype=np.uint16)},
        {"tables": np.full((132, 256), 256.0)},
        {"exact_tables": np.full((131, 256), 256)},
        {"completion": np.zeros((60, 59), dtype=np.int16)},
        {"completion": np.zeros((60, 60))},
        {"completion": np.eye(60, dtype=np.int16)},
    ],
)
def test_a_format_that_cannot_code_is_refused(motion_format, change):
    with pytest.raises(ValueError, match=r"must|format|steps are|completion"):
        replace(motion_format, **change)


@settings(max_examples=60)
@given(position=st.integers(0, 2**30), value=st.integers(1, 255), length=st.integers(0, 2**30))
def test_a_damaged_file_is_a_bitstream_error_or_a_valid_format(
    motion_format, tmp_path_factory, position, value, length
):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    motion_format.save(path)
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= value
    for damaged in (bytes(data), bytes(data[: length % len(data)])):
        path.write_bytes(damaged)
        try:
            assert MotionFormat.load(path).keypoints == 20
        except BitstreamError:
            continue


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_file_that_is_packed_in_another_way_is_a_bitstream_error(tmp_path, packing):
    with zipfile.ZipFile(tmp_path / "tables.npz", "w", packing) as archive:
        archive.writestr("tables.npy", bytes(1000))
    with pytest.raises(BitstreamError, match="unknown way"):
        MotionFormat.load(tmp_path / "tables.npz")


def test_a_file_whose_directory_points_before_its_beginning_is_a_bitstream_error(motion_format, tmp_path):
    path = tmp_path / "tables.npz"
    motion_format.save(path)
    path.write_bytes(path.read_bytes()[40_000:])
    with pytest.raises(BitstreamError, match="damaged"):
        MotionFormat.load(path)


def npy(kind: str, shape: str) -> bytes:
    """Return a head of numpy's, padded as numpy pads it, and no numbers behind it."""
    head = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little") + head.encode()


@pytest.mark.parametrize(
    "array",
    [
        b"no array at all",
        npy("()", "(60, 60)"),
        npy("[()]", "(60, 60)"),
        npy("None", "(60, 60)"),
        npy("'|O'", "(60, 60)"),
        npy("'<u2'", "(-1, 60)"),
        npy("'|V0'", "(1000000000000000000, 3)"),
        npy("'|u1'", "(1000000000000000,)"),
        npy("'|u1'", f"({10**30},)"),
        npy("(" * 40 + ")" * 40, "()"),
    ],
    ids=range(10),
)
def test_an_array_that_is_none_in_a_file_that_is_whole_is_a_bitstream_error(motion_format, tmp_path, array):
    path = tmp_path / "tables.npz"
    motion_format.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for damaged in members:
        with zipfile.ZipFile(path, "w") as archive:
            for name, whole in members.items():
                archive.writestr(name, array if name == damaged else whole)
        with pytest.raises(BitstreamError, match="damaged"):
            MotionFormat.load(path)


@pytest.mark.parametrize(
    "array",
    [
        npy("'<f8'", "(0L,)"),  # as Python 2 wrote it
        npy("'a4'", "()") + bytes(4),
        npy("'<f8'", "(1if 1else(),)"),
        npy(r"'\d'", "()"),
        npy("'<f8'", "(20, 3)") + np.full((20, 3), 1e300).tobytes(),
        npy("'<c16'", "()") + np.full((), 1 + 1j).tobytes(),
        npy("'<c16'", "(20, 3)") + np.full((20, 3), 1 + 1j).tobytes(),
    ],
    ids=["Python 2's", "old name", "stuck number", "unknown escape", "large", "complex", "complex steps"],
)
def test_whatever_a_file_holds_nothing_of_it_is_printed(motion_format, tmp_path, array):
    path = tmp_path / "tables.npz"
    motion_format.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with warnings.catch_warnings(record=True, action="always") as printed:
        for damaged in members:
            with zipfile.ZipFile(path, "w") as archive:
                for name, whole in members.items():
                    archive.writestr(name, array if name == damaged else whole)
            with suppress(BitstreamError):
                MotionFormat.load(path)
    assert [str(each.message) for each in printed] == []


def test_a_file_of_very_many_arrays_is_a_bitstream_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "tables.npz", "w") as archive:
        for number in range(65):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(BitstreamError, match="65 arrays"):
        MotionFormat.load(tmp_path / "tables.npz")


@pytest.mark.parametrize("where", ["file", "arrays"])
def test_a_file_of_too_many_bytes_is_a_bitstream_error(tmp_path, where):
    path = tmp_path / "tables.npz"
    if where == "file":
        path.write_bytes(bytes((4 << 20) + 1))
    else:
        np.savez_compressed(path, tables=np.zeros(4 << 20, np.uint8))
    with pytest.raises(BitstreamError, match="bytes"):
        MotionFormat.load(path)


@given(st.binary(max_size=300))
def test_a_file_of_any_bytes_is_a_bitstream_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    path.write_bytes(data)
    with pytest.raises(BitstreamError):
        MotionFormat.load(path)


def test_default_steps_follow_the_groups_and_are_coarser_in_depth():
    steps = expression_steps_of({"eyes": (1, 2), "mouth": (0,)})
    assert steps.shape == (3, 3)
    assert steps[0, 0] == GROUP_STEPS["mouth"]
    assert steps[1, 0] == GROUP_STEPS["eyes"]
    assert (steps[:, 2] > steps[:, 0]).all()


@pytest.mark.parametrize("groups", [{"mouth": (0, 2)}, {"mouth": (0, 0)}, {"ears": (0,)}])
def test_groups_that_are_incomplete_or_unknown_are_refused(groups):
    with pytest.raises(ValueError, match="groups"):
        expression_steps_of(groups)
