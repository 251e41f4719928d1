"""The ledger: each stage of a network is compared with its reference, on real pictures.

Float stages cannot be equal bit for bit, because each adds in another order. The bound is on the
worst difference over the largest magnitude of the map: a sum of n products in float32 wanders from
the exact one by about sqrt(n) * 2^-24 of its terms, which is 6e-6 for the 9,216 products behind one
sample of YOLOv2-tiny's widest layer; nine layers add up to a few times that. A real mistake (a
padding, an epsilon, a channel order) is larger by orders of magnitude. The picture rule is integer
arithmetic and one multiplication: its bound is 0. So is that of answers made of equal maps, and
that of every sample of an integer network, whatever runs it. Only the step from float to integers
has no such bound: what counts there is the task's measure, and its noise is said layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tatami.tasks.base import Task
from tatami.types import Float32, Forward, Picture, Spec
from tatami.types.table import Table, numbers, words

FLOAT_BOUND = 3e-5
"""Worst |difference| of a float map, over the largest |value| of the reference's map."""
MIXED_BOUND = 1e-2
"""As FLOAT_BOUND, for a network of integers with layers that were kept in float32: the last bit of
a float may move a sample over the edge of a step, and so a few bytes by one."""
UNPOOLED_BOUND = 0.1
"""As FLOAT_BOUND, for a float network that puts samples back where max pools found them: of two
that are equal but for rounding either may be the largest, and then a sample of one channel lies a
pixel further, and what is computed of it too. The labels are compared by their mIoU."""
FIGURE_BOUND = 5e-4
"""The task's measure must be equal to three decimals."""
QUANTIZATION_LOSS = 0.01
"""What the measure may lose when a network becomes integers."""

Array = NDArray[Any]


class Form(Protocol):
    """A form of a network, as far as its numbers are compared; ``Stage`` says what each is."""

    @property
    def name(self) -> str:
        """What the ledger calls it."""
        ...

    @property
    def forward(self) -> Callable[[Any], Sequence[Array]]:
        """What the network is given, to its outputs."""
        ...

    @property
    def values(self) -> Callable[[Any], Mapping[str, Array]] | None:
        """What it is given, to every activation in float32, by name."""
        ...

    @property
    def integers(self) -> Callable[[Any], Mapping[str, Array]] | None:
        """What it is given, to every value in its own type, by name."""
        ...

    @property
    def rounded(self) -> frozenset[str] | None:
        """The names of values that come of float arithmetic."""
        ...

    @property
    def equalized(self) -> bool:
        """Whether its channels have other factors than those of what it was made of."""
        ...


@dataclass(frozen=True)
class Stage:
    """One form of a network.

    Args:
        name: What the ledger calls it.
        task: What it is for.
        spec: Its classes, its input and how its answers are read.
        predictor: What answers for a picture.
        forward: Images (n, 3, H, W) to raw maps.
        values: Images to every activation by name, where it can be asked for them.
        prepare: The stage's own picture rule, (h, w, 3) to (3, H, W), where it has one.
        size: Bytes of what it is.
        integers: For an integer network, images to every value by name in its own type, float32
            or uint8.
        rounded: The names of those of these values that come of float arithmetic, and so have no
            fixed bits.
        compiled: Whether a back end made it.
        unpools: Whether it undoes max pools by their indices.
        parts: Where its networks have rows of their own, each of them as a stage.
        taken: What the written rule makes of an image (3, H, W) for its input, where that is not
            float32.
    """

    name: str
    task: Task[Any, Any, Any]
    spec: Spec
    predictor: Any
    forward: Forward
    values: Callable[[Float32], Mapping[str, Float32]] | None
    prepare: Callable[[Picture], Array] | None
    size: int
    integers: Callable[[Float32], Mapping[str, Array]] | None = None
    compiled: bool = False
    rounded: frozenset[str] | None = None
    unpools: bool = False
    parts: tuple[Stage, ...] = ()
    taken: Callable[[Float32], Array] | None = None

    @property
    def equalized(self) -> bool:
        """Whether its channels have other factors than those of what it was made of."""
        return "equalized" in self.spec.provenance


