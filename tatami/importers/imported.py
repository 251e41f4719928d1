"""What an importer gives: an ONNX model, and whatever else the other program's files said."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from tatami.types import Decoding, InputSpec


@dataclass(frozen=True)
class Imported:
    """A network of another program.

    Args:
        model: Operator set 18, one input ``images`` (1, 3, H, W) float32. Its outputs are as the
            file has them or, where the file says how they are decoded, the raw maps in the order of
            ``decoding.grids`` (of an SSD boxes, scores, boxes, scores, ...).
        decoding: How they are decoded; None where the file does not say.
        classes: The names of the classes; None where the file does not say.
        input: How pictures become the input; None where the file does not say.
        notes: What a user should know, a line each.
        operators: How many the file has; None where that says nothing.
        rounded: Layers whose integers are others than the file's.
    """

    model: onnx.ModelProto
    decoding: Decoding | None = None
    classes: tuple[str, ...] | None = None
    input: InputSpec | None = None
    notes: tuple[str, ...] = ()
    operators: int | None = None
    rounded: tuple[str, ...] = ()
