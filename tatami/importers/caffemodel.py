"""The weights in a .caffemodel, layer by layer: a binary protobuf message of Caffe's NetParameter.

Only the few fields that are read have a descriptor here (their numbers are those of caffe.proto).
The lists of messages are described as lists of bytes, which is the same on the wire, so that they
are counted before any is opened.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tatami.errors import TatamiError
from tatami.types import Float32

MAX_BYTES = 1 << 29
"""The largest file that is read: VGG-16 has 528 MiB of weights, detectors for small hardware 20."""
MAX_LAYERS = 1 << 14
MAX_BLOBS = 16
"""Of one layer: no layer of Caffe has more than five."""
MAX_AXES = 32
"""Caffe's own bound."""

AGAIN = "copy the file again"

_INT32, _INT64, _FLOAT, _DOUBLE, _BYTES = "INT32", "INT64", "FLOAT", "DOUBLE", "BYTES"
_MESSAGES = {
    "Net": {"layers": (2, _BYTES, True), "layer": (100, _BYTES, True)},
    "Layer": {"name": (1, _BYTES, False), "blobs": (7, _BYTES, True)},
    "Blob": {
        "num": (1, _INT32, False),
        "channels": (2, _INT32, False),
        "height": (3, _INT32, False),
        "width": (4, _INT32, False),
        "data": (5, _FLOAT, True),
        "shape": (7, _BYTES, False),
        "double_data": (8, _DOUBLE, True),
    },
    "BlobShape": {"dim": (1, _INT64, True)},
}
"""Message, field, its number in caffe.proto, its type, and whether it is a list."""


@dataclass(frozen=True)
class Blob:
    """An array of weights.

    The older four numbers num, channels, height, width count as a shape of four.

    Args:
        shape: As the file says it.
        data: As many float32 as the file holds, which may be another count.
    """

    shape: tuple[int, ...]
    data: Float32


def read_caffemodel(path: Path) -> dict[str, tuple[Blob, ...]]:
    """Read the blobs of every layer that has any, by the layer's name.

    Raises:
        TatamiError: For what is no caffemodel, is cut short, too large, of the old kind (V1), or
            holds numbers that are not finite.
        OSError: Where it cannot be opened.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise TatamiError(
            f"the file has {size} bytes, more than {MAX_BYTES}",
            hint="give a smaller network",
            file=path,
        )
    try:
        return _layers(_parse("Net", path.read_bytes()))
    except DecodeError:
        raise TatamiError(
            "the file is not a caffemodel, or is cut short or damaged", hint=AGAIN, file=path
        ) from None
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=path) from error


def _layers(net: Any) -> dict[str, tuple[Blob, ...]]:
    if net.layers:
        raise TatamiError(
            f"the file holds {len(net.layers)} layers of the old kind (V1, 'layers')",
            hint="convert it with Caffe's upgrade_net_proto_binary",
        )
    if not 0 < len(net.layer) <= MAX_LAYERS:
        raise TatamiError(
            f"the file holds {len(net.layer)} layers, not 1 to {MAX_LAYERS}",
            hint="give a .caffemodel",
        )
    found: dict[str, tuple[Blob, ...]] = {}
    for content in net.layer:
        layer = _parse("Layer", content)
        try:
            name = layer.name.decode()
        except UnicodeDecodeError:
            raise TatamiError(
                "the file holds a name that is not UTF-8: it is damaged", hint=AGAIN
            ) from None
        if not layer.blobs:
            continue
        if len(layer.blobs) > MAX_BLOBS:
            raise TatamiError(
                f"layer '{name}' holds {len(layer.blobs)} blobs, more than {MAX_BLOBS}", hint=AGAIN
            )
        if name in found:
            raise TatamiError(
                f"two layers with weights are called '{name}'", hint="give each its own name"
            )
        found[name] = tuple(_blob(name, blob) for blob in layer.blobs)
    return found


def _blob(layer: str, content: bytes) -> Blob:
    blob = _parse("Blob", content)
    if blob.data and blob.double_data:
        raise TatamiError(f"layer '{layer}' holds a blob in two precisions", hint=AGAIN)
    shape = (blob.num, blob.channels, blob.height, blob.width)
    if blob.HasField("shape"):
        shape = tuple(_parse("BlobShape", blob.shape).dim)
    if len(shape) > MAX_AXES or min(shape, default=1) < 0:
        raise TatamiError(
            f"layer '{layer}' holds a blob of the impossible shape {shape[:MAX_AXES]}", hint=AGAIN
        )
    with np.errstate(over="ignore"):  # what is too large for float32 is refused below
        data = np.array(blob.data or blob.double_data, np.float32)
    if len(data) != math.prod(shape):
        raise TatamiError(
            f"layer '{layer}' holds a blob of {len(data)} numbers, whose shape {shape} needs "
            f"{math.prod(shape)}",
            hint=AGAIN,
        )
    if not np.isfinite(data).all():
        raise TatamiError(
            f"layer '{layer}' holds a NaN or an infinity",
            hint="take an earlier snapshot of the training",
        )
    return Blob(shape, data)


def _file() -> Any:
    """Make the descriptor of the messages above."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="caffemodel.proto", package="caffemodel", syntax="proto2"
    )
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, (number, kind, many) in fields.items():
            described.field.add(
                name=name,
                number=number,
                type=kinds.Type.Value(f"TYPE_{kind}"),
                label=kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL,
            )
    return file


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_file().SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"caffemodel.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _classes()


def _parse(message: str, content: bytes) -> Any:
    return _CLASSES[message].FromString(content)
