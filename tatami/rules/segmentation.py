"""A network as a segmenter: prepare the picture, run the network, a class for each of its pixels.

docs/segmentation-rule.md is the rule in words, for whoever writes it in another language; this file
is the rule in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from tatami.errors import TatamiError
from tatami.ops.activation import softmax
from tatami.rules.picture import Placement, normalize, prepare
from tatami.types import Float32, Forward, Int64, Mask, Picture, RawMaps, SegmentationSpec, Size

Part = Callable[[Int64, Int64], Float32]
"""(rows, columns) of a canvas to its planes there: (3, rows, columns) float32, normalized."""


@dataclass(frozen=True)
class ForwardSegmenter:
    """A ``types.Segmenter`` around any ``forward``: torch, NumPy, ONNX Runtime or compiled C.

    A network of valid convolutions answers for the middle of its input alone. It is then run over
    the picture tile by tile, the picture being mirrored at its borders (Ronneberger, Fischer and
    Brox 2015, "U-Net", figure 2).

    Args:
        spec: What the network is for.
        forward: Images (n, 3, height, width) to one output, the logits (n, classes, rows, columns).
        answer: The output's size; None: it is measured by running zeros once.
        overlap: Run in tiles at the picture's own size, this many pixels at each border of a tile's
            answer being left to the tile beside it; None: the picture is resized to the network's
            input.
    """

    spec: SegmentationSpec
    forward: Forward
    answer: Size | None = None
    overlap: int | None = None

    def segment(self, picture: Picture) -> Mask:
        """Find the class of each pixel of a picture (height, width, 3): a mask (height, width).

        Where logits are equal, the class that comes first wins.

        Raises:
            TatamiError: For an overlap that leaves nothing of a tile.
        """
        spec = self.spec.input
        size = Size(picture.shape[1], picture.shape[0])
        if self.overlap is not None:
            return self._labels(
                lambda rows, columns: normalize(picture[rows][:, columns], spec), size, self.overlap
            )
        planes, place = prepare(picture, spec)  # (3, H, W)
        whole = self._labels(lambda rows, columns: planes[:, rows][:, :, columns], spec.size, 0)
        return to_picture(whole, place, size)

    @cached_property
    def _answered(self) -> Size:
        """The size of the network's output for its input.

        Raises:
            TatamiError: For an output that is not the spec's.
        """
        if self.answer is not None:
            return self.answer
        size = self.spec.input.size
        maps = self.forward(np.zeros((1, 3, size.height, size.width), np.float32))
        shape = maps[0].shape
        if len(maps) != 1 or len(shape) != 4 or shape[1] != len(self.spec.classes):
            raise TatamiError(
                f"the network gives {', '.join(str(one.shape) for one in maps)}",
                hint=f"a segmenter gives one map for each of {len(self.spec.classes)} classes",
            )
        return Size(shape[3], shape[2])

    def _labels(self, part: Part, canvas: Size, overlap: int) -> Mask:
        """Find the class of every pixel of a canvas, from one tile or from many."""
        size, answer = self.spec.input.size, self._answered
        if overlap < 0 or 2 * overlap >= min(answer.width, answer.height):
            raise TatamiError(
                f"an overlap of {overlap} leaves nothing of tiles of {answer}",
                hint=f"give less than {(min(answer.width, answer.height) + 1) // 2}",
            )
        down, across = (size.height - answer.height) // 2, (size.width - answer.width) // 2
        labels: Mask = np.empty((canvas.height, canvas.width), np.uint8)
        for top, y1, y2 in tile_spans(canvas.height, answer.height, overlap):
            rows = reflect(np.arange(top - down, top - down + size.height), canvas.height)
            for left, x1, x2 in tile_spans(canvas.width, answer.width, overlap):
                columns = reflect(
                    np.arange(left - across, left - across + size.width), canvas.width
                )
                (logits,) = self.forward(np.ascontiguousarray(part(rows, columns))[None])
                own = logits[0, :, y1 - top : y2 - top, x1 - left : x2 - left]
                labels[y1:y2, x1:x2] = own.argmax(axis=0)  # the first of equal ones
        return labels


def average_over_symmetries(forward: Forward) -> Forward:
    """Wrap a segmenter's forward in test-time augmentation over flips and right-angle rotations.

    A square has eight symmetries, a rectangle four. The result gives the mean of the probabilities,
    turned back: (n, classes, rows, columns) in place of logits.

    Args:
        forward: Images (n, 3, height, width) to logits (n, classes, rows, columns).

    Source:
        Ronneberger, Fischer and Brox 2015, section 4, who average seven rotations of a picture.
    """

    def mean(images: Float32) -> RawMaps:
        step = 1 if images.shape[2] == images.shape[3] else 2
        probabilities = []
        for quarters, flip in product(range(0, 4, step), (1, -1)):
            turned = np.rot90(images, quarters, (2, 3))[..., ::flip]
            (logits,) = forward(np.ascontiguousarray(turned))
            back = softmax(logits, axis=1)[..., ::flip]
            probabilities.append(np.rot90(back, -quarters, (2, 3)))
        return (np.mean(probabilities, axis=0, dtype=np.float32),)

    return mean


def tile_spans(length: int, answer: int, overlap: int) -> list[tuple[int, int, int]]:
    """Divide an axis among overlapping tiles.

    Each tile begins ``answer - 2 * overlap`` after the one before, the last where it ends with the
    axis. From the second on, ``overlap`` pixels at a tile's beginning are taken from the one
    before.

    Args:
        length: Pixels of the axis.
        answer: Pixels of a tile's answer.
        overlap: Pixels of it that are left to the neighbor.

    Returns:
        For each tile where its answer begins, and from where to where it is taken; together these
        are the whole axis once.
    """
    begins = [0]
    while begins[-1] + answer < length:
        begins.append(min(begins[-1] + answer - 2 * overlap, length - answer))
    kept = [0, *(begin + overlap for begin in begins[1:]), length]
    return [(begin, kept[at], kept[at + 1]) for at, begin in enumerate(begins)]


def reflect(places: Int64, length: int) -> Int64:
    """Mirror places beyond either end of an axis, about the middles of its end pixels."""
    if length == 1:
        return np.zeros_like(places)
    period = 2 * (length - 1)
    within = places % period
    return np.minimum(within, period - within)


def to_picture(labels: Mask, place: Placement, size: Size) -> Mask:
    """Map a canvas's labels onto the picture that lies on it.

    Each of the picture's pixels gets the label of the canvas pixel in which its center comes to
    lie.

    Args:
        labels: (H, W).
        place: Where the picture lies on the canvas.
        size: The picture's size.

    Returns:
        (size.height, size.width).
    """
    rows = place.top + (2 * np.arange(size.height) + 1) * place.height // (2 * size.height)
    columns = place.left + (2 * np.arange(size.width) + 1) * place.width // (2 * size.width)
    return labels[rows][:, columns]
