"""What one stage and two have in common in C: the numbers of a decoding, and printed boxes."""

from __future__ import annotations

from collections.abc import Sequence

from tatami.program.steps import Shape
from tatami.ship.c.operator import number
from tatami.ship.c.text import filled, text
from tatami.types import Decoding


def score_macros(scores: str, variances: tuple[float, float], candidates: int) -> dict[str, object]:
    """Give the macros of a decoding's scores and offsets."""
    return {
        "SCORES_SOFTMAX": int(scores == "softmax"),
        "SCORES_SIGMOID": int(scores == "sigmoid"),
        "VARIANCE_OF_CENTER": number(variances[0]),
        "VARIANCE_OF_SIDE": number(variances[1]),
        "MAX_CANDIDATES": candidates,
    }


def grids(shapes: Sequence[Shape], decoding: Decoding) -> str:
    """Write the anchors, in pixels of the network's input, and where each grid's cells lie.

    Args:
        shapes: Of the raw maps, (channels, rows, columns) each.
        decoding: Has a grid for each of them or, for an SSD, each pair.
    """
    each = len(shapes) // len(decoding.grids)
    anchors, rows = [], []
    for index, grid in enumerate(decoding.grids):
        sizes = ", ".join(f"{{{number(w)}, {number(h)}}}" for w, h in grid.anchors)
        anchors.append(f"static const float net_anchors{index}[][2] = {{{sizes}}};")
        _, height, width = shapes[each * index]
        scale = (*grid.stride, grid.xy_scale, (grid.xy_scale - 1) / 2)
        numbers = ", ".join(number(value) for value in scale)
        rows.append(
            f"    {{net_anchors{index}, {len(grid.anchors)}, {height}, {width}, {numbers}}},"
        )
    lines = [text("grid.h").rstrip(), "", *anchors]
    return "\n".join([*lines, "static const net_grid net_grids[NET_GRIDS] = {", *rows, "};"])


def example_of_boxes(tell: str) -> str:
    """Write main.c of a detector.

    Args:
        tell: The file of kernels/ that runs it for a picture.
    """
    boxes = filled(text("tell_detections.c"), tell=text(tell))
    return filled(text("main.c"), ppm=text("ppm.c"), tell=boxes)
