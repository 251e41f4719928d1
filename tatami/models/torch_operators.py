"""Torch's operators as an exported file holds them: the node, its inputs and its shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


def tensors(args: Sequence[Any]) -> Iterator[Tensor]:
    """Walk the tensors among an operator's arguments, those in lists too."""
    for one in args:
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, (tuple, list)):
            yield from tensors(one)


ALIASES = ("clone", "detach", "alias", "lift_fresh")
"""Operators that a file does not hold."""


@dataclass(frozen=True)
class Row:
    """Say how a file holds one of torch's operators.

    Args:
        kind: The node, or what tells it from the operator's arguments.
        shape: Of what it makes, from its arguments; None where torch itself is asked, which for
            most operators would load its compiler.
        reads: The node's inputs, in their order.
        outputs: How many values torch's operator makes, of which the file holds the first.
    """

    kind: str | Callable[[Any], str]
    shape: Callable[[Any], Sequence[int]] | None
    reads: Callable[[Any], list[Tensor | float]]
    outputs: int = 1


def _first(args: Any) -> list[Tensor | float]:
    return [args[0]]


def _first_two(args: Any) -> list[Tensor | float]:
    return list(args[:2])


def _all(args: Any) -> list[Tensor | float]:
    return list(tensors(args))


def _same(args: Any) -> Sequence[int]:
    return tuple(args[0].shape)


def _joint(args: Any) -> Sequence[int]:
    """Broadcast."""
    shapes = [tuple(one.shape) if isinstance(one, Tensor) else () for one in args[:2]]
    axes = max(map(len, shapes))
    padded = [(1,) * (axes - len(shape)) + shape for shape in shapes]
    return [max(pair) for pair in zip(*padded, strict=True)]


def _joined(args: Any) -> Sequence[int]:
    parts, axis = args[0], args[1] if len(args) > 1 else 0
    sides = list(parts[0].shape)
    sides[axis] = sum(part.shape[axis] for part in parts)
    return sides


def _convolved(args: Any) -> Sequence[int]:
    x, weight, _, strides, pads, dilations, transposed, more, groups = args
    sides = []
    for axis in range(2):
        length, span = x.shape[2 + axis], dilations[axis] * (weight.shape[2 + axis] - 1)
        if transposed:
            sides.append((length - 1) * strides[axis] - 2 * pads[axis] + span + more[axis] + 1)
        else:
            sides.append((length + 2 * pads[axis] - span - 1) // strides[axis] + 1)
    return (len(x), weight.shape[1] * groups if transposed else len(weight), *sides)


def _pooled(args: Sequence[Any], dilated: bool) -> Sequence[int]:
    """Of a pool: (x, kernel, strides, pads), perhaps dilations, and whether it rounds up."""
    given = [*args, *((), 0)[max(0, len(args) - 2) :]]
    kernel, pads = _twice(given[1]), _twice(given[3])
    strides = _twice(given[2]) if given[2] else kernel
    rest = given[4:]
    dilations = _twice(rest.pop(0)) if dilated and rest else (1, 1)
    rounds_up = bool(rest and rest[0])
    sides = []
    for axis in range(2):
        length = args[0].shape[2 + axis]
        room = length + 2 * pads[axis] - dilations[axis] * (kernel[axis] - 1) - 1
        places = (-(-room // strides[axis]) if rounds_up else room // strides[axis]) + 1
        beyond = rounds_up and (places - 1) * strides[axis] >= length + pads[axis]
        sides.append(places - 1 if beyond else places)
    return (*args[0].shape[:2], *sides)


def _twice(sides: Any) -> tuple[int, int]:
    """Read a number, or a list of one or two, for rows and columns."""
    found = [sides] if isinstance(sides, int) else list(sides)
    return found[0], found[-1]


def _lengths(args: Any) -> Sequence[int]:
    """Of a norm along some axes, which stay with one sample."""
    return [1 if axis in args[2] else side for axis, side in enumerate(args[0].shape)]


ROWS: dict[str, Row] = {
    **{
        name: Row(kind, _same, _first)
        for name, kind in (
            *(("relu", "Relu"), ("leaky_relu", "LeakyRelu"), ("sigmoid", "Sigmoid")),
            *(("tanh", "Tanh"), ("exp", "Exp"), ("hardtanh", "Clip"), ("clamp", "Clip")),
        )
    },
    **{name: Row(name.capitalize(), _joint, _first_two) for name in ("add", "sub", "mul", "div")},
    **{
        name: Row(kind, None, _first)
        for name, kind in (
            *(("slice", "Slice"), ("view", "Reshape"), ("_unsafe_view", "Reshape")),
            *(("permute", "Transpose"), ("transpose", "Transpose"), ("constant_pad_nd", "Pad")),
        )
    },
    "convolution": Row(
        lambda args: "ConvTranspose" if args[6] else "Conv",
        _convolved,
        lambda args: [one for one in args[:3] if one is not None],
    ),
    "native_batch_norm": Row("BatchNormalization", _same, lambda args: list(args[:5]), 3),
    "max_pool2d_with_indices": Row("MaxPool", lambda args: _pooled(args, True), _first, 2),
    "avg_pool2d": Row("AveragePool", lambda args: _pooled(args, False), _first),
    "upsample_nearest2d": Row("Resize", lambda args: (*args[0].shape[:2], *args[1]), _first),
    "upsample_bilinear2d": Row("Resize", lambda args: (*args[0].shape[:2], *args[1]), _first),
    "cat": Row("Concat", _joined, _all),
    "mm": Row("MatMul", lambda args: (len(args[0]), args[1].shape[1]), _first_two),
    "addmm": Row(
        "Gemm",
        lambda args: (len(args[1]), args[2].shape[1]),
        lambda args: [args[1], args[2], args[0]],
    ),
    "linalg_vector_norm": Row("ReduceL2", _lengths, _first),
}
"""How a file holds torch's operators, by their names in torch."""
