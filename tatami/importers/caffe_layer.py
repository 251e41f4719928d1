"""What every rule of Caffe's layers has at hand: the layer, the network so far, and its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tatami.errors import TatamiError
from tatami.importers.build import Builder
from tatami.importers.caffemodel import Blob
from tatami.importers.prototxt import Message
from tatami.importers.ssd_tail import Detector, Priors
from tatami.ops.window import Axis
from tatami.types import Float32

CORRECT = "correct the text"
BY_ONNX = "leave it out if it does not matter here, or bring the network by way of ONNX"


@dataclass(frozen=True)
class Layer:
    """One layer of the prototxt.

    Args:
        name: Its name.
        type: Its type.
        bottoms: The blobs that it reads.
        tops: The blobs that it makes.
        message: All that the file says of it.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    message: Message


class Network:
    """The network so far.

    ``values`` has, for each blob that layers have made, the value that holds it now: a layer may
    work in place, and then the blob's name stands for another value afterwards. ``priors`` has the
    blobs that hold an SSD's anchors, ``detector`` what its last layer says.

    Args:
        builder: The ONNX model in the making.
        caffemodel: The file of the weights.
        blobs: The weights of each layer.
    """

    def __init__(self, builder: Builder, caffemodel: Path, blobs: dict[str, tuple[Blob, ...]]):
        self.builder = builder
        self.caffemodel = caffemodel
        self.blobs = blobs
        self.weighted: set[str] = set()
        self.values: dict[str, str] = {}
        self.unused: dict[str, None] = {}  # blobs that no layer has taken: in the end the outputs
        self.priors: dict[str, tuple[Priors, ...]] = {}  # blobs that hold anchors
        self.detector: Detector | None = None

    def weights(self, layer: Layer, *shapes: tuple[int, ...]) -> list[Float32]:
        """Give the layer's blobs, which must have these shapes; sides of 1 are not compared.

        Raises:
            TatamiError: For a layer without blobs, or with others.
        """
        blobs = self.blobs.get(layer.name, ())
        counts = [math.prod(shape) for shape in shapes]
        if layer.name in self.weighted:
            raise layer.message.wrong(
                f"a second layer is called '{layer.name}'", "give each its own name"
            )
        self.weighted.add(layer.name)
        if [len(blob.data) for blob in blobs] != counts:
            found = " and ".join(str(len(blob.data)) for blob in blobs) or "no"
            expected = " and ".join(map(str, counts))
            raise TatamiError(
                f"layer '{layer.name}' has {found} numbers in the file, where line "
                f"{layer.message.line} of {layer.message.file.name} needs {expected}",
                hint="give the prototxt and the caffemodel of one network",
                file=self.caffemodel,
            )
        for blob, shape in zip(blobs, shapes, strict=True):
            if [side for side in blob.shape if side != 1] != [side for side in shape if side != 1]:
                raise TatamiError(
                    f"layer '{layer.name}' has a blob of shape {blob.shape}, where line "
                    f"{layer.message.line} of {layer.message.file.name} needs {shape}",
                    hint="give the prototxt and the caffemodel of one network",
                    file=self.caffemodel,
                )
        return [blob.data.reshape(shape) for blob, shape in zip(blobs, shapes, strict=True)]


@dataclass(frozen=True)
class Rule:
    """How a type of layer is added.

    Args:
        add: Adds it and gives the name of its value, or of all; None for what makes no value.
        parameters: Its own members.
        min_bottoms: The fewest bottoms it takes.
        max_bottoms: The most bottoms it takes.
        max_tops: The most tops it has.
    """

    add: Callable[[Network, Layer, list[str]], str | tuple[str, ...] | None]
    parameters: tuple[str, ...] = ()
    min_bottoms: int = 1
    max_bottoms: int = 1
    max_tops: int = 1


MANY = 1 << 10


def window_axes(said: Message) -> tuple[Axis, Axis]:
    """Read rows and columns of a convolution's window, in each of Caffe's ways to say it."""
    kernels = pair(said, "kernel_size", "kernel", None)
    strides = pair(said, "stride", "stride", 1)
    pads = pair(said, "pad", "pad", 0)
    dilations = numbers(said, "dilation", 1)
    rows, columns = (
        Axis(kernel, stride, pad, pad, dilation)
        for kernel, stride, pad, dilation in zip(kernels, strides, pads, dilations, strict=True)
    )
    return rows, columns


def pair(said: Message, name: str, prefix: str, default: int | None) -> tuple[int, int]:
    """Read (rows, columns): one number for both or a list of two, or else ``_h`` and ``_w``."""
    row, column = f"{prefix}_h", f"{prefix}_w"
    if not said.has(row) and not said.has(column):
        return numbers(said, name, default)
    if said.has(name):
        raise said.wrong(f"'{said.name}' says both '{name}' and '{row}' or '{column}'", CORRECT)
    if prefix != "pad" and not (said.has(row) and said.has(column)):
        raise said.wrong(f"'{said.name}' says only one of '{row}' and '{column}'", CORRECT)
    return said.integer(row, 0), said.integer(column, 0)


def numbers(said: Message, name: str, default: int | None) -> tuple[int, int]:
    """Read (rows, columns), said as one number or as a list of two."""
    found = said.integers(name)
    if len(found) > 2 or (not found and default is None):
        raise said.wrong(f"'{said.name}' says '{name}' {len(found)} times", "say it once or twice")
    if not found:
        assert default is not None
        return default, default
    return found[0], found[-1]


def axis_of(said: Message, name: str, default: int, rank: int) -> int:
    """Read an axis of a value, a negative one counted from the end."""
    axis = said.integer(name, default)
    if not -rank <= axis < rank:
        raise said.wrong(f"'{name}' is {axis}, where there are {rank} axes", CORRECT)
    return axis % rank


def channels_of(network: Network, layer: Layer, value: str) -> int:
    """Give the length of axis 1."""
    shape = network.builder.shape(value)
    if len(shape) < 2:
        raise layer.message.wrong(
            f"layer '{layer.name}' works on the channels of a value of shape {shape}", CORRECT
        )
    return shape[1]


def only(said: Message, name: str, known: int) -> None:
    """Check that a member says only what is Caffe's default."""
    value = said.integer(name, known)
    if value != known:
        raise said.wrong(f"'{name}' is {value}, where Tatami knows {known}", BY_ONNX)
