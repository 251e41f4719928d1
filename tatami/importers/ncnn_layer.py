"""What every rule of ncnn's layers has at hand: the network so far, and its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tatami.importers.build import Builder
from tatami.importers.ncnn_bin import Weights
from tatami.importers.ncnn_param import Layer
from tatami.importers.ssd_tail import Detector, Priors
from tatami.types import Decoding

BY_ONNX = "bring the network by way of ONNX"
NOT_GIVEN = -233
"""A side that is not said, or a scale that is another blob."""
MANY = 1 << 10


class Network:
    """The network so far.

    ``values`` has the value that holds each blob, ``unused`` those that no layer has taken yet,
    ``detection`` what Yolov3DetectionOutput says, and ``maps`` the blobs that it decodes.

    ``priors`` has the blobs that hold an SSD's anchors, ``detector`` what its last layer says.

    Args:
        builder: The ONNX model in the making.
        weights: The file of the weights.
    """

    def __init__(self, builder: Builder, weights: Weights) -> None:
        self.builder = builder
        self.weights = weights
        self.values: dict[str, str] = {}
        self.unused: dict[str, None] = {}
        self.detection: Decoding | None = None
        self.maps: tuple[str, ...] = ()
        self.priors: dict[str, tuple[Priors, ...]] = {}
        self.detector: Detector | None = None


@dataclass(frozen=True)
class Rule:
    """How a type of layer is added.

    Args:
        add: Adds it and gives the name of its value, or of all; None for what makes no value.
        parameters: The ids that are known.
        min_bottoms: The fewest bottoms it takes.
        max_bottoms: The most bottoms it takes.
        max_tops: The most tops it has.
    """

    add: Callable[[Network, Layer, list[str]], str | tuple[str, ...] | None]
    parameters: tuple[int, ...] = ()
    min_bottoms: int = 1
    max_bottoms: int = 1
    max_tops: int = 1


def channels_of(network: Network, layer: Layer, value: str) -> int:
    """Give the length of a blob's slowest axis, which is what ncnn scales along."""
    shape = network.builder.shape(value)
    if len(shape) < 2:
        raise layer.wrong(f"works on the channels of a value of shape {shape}")
    return shape[1]


def axis_of(network: Network, layer: Layer, value: str, axis: int) -> int:
    """Translate ncnn's axis, which counts from after the pictures' axis, or from the end."""
    rank = len(network.builder.shape(value)) - 1
    if not -rank <= axis < rank:
        raise layer.wrong(f"works along axis {axis} of {rank}")
    return axis % rank + 1


def check_count(layer: Layer, identity: int, needed: int) -> None:
    """Check that the number of weights that a layer states is what its shapes need."""
    said = layer.integer(identity, 0)
    if said != needed:
        raise layer.wrong(f"says {said} weights, where its shapes need {needed}")


def refuse(layer: Layer, identity: int, what: str) -> None:
    """Refuse a parameter that may only be 0 or left out."""
    if layer.integer(identity, 0) != 0:
        raise layer.wrong(f"has {what} ({identity}={layer.integer(identity, 0)})", BY_ONNX)


def part_of(layer: Layer, identity: int, default: float) -> float:
    """Read a threshold: a part of one."""
    value = layer.real(identity, default)
    if not 0 <= value <= 1:
        raise layer.wrong(f"has a threshold {value:g}, which is not between 0 and 1")
    return float(f"{value:.7g}")  # bits of float32 as the number that was meant
