"""Fourier transforms and sampling at places that are computed."""

from __future__ import annotations

import onnx_ir as ir

from tatami.graph.attributes import constant, integer, text
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Operator, value_at, weight_at, wrong
from tatami.ops.grid_sample import affine_grid, grid_sample
from tatami.ops.spectrum import dft, stft


def dft_of(node: ir.Node) -> tuple[int, int, bool, bool]:
    """Read a DFT's axis and length, and whether it is the way back and one half is enough."""
    sides = shape_of(value_at(node, 0))
    given, along = constant(node, 1), constant(node, 2)
    axis = integer(node, "axis", 1) if "axis" in node.attributes else -2
    version = node.version or (node.graph.opset_imports.get("", 20) if node.graph else 20)
    if along is not None:
        axis = int(along.reshape(()))
    elif "axis" not in node.attributes and version < 20:
        axis = 1
    inverse, onesided = bool(integer(node, "inverse", 0)), bool(integer(node, "onesided", 0))
    length = sides[axis] if given is None else int(given.reshape(()))
    if given is None and inverse and onesided:
        length = 2 * (length - 1)
    return axis % len(sides), length, inverse, onesided


def stft_of(node: ir.Node) -> tuple[int, int, Array | None, bool]:
    """Read an STFT's step, the length of a frame, its window and whether one half is enough."""
    window, length = constant(node, 2), constant(node, 3)
    frame = len(window) if window is not None else 0
    if length is not None:
        frame = int(length.reshape(()))
    step = int(weight_at(node, 1).reshape(()))
    return step, frame, window, bool(integer(node, "onesided", 1))


def sampling_of(node: ir.Node) -> tuple[str, str, bool]:
    """Read a GridSample's mode, in its present words, its padding and where its ends are."""
    mode = text(node, "mode", "linear")
    present = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    padding = text(node, "padding_mode", "zeros")
    return present, padding, bool(integer(node, "align_corners", 0))


def _settled(node: ir.Node) -> None:
    for index in range(1, len(node.inputs)):
        if node.inputs[index] is not None and constant(node, index) is None:
            raise wrong(node, f"has a setting {index} that is computed")


def _check_stft(node: ir.Node) -> None:
    _settled(node)
    sides = shape_of(value_at(node, 0))
    step, frame, window, _ = stft_of(node)
    if len(sides) != 3 or step < 1 or not 1 <= frame <= sides[1]:
        raise wrong(node, f"moves frames of {frame} by {step} over {sides}")
    if window is not None and window.shape != (frame,):
        raise wrong(node, f"has a window of {window.shape} for frames of {frame}")


def _check_dft(node: ir.Node) -> None:
    _settled(node)
    axis, length, _, _ = dft_of(node)
    sides = shape_of(value_at(node, 0))
    if axis == len(sides) - 1 or length < 1 or sides[-1] not in (1, 2):
        raise wrong(node, f"transforms axis {axis} of {sides} to {length} samples")


def _check_grid(node: ir.Node) -> None:
    mode, padding, _ = sampling_of(node)
    x, grid = (shape_of(value_at(node, index)) for index in (0, 1))
    known = mode in ("nearest", "linear", "cubic")
    if not known or padding not in ("zeros", "border", "reflection"):
        raise wrong(node, f"samples by {mode} among {padding}")
    if len(x) < 3 or len(grid) != len(x) or grid[-1] != len(x) - 2 or grid[0] != x[0]:
        raise wrong(node, f"has a grid of {grid} for a map of {x}")


def affine_of(node: ir.Node) -> tuple[tuple[int, ...], bool]:
    """Read the sides that an AffineGrid makes a grid of, and whether its ends are samples."""
    sides = tuple(int(side) for side in weight_at(node, 1)[2:])
    return sides, bool(integer(node, "align_corners", 0))


def _check_affine(node: ir.Node) -> None:
    sides, _ = affine_of(node)
    theta, rank = shape_of(value_at(node, 0)), len(sides)
    grid = (theta[0], *sides, rank)
    if rank not in (2, 3) or theta[1:] != (rank, rank + 1) or shape_of(node.outputs[0]) != grid:
        raise wrong(node, f"makes a grid of {sides} by a matrix of {theta}")


ROWS = (
    Operator(
        "AffineGrid",
        lambda node, x: affine_grid(x[0], *affine_of(node)),
        None,
        _check_affine,
        settings=True,
    ),
    Operator("DFT", lambda node, x: dft(x[0], *dft_of(node)), None, _check_dft, settings=True),
    Operator(
        "GridSample",
        lambda node, x: grid_sample(x[0], x[1], *sampling_of(node)),
        None,
        _check_grid,
    ),
    Operator("STFT", lambda node, x: stft(x[0], *stft_of(node)), None, _check_stft, settings=True),
)
