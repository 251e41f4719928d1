"""Collect the nodes and weights of another program's network; the result is an ONNX model.

Every value has a static shape from the moment it is made, so that an importer can ask for it and
a network that does not fit together is refused where it does not, before ONNX sees it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import checker, helper, numpy_helper, shape_inference

from tatami.errors import TatamiError
from tatami.graph.form import MAX_ELEMENTS
from tatami.ops.window import Window
from tatami.types import Float32, Size

OPSET = 18
IR_VERSION = 10

MAX_AXES = 8
MAX_NODES = 1 << 16
"""Operators of a network: one of a thousand layers has a tenth of it."""

Shape = tuple[int, ...]
Attribute = int | float | str | Sequence[int]
Arithmetic = Literal["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"]
Reduction = Literal[
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
    "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp",
]  # fmt: skip


class Builder:
    """A network under construction: a method an operator, each giving the name of what it makes.

    The ``name`` that a method takes is what the layer is called; a name that is taken gets a
    number. Weights are called ``<name>.weight``, ``<name>.bias`` and so on. Every method raises
    TatamiError (without a file) for shapes that do not fit and for weights that are not finite.

    Args:
        size: Of the input.
        keep_weights: Whether to keep them; without them the shapes are found, in no memory, but
            there is no model.
        inputs: Other inputs than pictures: their names, shapes and ONNX's numbers of their kinds.
    """

    images = "images"
    """What most networks are given alone, (1, 3, height, width) float32."""

    def __init__(
        self,
        size: Size,
        *,
        keep_weights: bool = True,
        inputs: Mapping[str, tuple[Shape, int]] | None = None,
    ) -> None:
        self.size = size
        pictures = {self.images: ((1, 3, size.height, size.width), onnx.TensorProto.FLOAT)}
        self._inputs = pictures if inputs is None else inputs
        self._kinds: dict[str, int] = {}
        self._keep_weights = keep_weights
        self._shapes: dict[str, Shape] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._taken: Counter[str] = Counter()
        for name, (shape, kind) in self._inputs.items():
            self._hold(self._free(name), shape)
            self._kinds[name] = kind

    def shape(self, value: str) -> Shape:
        """Give the shape of a value, as (1, channels, rows, columns)."""
        return self._shapes[value]

    def add(
        self,
        operator: str,
        name: str,
        inputs: Sequence[str],
        shape: Shape,
        attributes: Mapping[str, Attribute] | None = None,
        kind: int = onnx.TensorProto.FLOAT,
    ) -> str:
        """Add any operator of one output.

        Args:
            operator: Its name in ONNX.
            name: What it is called.
            inputs: Names of values.
            shape: Of the output.
            attributes: By name.
            kind: ONNX's number of what the output is made of.
        """
        if len(self._nodes) >= MAX_NODES:
            raise TatamiError(
                f"the network has more than {MAX_NODES} operators", hint="give a smaller network"
            )
        value = self._free(name or operator)
        self._kinds[value] = kind
        node = helper.make_node(operator, list(inputs), [value], name=value)
        for key, setting in (attributes or {}).items():
            node.attribute.append(helper.make_attribute(key, setting))
        self._hold(value, shape)
        self._nodes.append(node)
        return value

    def add_several(
        self,
        operator: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[tuple[Shape, int]],
        attributes: Mapping[str, Attribute] | None = None,
    ) -> list[str]:
        """Add an operator of several outputs, each with its shape and kind; give their values."""
        first = self.add(operator, name, inputs, outputs[0][0], attributes, outputs[0][1])
        node, values = self._nodes[-1], [first]
        for shape, kind in outputs[1:]:
            value = self._free(name)
            self._kinds[value] = kind
            self._hold(value, shape)
            node.output.append(value)
            values.append(value)
        return values

    def input(self, name: str, shape: Shape, kind: int) -> str:
        """Add an input beside those that there are."""
        value = self._free(name)
        self._inputs = {**self._inputs, value: (shape, kind)}
        self._hold(value, shape)
        self._kinds[value] = kind
        return value

    def kind(self, value: str) -> int:
        """Give ONNX's number of what a value is made of."""
        return self._kinds.get(value, onnx.TensorProto.FLOAT)

    def weight(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant, float32 or the int64 of a shape."""
        if not self._keep_weights:
            return self._free(name)
        # As graph/check.py: minus infinity masks, and one number may be a bound without effect.
        endless = array.dtype.kind == "f" and array.size > 1 and np.isposinf(array).any()
        if endless or (array.dtype.kind == "f" and np.isnan(array).any()):
            raise TatamiError(
                f"weight '{name}' holds a NaN or an infinity", hint="take another copy of the file"
            )
        value = self._free(name)
        tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), value)
        self._weights.append(tensor)
        return value

    def conv(
        self,
        name: str,
        x: str,
        weight: Float32,
        bias: Float32 | None,
        window: Window,
        groups: int = 1,
    ) -> str:
        """Add a convolution.

        Args:
            name: What it is called.
            x: A map.
            weight: (outputs, channels / groups, rows, columns).
            bias: (outputs,).
            window: Where the kernel lies.
            groups: How many parts the channels are divided into.
        """
        channels, _, _ = self._map(name, x)
        if channels != weight.shape[1] * groups or weight.shape[0] % groups:
            raise _unfit(
                name, f"has weights {weight.shape} in {groups} groups for {channels} channels"
            )
        shape = (1, len(weight), *self._places(name, x, window))
        inputs = [x, self.weight(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self.weight(f"{name}.bias", bias))
        attributes: dict[str, Attribute] = {
            **window_attributes(window),
            "dilations": (window.rows.dilation, window.columns.dilation),
            "group": groups,
        }
        return self.add("Conv", name, inputs, shape, attributes)

    def conv_transpose(
        self,
        name: str,
        x: str,
        weight: Float32,
        bias: Float32 | None,
        window: Window,
        groups: int = 1,
        more: tuple[int, int] = (0, 0),
    ) -> str:
        """Add a transposed convolution.

        Args:
            name: What it is called.
            x: A map.
            weight: (channels, outputs / groups, rows, columns).
            bias: (outputs,).
            window: Where the kernel lies on the result; its padding is cut off.
            groups: How many parts the channels are divided into.
            more: Rows and columns that the result has beyond the last place of the kernel.
        """
        channels, height, width = self._map(name, x)
        if channels != weight.shape[0] or channels % groups:
            raise _unfit(
                name, f"has weights {weight.shape} in {groups} groups for {channels} channels"
            )
        sides = [
            (length - 1) * axis.stride + axis.span - axis.before - axis.after + extra
            for axis, length, extra in zip(window, (height, width), more, strict=True)
        ]
        if min(sides) < 1 or any(
            not 0 <= extra < max(axis.stride, axis.dilation)
            for axis, extra in zip(window, more, strict=True)
        ):
            raise _unfit(name, f"makes a map of {sides[1]}x{sides[0]}, {more} beyond its kernel")
        shape = (1, weight.shape[1] * groups, *sides)
        inputs = [x, self.weight(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self.weight(f"{name}.bias", bias))
        attributes: dict[str, Attribute] = {
            **window_attributes(window),
            "dilations": (window.rows.dilation, window.columns.dilation),
            "group": groups,
            "output_padding": more,
        }
        return self.add("ConvTranspose", name, inputs, shape, attributes)

    def batch_norm(
        self,
        name: str,
        x: str,
        scale: Float32,
        bias: Float32,
        mean: Float32,
        variance: Float32,
        epsilon: float,
    ) -> str:
        """Add (x - mean) / sqrt(variance + epsilon) * scale + bias; each (channels,)."""
        channels, _, _ = self._map(name, x)
        inputs = [x]
        parts = {"scale": scale, "bias": bias, "mean": mean, "variance": variance}
        for part, array in parts.items():
            if array.shape != (channels,):
                raise _unfit(name, f"has a {part} {array.shape} for {channels} channels")
            inputs.append(self.weight(f"{name}.{part}", array))
        if not math.isfinite(epsilon) or not (variance.astype(np.float64) + epsilon > 0).all():
            raise _unfit(name, "has a variance that is negative beyond its epsilon")
        return self.add("BatchNormalization", name, inputs, self.shape(x), {"epsilon": epsilon})

    def scale(self, name: str, x: str, factor: Float32 | None, offset: Float32 | None) -> str:
        """Add x * factor + offset along axis 1, each (channels,) or None for what is left out."""
        shape = self.shape(x)
        if len(shape) < 2:
            raise _unfit(name, f"scales a value of shape {shape}, which has no channels")
        for operator, part, array in (("Mul", "scale", factor), ("Add", "bias", offset)):
            if array is None:
                continue
            if array.shape != (shape[1],):
                raise _unfit(name, f"has a {part} {array.shape} for {shape[1]} channels")
            column = array.reshape(1, -1, *[1] * (len(shape) - 2))
            x = self.add(operator, name, [x, self.weight(f"{name}.{part}", column)], shape)
        return x

    def multiply(self, name: str, x: str, number: float) -> str:
        """Add x times one number."""
        shape = self.shape(x)
        factor = np.full([1] * len(shape), number, np.float32)
        return self.add("Mul", name, [x, self.weight(f"{name}.factor", factor)], shape)

    def inner_product(self, name: str, x: str, weight: Float32, bias: Float32 | None) -> str:
        """Add (1, inputs) times weight (outputs, inputs), transposed, plus bias (outputs,)."""
        shape = self.shape(x)
        if len(shape) != 2 or shape[1] != weight.shape[1]:
            raise _unfit(name, f"has weights {weight.shape} for a value of shape {shape}")
        inputs = [x, self.weight(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self.weight(f"{name}.bias", bias))
        return self.add("Gemm", name, inputs, (shape[0], len(weight)), {"transB": 1})

    def relu(self, name: str, x: str) -> str:
        """Add max(x, 0)."""
        return self.add("Relu", name, [x], self.shape(x))

    def leaky_relu(self, name: str, x: str, slope: float) -> str:
        """Add x where x >= 0, else slope * x."""
        return self.add("LeakyRelu", name, [x], self.shape(x), {"alpha": slope})

    def sigmoid(self, name: str, x: str) -> str:
        """Add the sigmoid of x."""
        return self.add("Sigmoid", name, [x], self.shape(x))

    def clip(self, name: str, x: str, low: float, high: float) -> str:
        """Add x clipped to between ``low`` and ``high``."""
        limits = [
            self.weight(f"{name}.{part}", np.asarray(limit, np.float32))
            for part, limit in (("low", low), ("high", high))
        ]
        return self.add("Clip", name, [x, *limits], self.shape(x))

    def function(
        self, operator: str, name: str, x: str, attributes: Mapping[str, Attribute] | None = None
    ) -> str:
        """Add a function of each number by itself."""
        return self.add(operator, name, [x], self.shape(x), attributes)

    def swish(self, name: str, x: str) -> str:
        """Add x times its sigmoid."""
        return self.elementwise("Mul", name, x, self.sigmoid(f"{name}/sigmoid", x))

    def prelu(self, name: str, x: str, slope: Float32) -> str:
        """Add x where x >= 0, else slope * x; slope is (channels,) along axis 1, or (1,)."""
        shape = self.shape(x)
        if len(shape) < 2 or slope.shape not in ((1,), (shape[1],)):
            raise _unfit(name, f"has slopes {slope.shape} for a value of shape {shape}")
        column = self.weight(f"{name}.slope", slope.reshape(-1, *[1] * (len(shape) - 2)))
        return self.add("PRelu", name, [x, column], shape)

    def constant(self, name: str, array: NDArray[Any], kind: int = onnx.TensorProto.FLOAT) -> str:
        """Add a value that is the same for every input; its first axis is that of the pictures."""
        value = self.weight(name, array)
        self._hold(value, array.shape)
        self._kinds[value] = kind
        return value

    def number(
        self, operator: Arithmetic, name: str, x: str, number: float, *, first: bool = False
    ) -> str:
        """Combine each number of x with one number, which comes after it or, if so said, first."""
        shape = self.shape(x)
        other = self.weight(f"{name}.number", np.full([1] * len(shape), number, np.float32))
        return self.add(operator, name, [other, x] if first else [x, other], shape)

    def slice(self, name: str, x: str, axis: int, start: int, end: int, step: int = 1) -> str:
        """Take the samples ``start``, ``start + step``, ... before ``end`` along an axis."""
        shape = self.shape(x)
        if not 0 < axis < len(shape) or not 0 <= start < end <= shape[axis] or step < 1:
            raise _unfit(name, f"takes {start} to {end} along axis {axis} of {shape}")
        said = [
            self.weight(f"{name}.{part}", np.asarray([number], np.int64))
            for part, number in (("start", start), ("end", end), ("axis", axis), ("step", step))
        ]
        length = -(-(end - start) // step)
        return self.add("Slice", name, [x, *said], (*shape[:axis], length, *shape[axis + 1 :]))

    def reduce(
        self, operator: Reduction, name: str, x: str, axes: Sequence[int], *, keep: bool = True
    ) -> str:
        """Reduce along axes, which stay with one sample or, if so said, go."""
        shape = self.shape(x)
        if not all(0 < axis < len(shape) for axis in axes):
            raise _unfit(name, f"reduces axes {list(axes)} of a value of shape {shape}")
        made = [1 if axis in axes else side for axis, side in enumerate(shape)]
        if not keep:
            made = [side for axis, side in enumerate(shape) if axis not in axes]
        said = self.weight(f"{name}.axes", np.asarray(sorted(set(axes)), np.int64))
        return self.add(operator, name, [x, said], tuple(made), {"keepdims": int(keep)})

    def matmul(self, name: str, x: str, weight: Float32) -> str:
        """Multiply matrices, x by weight, both of the same axes but for the last two."""
        shape = self.shape(x)
        if shape[:-2] != weight.shape[:-2] or shape[-1:] != weight.shape[-2:-1]:
            raise _unfit(name, f"has weights {weight.shape} for a value of shape {shape}")
        inputs = [x, self.weight(f"{name}.weight", weight)]
        return self.add("MatMul", name, inputs, (*shape[:-1], weight.shape[-1]))

    def lrn(self, name: str, x: str, size: int, alpha: float, beta: float, bias: float) -> str:
        """Divide by (bias + alpha / size * sum of ``size`` channels' squares) ** beta."""
        self._map(name, x)
        if size < 1 or size % 2 == 0:
            raise _unfit(name, f"sums {size} channels, which is not odd")
        attributes: dict[str, Attribute] = {
            "size": size,
            "alpha": alpha,
            "beta": beta,
            "bias": bias,
        }
        return self.function("LRN", name, x, attributes)

    def softmax(self, name: str, x: str, axis: int) -> str:
        """Add softmax along an axis."""
        shape = self.shape(x)
        if not -len(shape) <= axis < len(shape):
            raise _unfit(name, f"works along axis {axis} of a value of shape {shape}")
        return self.add("Softmax", name, [x], shape, {"axis": axis % len(shape)})

    def max_pool(self, name: str, x: str, window: Window, *, same: bool = False) -> str:
        """Add a max pool; padding is minus infinity, ``same`` as in ``window_attributes``."""
        return self._pool("MaxPool", name, x, window_attributes(window, same), window)

    def average_pool(
        self, name: str, x: str, window: Window, *, count_padding: bool, same: bool = False
    ) -> str:
        """Add an average pool.

        Args:
            name: What it is called.
            x: A map.
            window: Where it lies.
            count_padding: Whether the divisor is the whole window's, padding being zeros.
            same: As in ``window_attributes``.
        """
        more = {**window_attributes(window, same), "count_include_pad": int(count_padding)}
        return self._pool("AveragePool", name, x, more, window)

    def global_pool(self, name: str, x: str, kind: Literal["max", "average"]) -> str:
        """Add a pool of the whole map: (1, channels, rows, columns) -> (1, channels, 1, 1)."""
        channels, _, _ = self._map(name, x)
        operator = "GlobalMaxPool" if kind == "max" else "GlobalAveragePool"
        return self.add(operator, name, [x], (1, channels, 1, 1))

    def pad(self, name: str, x: str, window: Window) -> str:
        """Add zeros around a map, as many as the window's padding says."""
        self._map(name, x)
        rows, columns = window.rows, window.columns
        before, after = (rows.before, columns.before), (rows.after, columns.after)
        return self.pad_axes(name, x, (0, 0, *before), (0, 0, *after))

    def pad_axes(
        self,
        name: str,
        x: str,
        before: Sequence[int],
        after: Sequence[int],
        mode: Literal["constant", "edge", "reflect"] = "constant",
        value: float = 0.0,
    ) -> str:
        """Add samples around a value.

        Args:
            name: What it is called.
            x: Any value.
            before: Of each axis.
            after: Of each axis.
            mode: What they are.
            value: The constant.
        """
        shape = self.shape(x)
        most = [side - 1 if mode == "reflect" else MAX_ELEMENTS for side in shape]
        sides = list(zip(before, after, most, strict=True))
        if any(min(pair[:2]) < 0 or max(pair[:2]) > pair[2] for pair in sides):
            raise _unfit(name, f"pads a value of shape {shape} by {before} and {after}")
        made = tuple(a + side + b for a, side, b in zip(before, shape, after, strict=True))
        self._bound(name, made)
        inputs = [x, self.weight(f"{name}.pads", np.asarray([*before, *after], np.int64))]
        if value:
            inputs.append(self.weight(f"{name}.value", np.asarray(value, np.float32)))
        return self.add("Pad", name, inputs, made, {"mode": mode} if mode != "constant" else {})

    def concat(self, name: str, values: Sequence[str], axis: int = 1) -> str:
        """Concatenate values along one axis; negative axes count from the end."""
        shapes = [self.shape(value) for value in values]
        rank = len(shapes[0])
        if not -rank <= axis < rank:
            raise _unfit(name, f"joins along axis {axis} of values of shape {shapes[0]}")
        axis %= rank
        rests = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
        if len(rests) > 1 or any(len(shape) != rank for shape in shapes):
            raise _unfit(name, f"joins {', '.join(map(str, shapes))} along axis {axis}")
        total = sum(shape[axis] for shape in shapes)
        shape = (*shapes[0][:axis], total, *shapes[0][axis + 1 :])
        return self.add("Concat", name, values, shape, {"axis": axis})

    def elementwise(self, operator: Arithmetic, name: str, a: str, b: str) -> str:
        """Combine two values, number by number, of one shape."""
        if self.shape(a) != self.shape(b):
            raise _unfit(name, f"combines values of shapes {self.shape(a)} and {self.shape(b)}")
        return self.add(operator, name, [a, b], self.shape(a))

    def spread(self, operator: Arithmetic, name: str, a: str, b: str) -> str:
        """Combine two values of as many axes, where a side of 1 stands for as many as needed."""
        shapes = self.shape(a), self.shape(b)
        if len(shapes[0]) != len(shapes[1]) or any(
            1 not in pair and pair[0] != pair[1] for pair in zip(*shapes, strict=True)
        ):
            raise _unfit(name, f"combines values of shapes {shapes[0]} and {shapes[1]}")
        shape = tuple(max(pair) for pair in zip(*shapes, strict=True))
        return self.add(operator, name, [a, b], shape)

    def upsample(self, name: str, x: str, rows: int, columns: int) -> str:
        """Repeat every sample, ``rows`` times down and ``columns`` times across."""
        channels, height, width = self._map(name, x)
        if min(rows, columns) < 1:
            raise _unfit(name, f"enlarges {rows} times down and {columns} times across")
        shape = (1, channels, height * rows, width * columns)
        attributes: dict[str, Attribute] = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return self._resize(name, x, shape, attributes)

    def resize_linear(
        self, name: str, x: str, size: Size, coordinates: Literal["half_pixel", "align_corners"]
    ) -> str:
        """Resize to a size, bilinearly."""
        channels, _, _ = self._map(name, x)
        shape = (1, channels, size.height, size.width)
        attributes: dict[str, Attribute] = {
            "mode": "linear",
            "coordinate_transformation_mode": coordinates,
        }
        return self._resize(name, x, shape, attributes)

    def resize_nearest(self, name: str, x: str, size: Size) -> str:
        """Resize to a size by the sample that a place begins in: floor(i * old / new)."""
        channels, _, _ = self._map(name, x)
        attributes: dict[str, Attribute] = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return self._resize(name, x, (1, channels, size.height, size.width), attributes)

    def space_to_depth(self, name: str, x: str, block: int) -> str:
        """Lay the samples of each block x block out as channels: by row and column, all of each."""
        channels, height, width = self._map(name, x)
        if block < 1 or height % block or width % block:
            raise _unfit(name, f"takes blocks of {block}x{block} of a map of {width}x{height}")
        shape = (1, channels * block * block, height // block, width // block)
        return self.add("SpaceToDepth", name, [x], shape, {"blocksize": block})

    def shuffle(self, name: str, x: str, groups: int) -> str:
        """Deal the channels of each of so many groups out, one a group in turn."""
        channels, height, width = self._map(name, x)
        if groups < 1 or channels % groups:
            raise _unfit(name, f"deals {channels} channels out of {groups} groups")
        parts = (1, groups, channels // groups, height * width)
        value = self.reshape(f"{name}/groups", x, parts)
        value = self.transpose(f"{name}/dealt", value, (0, 2, 1, 3))
        return self.reshape(name, value, (1, channels, height, width))

    def makers(self) -> dict[str, onnx.NodeProto]:
        """Give the node that makes each value so far."""
        return {node.output[0]: node for node in self._nodes}

    def transpose(self, name: str, x: str, order: Sequence[int]) -> str:
        """Reorder axes: axis i of the result is axis ``order[i]`` of x."""
        shape = self.shape(x)
        if sorted(order) != list(range(len(shape))):
            raise _unfit(name, f"orders the axes of a value of shape {shape} as {list(order)}")
        made = tuple(shape[axis] for axis in order)
        return self.add("Transpose", name, [x], made, {"perm": list(order)}, self.kind(x))

    def reshape(self, name: str, x: str, shape: Shape, kind: int | None = None) -> str:
        """Give the same numbers another shape, every side of which is known."""
        if min(shape, default=1) < 1 or math.prod(shape) != math.prod(self.shape(x)):
            raise _unfit(name, f"makes {shape} of a value of shape {self.shape(x)}")
        sides = self.weight(f"{name}.shape", np.asarray(shape, np.int64))
        return self.add("Reshape", name, [x, sides], shape, kind=kind or self.kind(x))

    def model(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        """Finish the network.

        Args:
            outputs: Each output's name and its value, in order.
        """
        assert self._keep_weights, "a network without its weights"
        shapes = {name: self.shape(value) for name, value in outputs.items()}
        self._name_outputs(outputs)
        kinds = {name: self.kind(value) for name, value in outputs.items()}
        graph = helper.make_graph(
            self._nodes,
            "network",
            [
                helper.make_tensor_value_info(name, kind, shape)
                for name, (shape, kind) in self._inputs.items()
            ],
            [helper.make_tensor_value_info(name, kinds[name], shapes[name]) for name in outputs],
            self._weights,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        try:
            onnx.checker.check_model(model, full_check=True)
        except (checker.ValidationError, shape_inference.InferenceError, ValueError) as error:
            raise TatamiError(
                f"the network does not fit together: {str(error).splitlines()[0][:200]}",
                hint="take another copy of the file",
            ) from error
        return model

    def _name_outputs(self, outputs: Mapping[str, str]) -> None:
        """Give outputs the names that they must have; what had one of these gets another."""
        for name in self._inputs:
            if name in outputs:
                raise _unfit(name, "is an input's name, an output cannot have it")
        renamed: dict[str, str] = {}
        for name in outputs:
            self._taken[name] = max(self._taken[name], 1)
        for name, value in outputs.items():
            if value in self._inputs or value in renamed:  # neither can have a second name
                value = self.add(
                    "Identity", name, [value], self.shape(value), kind=self.kind(value)
                )
            renamed[value] = name
        for name in outputs:
            if name not in renamed:
                renamed[name] = self._free(name)
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [renamed.get(each, each) for each in names]
            node.name = node.output[0]
        for tensor in self._weights:
            tensor.name = renamed.get(tensor.name, tensor.name)

    def _pool(
        self, operator: str, name: str, x: str, more: Mapping[str, Attribute], window: Window
    ) -> str:
        channels, _, _ = self._map(name, x)
        for axis in (window.rows, window.columns):
            if axis.dilation != 1:
                raise _unfit(name, "is a pool with dilation")
            if max(axis.before, axis.after) >= axis.span:
                raise _unfit(name, "pads by its whole window: a place would see nothing")
        shape = (1, channels, *self._places(name, x, window))
        kernel = (window.rows.kernel, window.columns.kernel)
        attributes = {"kernel_shape": kernel, **more}
        return self.add(operator, name, [x], shape, attributes)

    def _places(self, name: str, x: str, window: Window) -> tuple[int, int]:
        """Count the places that a window takes on a map; the padded map is bounded too."""
        channels, height, width = self._map(name, x)
        rows, columns = window.rows, window.columns
        padded = (height + rows.before + rows.after, width + columns.before + columns.after)
        self._bound(name, (1, channels, *padded))
        return rows.output(height), columns.output(width)

    def _resize(self, name: str, x: str, shape: Shape, attributes: Mapping[str, Attribute]) -> str:
        self._bound(name, shape)
        sizes = self.weight(f"{name}.sizes", np.asarray(shape, np.int64))
        return self.add("Resize", name, [x, "", "", sizes], shape, attributes)

    def _map(self, name: str, x: str) -> tuple[int, int, int]:
        """Give channels, rows and columns of a value that must be a map."""
        shape = self.shape(x)
        if len(shape) != 4:
            raise _unfit(name, f"needs a map, not a value of shape {shape}")
        return shape[1], shape[2], shape[3]

    def _hold(self, value: str, shape: Shape) -> None:
        self._bound(value, shape)
        self._shapes[value] = shape

    def _bound(self, name: str, shape: Shape) -> None:
        if len(shape) > MAX_AXES:
            raise _unfit(name, f"makes a value of {len(shape)} axes, more than {MAX_AXES}")
        if math.prod(shape) > MAX_ELEMENTS:
            raise TatamiError(
                f"'{name}' makes a value of shape {shape}, beyond {MAX_ELEMENTS} numbers",
                hint="take a smaller input",
            )

    def _free(self, name: str) -> str:
        """Give the name or, where it is taken, the name and a number."""
        found = name
        while self._taken[found]:
            found = f"{name}_{self._taken[name]}"
            self._taken[name] += 1
        self._taken[found] += 1
        return found


def window_attributes(window: Window, same: bool = False) -> dict[str, Attribute]:
    """Give the attributes of a node for its strides and padding.

    Args:
        window: Where it lies.
        same: Whether the padding is a rule, as many outputs as strides fit, the odd sample at the
            end: at another input size it is another padding. A dilated window keeps the numbers,
            since ONNX Runtime refuses the rule for it.
    """
    rows, columns = window.rows, window.columns
    found: dict[str, Attribute] = {"strides": (rows.stride, columns.stride)}
    plain = max(rows.dilation, columns.dilation) == 1
    if same and plain and max(rows.span, columns.span) > 1:
        return {**found, "auto_pad": "SAME_UPPER"}
    return {**found, "pads": (rows.before, columns.before, rows.after, columns.after)}


def _unfit(name: str, reason: str) -> TatamiError:
    return TatamiError(f"'{name}' {reason}", hint="take another copy of the file, or correct it")
