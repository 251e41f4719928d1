"""TensorBoard's event files, read back by Google's own reader of protocol buffers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tatami.train.events import EventFile, crc32c, record

FIELDS = {
    "Event": [
        ("wall_time", 1, "DOUBLE", ""),
        ("step", 2, "INT64", ""),
        ("file_version", 3, "STRING", ""),
        ("summary", 5, "MESSAGE", "Summary"),
        ("session_log", 7, "MESSAGE", "SessionLog"),
    ],
    "Summary": [("value", 1, "MESSAGE", "Value")],
    "Value": [("tag", 1, "STRING", ""), ("simple_value", 2, "FLOAT", "")],
    "SessionLog": [("status", 1, "INT32", "")],
}
"""What event.proto and summary.proto of TensorFlow say, as far as it is used."""


def event_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="t", syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, other in fields:
            type_ = getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind}")
            label = 3 if field == "value" else 1  # repeated, or not
            one = message.field.add(name=field, number=number, type=type_, label=label)
            if other:
                one.type_name = f".t.{other}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Event"))


def unmasked(masked: int) -> int:
    """As TensorFlow's crc32c.h undoes the mask."""
    rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


def records(content: bytes) -> Iterator[bytes]:
    while content:
        length, crc = struct.unpack("<QI", content[:12])
        assert unmasked(crc) == crc32c(content[:8])
        event, (of_event,) = (
            content[12 : 12 + length],
            struct.unpack_from("<I", content, 12 + length),
        )
        assert unmasked(of_event) == crc32c(event)
        yield event
        content = content[16 + length :]


def events(file: Path) -> list[Any]:
    read = event_class()
    return [read.FromString(one) for one in records(file.read_bytes())]


@pytest.mark.parametrize(
    ("content", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_the_checksums_of_rfc_3720(content: bytes, crc: int) -> None:
    assert crc32c(content) == crc


def test_a_record_as_tensorflow_writes_it() -> None:
    """The first bytes of every event file of TensorFlow: a length and its checksum."""
    event = b"\x09\x00\x00\x80\x38\x62\xa3\xd6\x41\x1a\x0dbrain.Event:2"
    assert record(event)[:12] == b"\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7f\x4b\x22"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with EventFile(tmp_path / "new") as file:
        file.add(300, {"train/loss": 1.5, "train/learning_rate": 0.25})
        file.add(301, {"train/loss": float("nan")})
    (path,) = (tmp_path / "new").iterdir()
    assert path.name.startswith("events.out.tfevents.")
    first, begun, row, last = events(path)
    assert first.file_version == "brain.Event:2"
    assert (begun.step, begun.session_log.status) == (300, 1)
    assert row.step == 300
    assert row.wall_time > 1e9
    values = {one.tag: one.simple_value for one in row.summary.value}
    assert values == {"train/loss": 1.5, "train/learning_rate": 0.25}
    assert last.step == 301
    assert last.summary.value[0].simple_value != last.summary.value[0].simple_value


def test_a_resumed_training_has_a_later_file(tmp_path: Path) -> None:
    for step in (0, 7):
        with EventFile(tmp_path) as file:
            file.add(step, {"train/loss": 1.0})
    first, second = sorted(tmp_path.iterdir())
    assert [events(file)[-1].step for file in (first, second)] == [0, 7]
