"""The ledger: each stage of a network held to the one before it, on real pictures.

Float stages cannot be equal bit for bit, because each adds in another order. The bound is on the
worst difference over the largest magnitude of the map: a sum of n products in float32 wanders from
the exact one by about sqrt(n) * 2^-24 of its terms, which is 6e-6 for the 9,216 products behind one
sample of YOLOv2-tiny's widest layer; nine layers add up to a few times that. A real mistake (a
padding, an epsilon, a channel order) is larger by orders of magnitude. The picture rule is integer
arithmetic and one multiplication: its bound is 0. So is that of boxes made of equal maps, and that
of every sample of an integer network, whatever runs it. Only the step from float to integers has no
such bound: it is held to its mean average precision, and its noise is told layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.markup import escape
from rich.table import Table

from tatami.types import (
    ClassificationSpec,
    Classifier,
    Detections,
    Detector,
    Float32,
    Forward,
    Picture,
    Segmenter,
    Spec,
)

FLOAT_BOUND = 3e-5
"""Worst |difference| of a float map, over the largest |value| of the map that it is held to."""
BOX_BOUND = 0.0
"""Worst difference of an edge, in pixels: the decoding rule is the same operations everywhere."""
MIXED_BOUND = 1e-2
"""As FLOAT_BOUND, for a network of integers with layers that were kept in float32: the last bit of
a float may move a sample over the edge of a step, and so a few bytes by one."""
UNPOOLED_BOUND = 0.1
"""As FLOAT_BOUND, for a float network that puts samples back where max pools found them: of two
that are equal but for rounding either may be the largest, and then a sample of one channel lies a
pixel further, and what is computed of it too. The labels are held to one another by their mIoU."""
MAP_BOUND = 5e-4
"""mAP must be equal to three decimals."""
QUANTIZATION_LOSS = 0.01
"""What mAP may lose when a network becomes integers."""

Array = NDArray[Any]

Measure = Literal["mAP", "top-1", "mIoU"]
"""What a ledger tells of each stage on all pictures."""


@dataclass(frozen=True)
class Stage:
    """One form of a network. forward: images to raw maps.  values: every activation by name.

    prepare: the stage's own picture rule, (h, w, 3) to (3, H, W).  size: bytes of what it is.
    integers: of an integer network, every value by name in its own type, float32 or uint8.
    rounded: names of those of them that come of float arithmetic, and so have no fixed bits.
    compiled: whether a compiler made it.  unpools: whether it undoes max pools by their indices.
    parts: of a detector in two stages its networks, each as a stage; forward is the last one's.
    """

    name: str
    spec: Spec
    detector: Detector | Classifier | Segmenter
    forward: Forward
    values: Callable[[Float32], Mapping[str, Float32]] | None
    prepare: Callable[[Picture], Array] | None
    size: int
    integers: Callable[[Float32], Mapping[str, Array]] | None = None
    compiled: bool = False
    rounded: frozenset[str] | None = None
    unpools: bool = False
    parts: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Row:
    """A stage in numbers; None is "not measured", or "nothing to hold it to".

    worst: the difference, in ``unit``: "" relative to the largest magnitude, "steps" of integers,
    or "px"; in "dB" it is the lowest signal to noise ratio, and bounds nothing.
    layer: the first whose difference exceeds the bound, or the noisiest.  mean_ap: mAP@0.5, or of a
    classifier the part of the pictures whose label is first.
    size: bytes.  milliseconds: a picture, from pixels to boxes.  loss: what mAP may lose.
    """

    stage: str
    held_to: str | None = None
    worst: float | None = None
    unit: str = ""
    bound: float | None = None
    layer: str | None = None
    mean_ap: float | None = None
    mean_ap_held_to: float | None = None
    size: int | None = None
    milliseconds: float | None = None
    loss: float | None = None

    @property
    def passed(self) -> bool:
        """Within the bound, and of the same mAP to three decimals, or with no more than the loss
        that is allowed. A NaN never passes."""
        near = self.worst is None or self.bound is None or self.worst <= self.bound
        if self.mean_ap is None or self.mean_ap_held_to is None:
            return near
        both_undefined = bool(np.isnan(self.mean_ap) and np.isnan(self.mean_ap_held_to))
        lost = self.mean_ap_held_to - self.mean_ap
        same = abs(lost) <= MAP_BOUND if self.loss is None else lost <= self.loss
        return near and (both_undefined or same)


@dataclass(frozen=True)
class Ledger:
    """The rows in the order of the stages."""

    rows: tuple[Row, ...]
    measure: Measure = "mAP"

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)

    def table(self) -> Table:
        """At most 80 columns; a row outside its bound is red and marked."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=80)
        table.add_column("stage", ratio=4)
        table.add_column("held to", overflow="ellipsis", no_wrap=True, ratio=3)
        table.add_column("worst |Δ|", justify="right", no_wrap=True)
        table.add_column("bound", justify="right", no_wrap=True)
        table.add_column("at layer", overflow="ellipsis", no_wrap=True, ratio=3)
        for name in (self.measure, "size", "ms"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(
                escape(row.stage),
                escape(row.held_to or "-"),
                "-" if row.worst is None else _said(row.worst, row.unit),
                "-" if row.bound is None else _short(row.bound),
                "-" if row.layer is None else escape(row.layer),
                "" if row.mean_ap is None else f"{row.mean_ap:.4f}",
                "" if row.size is None else _bytes(row.size),
                "" if row.milliseconds is None else f"{row.milliseconds:.1f}",
                style=None if row.passed else "bold red",
            )
        return table

    def failures(self) -> list[str]:
        """A line for each row outside its bound, saying by how much."""
        lines = []
        for row in self.rows:
            if row.passed:
                continue
            text = f"{row.stage} against {row.held_to}: "
            if row.worst is not None and row.bound is not None and not row.worst <= row.bound:
                text += f"{_said(row.worst, row.unit)} exceeds {row.bound:g}"
                text += f", first at {row.layer}" if row.layer else ""
            else:
                text += f"{self.measure} {row.mean_ap:.4f}, not {row.mean_ap_held_to:.4f}"
                text += f" less at most {row.loss:g}" if row.loss is not None else ""
            lines.append(text)
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain values; a number that is not finite becomes text."""
        rows = [{**asdict(row), "passed": row.passed} for row in self.rows]
        for row in rows:
            for key, value in row.items():
                if isinstance(value, float) and not np.isfinite(value):
                    row[key] = str(value)
        return {"passed": self.passed, "measure": self.measure, "rows": rows}


def hold_maps(
    stage: Stage, reference: Stage, images: Iterable[Float32], bound: float = FLOAT_BOUND
) -> Row:
    """Hold the raw maps of a stage to those of the one before, and find the layer at fault.

    images: one (1, 3, H, W) after another. Layers are compared where both stages tell their values,
    by name, in the order in which the stage computes them.
    """
    worst = 0.0
    layer: str | None = None
    for image in images:
        maps = zip(stage.forward(image), reference.forward(image), strict=True)
        for found, expected in maps:
            worst = _worse(worst, difference(found, expected))
        if layer is None and stage.values is not None and reference.values is not None:
            layer = first_difference(stage.values(image), reference.values(image), bound)
    return Row(stage.name, reference.name, worst, "", bound, layer)


def hold_integers(stage: Stage, reference: Stage, images: Iterable[Float32]) -> Row:
    """Hold every sample of every layer of an integer network to another form of it: bit for bit.

    images: one (1, 3, H, W) after another. The row names the first layer that differs, and in it
    the first sample: channel, row and column, what it is and what it should be. It does not pass
    where the two have no value in common, or where one lacks the last of the other's. Where some
    layers are float, what comes of those is held to ``MIXED_BOUND``, by the map.
    """
    assert stage.integers is not None
    assert reference.integers is not None
    worst, rounded, layer = 0.0, 0.0, None
    for image in images:
        found, expected = stage.integers(image), reference.integers(image)
        shared = [name for name in found if name in expected]
        if not shared or shared[-1] != list(expected)[-1]:
            return Row(stage.name, reference.name, float("inf"), "steps", 0.0, "no map in common")
        for name in shared:
            value, right = found[name], expected[name]
            if reference.rounded is not None and name in reference.rounded:
                if name == shared[-1]:
                    apart = difference(value.astype(np.float32), right.astype(np.float32))
                    rounded = _worse(rounded, apart)
                continue
            if value.shape != right.shape or value.dtype != right.dtype:
                return Row(stage.name, reference.name, float("inf"), "steps", 0.0, name)
            at = _first_other(value, right)
            if at is None:
                continue
            apart = float(np.abs(value.astype(np.float64) - right.astype(np.float64)).max())
            worst = _worse(worst, apart or float("inf"))  # equal numbers of other bits too
            if layer is None:
                where = ",".join(map(str, at[1:]))
                layer = f"{name} [{where}]: {value[at]:g}, not {right[at]:g}"
    if reference.rounded and not worst:
        return Row(stage.name, reference.name, rounded, "", MIXED_BOUND)
    return Row(stage.name, reference.name, worst, "steps" if worst else "", 0.0, layer)


def _first_other(found: Array, expected: Array) -> tuple[int, ...] | None:
    """The index of the first sample whose bits differ, in arrays of one shape and type."""
    bits = np.dtype(f"u{found.dtype.itemsize}")
    other = np.ascontiguousarray(found).view(bits) != np.ascontiguousarray(expected).view(bits)
    where = np.argwhere(other)
    return tuple(int(i) for i in where[0]) if len(where) else None


def hold_quantized(stage: Stage, reference: Stage, images: Iterable[Float32]) -> Row:
    """How far an integer network is from the float one that it was made of.

    The row tells the lowest signal to quantization noise ratio of a layer, dB, and the layer; what
    is bounded is the loss of mAP. Of a network whose layers were equalized each channel has another
    factor than its namesake (Nagel et al. 2019, section 4.1): the one that fits best is taken out.
    """
    assert stage.values is not None
    assert reference.values is not None
    equalized = "equalized" in stage.spec.provenance
    products: dict[str, NDArray[np.float64]] = {}
    for image in images:
        found, expected = stage.values(image), reference.values(image)
        for name, value in found.items():
            if name in expected and as_maps(expected[name]).shape == as_maps(value).shape:
                sums = _products(value, expected[name])
                products[name] = products.get(name, 0.0) + sums
    ratios = {}
    for name, (of_right, of_both, of_found) in products.items():
        factor = np.ones_like(of_both)
        if equalized:
            np.divide(of_both, of_found, out=factor, where=of_found > 0)
        signal = float(of_right.sum())
        noise = float((of_right - 2 * factor * of_both + factor**2 * of_found).sum())
        if noise > 0 and signal > 0:
            ratios[name] = 10 * float(np.log10(signal / noise))
    layer = min(ratios, key=lambda name: ratios[name], default=None)
    worst = None if layer is None else ratios[layer]
    return Row(stage.name, reference.name, worst, "dB", None, layer, loss=QUANTIZATION_LOSS)


def _products(found: Array, right: Array) -> NDArray[np.float64]:
    """(3, channels): the sums of right * right, right * found and found * found, of (1, C, ...)."""
    a = right.astype(np.float64).reshape(right.shape[1], -1)
    b = found.astype(np.float64).reshape(right.shape[1], -1)
    return np.stack([(a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)])


def hold_pictures(stage: Stage, pictures: Iterable[Picture], expected: Iterable[Array]) -> Row:
    """Hold the stage's own picture rule to the written one: bit for bit, so the bound is 0.

    expected: for each picture (h, w, 3), what the written rule makes of it, (3, H, W), in the
    type that the network takes.
    """
    assert stage.prepare is not None
    worst = 0.0
    for picture, image in zip(pictures, expected, strict=True):
        found = stage.prepare(picture)
        if found.shape != image.shape:
            worst = float("inf")
        elif found.tobytes() != image.tobytes():  # equal numbers of other bits do not pass either
            apart = np.abs(found.astype(np.float64) - image.astype(np.float64)).max()
            worst = _worse(worst, float(apart) or float("inf"))
    return Row(f"{stage.name} picture rule", "NumPy", worst, "", 0.0)


def hold_boxes(
    stage: Stage, detector: Detector, pictures: Iterable[Picture], score_threshold: float
) -> Row:
    """Hold the boxes of a stage to those of a detector: the same labels in the same order.

    The difference is the worst of any edge in pixels; infinite where a box is missing.
    """
    worst = 0.0
    for picture in pictures:
        found = cast(Detector, stage.detector).detect(picture, score_threshold)
        worst = _worse(worst, box_difference(found, detector.detect(picture, score_threshold)))
    return Row(f"{stage.name} boxes", "NumPy", worst, "px", BOX_BOUND)


def hold_scores(stage: Stage, classifier: Classifier, pictures: Iterable[Picture]) -> Row:
    """Hold the probabilities of a stage to those of a classifier: the worst difference of one."""
    worst = 0.0
    for picture in pictures:
        assert isinstance(stage.spec, ClassificationSpec)
        found = cast(Classifier, stage.detector).classify(picture)
        expected = classifier.classify(picture).astype(np.float64)
        worst = _worse(worst, float(np.abs(found - expected).max()))
    return Row(f"{stage.name} scores", "NumPy", worst, "", 0.0)


def hold_labels(stage: Stage, segmenter: Segmenter, pictures: Iterable[Picture]) -> Row:
    """Hold the classes of a stage's pixels to those of a segmenter: the worst share of a picture's
    pixels that differ, where none may."""
    worst = 0.0
    for picture in pictures:
        found = cast(Segmenter, stage.detector).segment(picture)
        worst = _worse(worst, float((found != segmenter.segment(picture)).mean()))
    return Row(f"{stage.name} labels", "NumPy", worst, "", 0.0)


def as_maps(array: Array) -> Array:
    """A vector a picture (n, channels) as maps of one sample, (n, channels, 1, 1)."""
    return array.reshape(*array.shape, 1, 1) if array.ndim == 2 else array


def difference(found: Float32, expected: Float32) -> float:
    """The worst |difference| over the largest |expected|; 0 where all is equal, NaN stays NaN."""
    found, expected = as_maps(found), as_maps(expected)
    if found.shape != expected.shape:
        return float("inf")
    if np.array_equal(found, expected):
        return 0.0
    largest = float(np.abs(expected).max())
    worst = float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())
    return worst / largest if largest > 0 else float("inf")


def first_difference(
    found: Mapping[str, Float32], expected: Mapping[str, Float32], bound: float
) -> str | None:
    """The first value of ``found`` that lies further than the bound from its namesake."""
    for name, value in found.items():
        if name in expected and not difference(value, expected[name]) <= bound:
            return name
    return None


def box_difference(found: Detections, expected: Detections) -> float:
    """The worst difference of an edge in pixels; infinite unless the labels are the same."""
    if len(found) != len(expected) or not np.array_equal(found.labels, expected.labels):
        return float("inf")
    return float(np.abs(found.xyxy - expected.xyxy).max()) if len(found) else 0.0


def _worse(a: float, b: float) -> float:
    """The larger; a NaN is worse than anything."""
    return a if np.isnan(a) or a >= b else b


def _said(value: float, unit: str) -> str:
    if unit == "dB":
        return f"{value:.1f} dB"
    return f"{value:g} steps" if unit == "steps" else f"{_short(value)} {unit}".strip()


def _short(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+")


def _bytes(size: int) -> str:
    if size < 10_000:
        return f"{size} B"
    return f"{size / 1e3:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
