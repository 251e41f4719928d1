"""The reader of flatbuffers against Google's writer, and against bytes that nobody wrote."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.importers.flatbuffer import flexbuffer_map, root

flatbuffers = pytest.importorskip("flatbuffers", reason="Google's writer is not here")
flexbuffers = pytest.importorskip("flatbuffers.flexbuffers")


def written(whole: int, byte: int, real: float, text: str, numbers: list[int], twins: int) -> bytes:
    """A table of: 0 int32, 1 int8, 2 float32, 4 string, 5 int32 vector, 6 vector of tables, each
    with its number in field 0. Field 3 is left out."""
    b = flatbuffers.Builder(0)
    children = []
    for number in range(twins):
        b.StartObject(1)
        b.PrependInt32Slot(0, number, -1)
        children.append(b.EndObject())
    b.StartVector(4, twins, 4)
    for child in reversed(children):
        b.PrependUOffsetTRelative(child)
    tables = b.EndVector()
    string = b.CreateString(text)
    vector = b.CreateNumpyVector(np.array(numbers, np.int32)) if numbers else None
    b.StartObject(7)
    b.PrependInt32Slot(0, whole, 0)
    b.PrependInt8Slot(1, byte, 0)
    b.PrependFloat32Slot(2, real, 0.0)
    b.PrependUOffsetTRelativeSlot(4, string, 0)
    if vector is not None:
        b.PrependUOffsetTRelativeSlot(5, vector, 0)
    b.PrependUOffsetTRelativeSlot(6, tables, 0)
    b.Finish(b.EndObject(), file_identifier=b"TEST")
    return bytes(b.Output())


int32 = st.integers(-(2**31), 2**31 - 1)
contents = st.builds(
    written,
    int32,
    st.integers(-128, 127),
    st.floats(width=32, allow_nan=False),
    st.text(max_size=20),
    st.lists(int32, max_size=5),
    st.integers(0, 4),
)


@given(
    int32,
    st.integers(-128, 127),
    st.floats(width=32, allow_nan=False),
    st.text(max_size=20),
    st.lists(int32, max_size=5),
    st.integers(0, 4),
)
def test_it_reads_what_another_program_wrote(whole, byte, real, text, numbers, twins):
    table = root(written(whole, byte, real, text, numbers, twins), b"TEST")
    assert table.integer(0, "int32") == whole
    assert table.integer(1, "int8") == byte
    assert table.real(2) == real
    assert table.integer(3, "int32", 7) == 7
    assert table.integer(99, "int32", 8) == 8
    assert table.text(4) == text
    assert table.numbers(5, "int32").tolist() == numbers
    assert [child.integer(0, "int32", -1) for child in table.tables(6, 10)] == list(range(twins))


def walk(data: bytes) -> None:
    """Ask for every field in every way."""
    table = root(data, b"TEST")
    for field in range(8):
        table.integer(field, "int32")
        table.integer(field, "uint64")
        table.real(field)
        table.flag(field)
        table.text(field)
        table.numbers(field, "int64")
        for child in table.tables(field, 50):
            child.text(0)
        child = table.table(field)
        if child is not None:
            child.numbers(0, "uint8")


@given(contents, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_bytes_are_read_or_refused(data, changes):
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    with contextlib.suppress(TatamiError):
        walk(bytes(damaged))


@given(st.binary(max_size=80))
@example(b"")
@example(struct.pack("<I4s", 4, b"TEST"))
def test_any_bytes_are_read_or_refused(data):
    for content in (data, data[:4] + b"TEST" + data[4:]):
        with contextlib.suppress(TatamiError):
            walk(content)


def test_more_tables_than_are_asked_for_are_refused():
    table = root(written(1, 1, 1.0, "a", [], 4), b"TEST")
    with pytest.raises(TatamiError, match="lists 4 things, more than 3"):
        table.tables(6, 3)


def test_another_kind_of_file_is_named():
    with pytest.raises(TatamiError, match="does not say TFL3"):
        root(written(1, 1, 1.0, "a", [], 0), b"TFL3")


@given(
    st.dictionaries(
        st.text("abcdefgh_", min_size=1, max_size=12),
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(-1e30, 1e30),  # the writer fails beside float32's largest
            st.text(max_size=5),
        ),
        max_size=8,
    )
)
def test_a_flexbuffer_gives_its_numbers(content):
    found = flexbuffer_map(bytes(flexbuffers.Dumps(content)))
    assert found == {key: value for key, value in content.items() if not isinstance(value, str)}


@given(
    st.binary(max_size=60),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4),
)
@example(b"", [])
def test_any_flexbuffer_is_read_or_refused(noise, changes):
    whole = bytearray(flexbuffers.Dumps({"x_scale": 10.0, "classes": 90, "regular": True}))
    for place, value in changes:
        whole[place % len(whole)] = value
    for data in (noise, bytes(whole)):
        try:
            found = flexbuffer_map(data)
        except TatamiError:
            continue
        assert all(isinstance(value, int | float) for value in found.values())