@dataclass(frozen=True)
class Row:
    """A stage in numbers; None is "not measured", or "has no reference".

    Args:
        stage: Its name.
        reference: The name of the stage that it is compared with.
        worst: The largest difference, in ``unit``.
        unit: "", relative to the largest magnitude; "steps" of integers; "px"; or "dB", the lowest
            signal to noise ratio, which bounds nothing.
        bound: The largest difference that is allowed.
        layer: The first whose difference exceeds the bound, or the noisiest.
        figure: The task's measure on all pictures, in 0 to 1.
        reference_figure: The same of the reference.
        size: Bytes of what it is.
        milliseconds: A picture, from pixels to the answer.
        loss: What the figure may lose; None: it must be equal to three decimals.
    """

    stage: str
    reference: str | None = None
    worst: float | None = None
    unit: str = ""
    bound: float | None = None
    layer: str | None = None
    figure: float | None = None
    reference_figure: float | None = None
    size: int | None = None
    milliseconds: float | None = None
    loss: float | None = None

    @property
    def passed(self) -> bool:
        """Say whether the row is within its bound, and its figure as good as it must be.

        A NaN never passes.
        """
        near = self.worst is None or self.bound is None or self.worst <= self.bound
        if self.figure is None or self.reference_figure is None:
            return near
        both_undefined = bool(np.isnan(self.figure) and np.isnan(self.reference_figure))
        lost = self.reference_figure - self.figure
        same = abs(lost) <= FIGURE_BOUND if self.loss is None else lost <= self.loss
        return near and (both_undefined or same)

    def to_json(self) -> dict[str, Any]:
        """Give the row as plain values; a number that is not finite becomes text.

        The keys are those of the first version: ``held_to`` is the reference, and ``mean_ap`` the
        figure of any task.
        """
        row = {
            "stage": self.stage,
            "held_to": self.reference,
            "worst": self.worst,
            "unit": self.unit,
            "bound": self.bound,
            "layer": self.layer,
            "mean_ap": self.figure,
            "mean_ap_held_to": self.reference_figure,
            "size": self.size,
            "milliseconds": self.milliseconds,
            "loss": self.loss,
            "passed": self.passed,
        }
        return {
            key: str(value) if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in row.items()
        }


@dataclass(frozen=True)
class Ledger:
    """The rows in the order of the stages.

    Args:
        rows: One a stage, and those of its parts and rules.
        measure: What the figures are, as "mAP"; "": there are none.
    """

    rows: tuple[Row, ...]
    measure: str = "mAP"

    @property
    def passed(self) -> bool:
        """Say whether every row passed."""
        return all(row.passed for row in self.rows)

    def table(self) -> Table:
        """Lay the rows out; those outside their bounds are marked as failed."""
        columns = (
            words("stage", flexible=4, wraps=True),
            words("reference", flexible=3, wraps=True),
            *numbers("worst |Δ|", "bound"),
            words("at layer", flexible=3, wraps=True),
            *numbers(*([self.measure] if self.measure else []), "size", "ms"),
        )
        rows = tuple(
            (
                row.stage,
                row.reference or "-",
                "-" if row.worst is None else _worst(row.worst, row.unit),
                "-" if row.bound is None else _short(row.bound),
                row.layer or "-",
                *([_figure(row.figure)] if self.measure else []),
                "" if row.size is None else _bytes(row.size),
                "" if row.milliseconds is None else f"{row.milliseconds:.1f}",
            )
            for row in self.rows
        )
        failed = frozenset(place for place, row in enumerate(self.rows) if not row.passed)
        return Table(columns, rows, failed=failed)

    def tables(self) -> list[Table]:
        """Give the table, the only one."""
        return [self.table()]

    def failures(self) -> list[str]:
        """Say of each row outside its bound by how much, a line each."""
        lines = []
        for row in self.rows:
            if row.passed:
                continue
            text = f"{row.stage} against {row.reference}: "
            if row.worst is not None and row.bound is not None and not row.worst <= row.bound:
                text += f"{_worst(row.worst, row.unit)} exceeds {row.bound:g}"
                text += f", first at {row.layer}" if row.layer else ""
            else:
                text += f"{self.measure} {row.figure:.4f}, not {row.reference_figure:.4f}"
                text += f" less at most {row.loss:g}" if row.loss is not None else ""
            lines.append(text)
        return lines

    def to_json(self) -> dict[str, Any]:
        """Give the ledger as plain values; a number that is not finite becomes text."""
        rows = [row.to_json() for row in self.rows]
        return {"passed": self.passed, "measure": self.measure, "rows": rows}

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        from tatami.see.html import table_html

        return table_html(self.table())


