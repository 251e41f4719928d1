"""The picture rule's macros, for every task: kernels/picture.c and kernels/picture_darknet.c."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.ops.fixed_point import quantize
from tatami.program.steps import Value
from tatami.rules.picture import normalize
from tatami.ship.c.operator import number
from tatami.ship.c.text import filled, number_lines, text
from tatami.types import InputSpec


def picture_files(spec: InputSpec) -> tuple[str, ...]:
    """Name the files of kernels/ that follow a spec's picture rule."""
    if spec.filter == "darknet":
        return "placement.c", "picture_darknet.c"
    return "placement.c", "frame.c", "picture.c"


def frame_header(spec: InputSpec, own: str = "") -> str:
    """Declare what takes a camera's frame, by docs/camera-rule.md; nothing for darknet's filter.

    Args:
        spec: How a picture becomes the network's input.
        own: What the task declares beside.
    """
    return "" if spec.filter == "darknet" else filled(text("frame.h"), own=own)


def picture_macros(spec: InputSpec, image: Value) -> dict[str, object]:
    """Give what the files of the picture rule read.

    Args:
        spec: How a picture becomes the network's input.
        image: The input.
    """
    return {
        "LETTERBOX": int(spec.resize == "letterbox"),
        "DARKNET": int(spec.filter == "darknet"),
        **_levels(spec, image),
        "PLANES": "{0, 1, 2}" if spec.channels == "rgb" else "{2, 1, 0}",
    }


def _levels(spec: InputSpec, image: Value) -> dict[str, object]:
    """Give what each of the 256 bytes becomes in each plane, and what is around the picture."""
    every = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)  # (1, 256, 3)
    levels: NDArray[Any] = normalize(every, spec)
    quantization = image.quantization
    if spec.filter == "darknet":  # interpolates in float32, and only then quantizes
        mean, scale = np.array(spec.mean, np.float32), np.array(spec.scale, np.float32)
        around = (np.float32(spec.pad) - mean) * scale
        sides = ", ".join(number(one) for one in around.tolist())
        return {
            "LEVELS": _table(levels),
            "AROUND": f"{{{sides}}}",
            "INPUT_IS_BYTES": int(quantization is not None),
            "INPUT_SCALE": number(1.0 if quantization is None else quantization.scale),
            "INPUT_ZERO_POINT": 0 if quantization is None else quantization.zero_point,
        }
    if quantization is not None:
        levels = quantize(levels, quantization.scale, quantization.zero_point)
    return {"LEVELS": _table(levels), "PAD": int(spec.pad)}


def _table(levels: NDArray[Any]) -> str:
    planes = ["{ \\\n" + " \\\n".join(number_lines(plane.ravel())) + " \\\n}" for plane in levels]
    return "{" + ", ".join(planes) + "}"