def compare_maps(
    stage: Form, reference: Form, images: Iterable[Any], bound: float = FLOAT_BOUND
) -> Row:
    """Compare the raw maps of a stage with those of its reference, and find the layer at fault.

    Layers are compared where both stages know their values, by name, in the order in which the
    stage computes them.

    Args:
        stage: What is compared.
        reference: What it is compared with.
        images: One (1, 3, H, W) after another.
        bound: The largest difference that is allowed.
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


def compare_integers(stage: Form, reference: Form, images: Iterable[Any]) -> Row:
    """Compare every sample of every layer of an integer network with another form's: bit for bit.

    The row names the first layer that differs, and in it the first sample: channel, row and column,
    what it is and what it should be. It does not pass where the two have no value in common, or
    where one lacks the last of the other's. Where some layers are float, what comes of those is
    bounded by ``MIXED_BOUND``, by the map.

    Args:
        stage: What is compared.
        reference: What it is compared with.
        images: One (1, 3, H, W) after another.
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
    """Find the first sample whose bits differ, in arrays of one shape and type."""
    bits = np.dtype(f"u{found.dtype.itemsize}")
    other = np.ascontiguousarray(found).view(bits) != np.ascontiguousarray(expected).view(bits)
    where = np.argwhere(other)
    return tuple(int(i) for i in where[0]) if len(where) else None


def compare_quantized(stage: Form, reference: Form, images: Iterable[Any]) -> Row:
    """Measure how far an integer network is from the float one that it was made of.

    The row has the lowest signal to quantization noise ratio of a layer, in dB, and the layer; what
    is bounded is the loss of the figure. Where layers were equalized, each channel has another
    factor than its namesake: the one that fits best is taken out.

    Source: Nagel et al. 2019, "Data-Free Quantization", section 4.1.
    """
    assert stage.values is not None
    assert reference.values is not None
    values, right = stage.values, reference.values
    ratios = signal_to_noise(((values(one), right(one)) for one in images), stage.equalized)
    layer = min(ratios, key=lambda name: ratios[name], default=None)
    worst = None if layer is None else ratios[layer]
    return Row(stage.name, reference.name, worst, "dB", None, layer, loss=QUANTIZATION_LOSS)


def signal_to_noise(
    pairs: Iterable[tuple[Mapping[str, Array], Mapping[str, Array]]], equalized: bool
) -> dict[str, float]:
    """Measure how much louder each value is than what rounding did to it, in dB.

    Args:
        pairs: Of each input the values as found and as they should be, by name.
        equalized: Whether each channel has another factor than its namesake.

    Returns:
        By the names that both have, but for values without noise or without signal.
    """
    products: dict[str, NDArray[np.float64]] = {}
    for found, expected in pairs:
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
    return ratios


def _products(found: Array, right: Array) -> NDArray[np.float64]:
    """(3, channels): the sums of right * right, right * found and found * found, of (1, C, ...)."""
    a = right.astype(np.float64).reshape(right.shape[1], -1)
    b = found.astype(np.float64).reshape(right.shape[1], -1)
    return np.stack([(a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)])


def compare_pictures(stage: Stage, pictures: Iterable[Picture], expected: Iterable[Array]) -> Row:
    """Compare the stage's own picture rule with the written one: bit for bit, so the bound is 0.

    Args:
        stage: What is compared.
        pictures: What is prepared, (h, w, 3) each.
        expected: What the written rule makes of each, (3, H, W), in the type that the network
            takes.
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
    return Row(f"{stage.name} {stage.task.rule}", "NumPy", worst, "", 0.0)


def compare_answers(stage: Stage, rule: Any, pictures: Sequence[Picture]) -> Row:
    """Compare the answers of a stage with what the written rule makes of its raw maps.

    Args:
        stage: What answers.
        rule: The predictor of the written rule, around the stage's own network.
        pictures: What is answered for.
    """
    found = stage.task.compare(stage.predictor, rule, pictures)
    return Row(f"{stage.name} {found.what}", "NumPy", found.worst, found.unit, found.bound)


def as_maps(array: Array) -> Array:
    """Give a vector a picture (n, channels) as maps of one sample, (n, channels, 1, 1)."""
    return array.reshape(*array.shape, 1, 1) if array.ndim == 2 else array


def difference(found: Float32, expected: Float32) -> float:
    """Measure the worst |difference| over the largest |expected|; 0 where all is equal.

    A NaN stays one.
    """
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
    """Find the first value that lies further than the bound from its namesake."""
    for name, value in found.items():
        if name in expected and not difference(value, expected[name]) <= bound:
            return name
    return None


def _worse(a: float, b: float) -> float:
    """Give the larger; a NaN is worse than anything."""
    return a if np.isnan(a) or a >= b else b


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _worst(value: float, unit: str) -> str:
    if unit == "dB":
        return f"{value:.1f} dB"
    return f"{value:g} steps" if unit == "steps" else f"{_short(value)} {unit}".strip()


def _short(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+")


def _bytes(size: int) -> str:
    if size < 10_000:
        return f"{size} B"
    return f"{size / 1e3:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
