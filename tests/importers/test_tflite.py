"""TFLite files, written here field by field, against plain NumPy with channels last, and LiteRT."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.read import network_of
from tatami.importers.imported import Imported
from tatami.importers.tflite import read_tflite
from tatami.importers.tflite_schema import BUILTIN
from tatami.program.interpret import run
from tatami.program.lower import lower
from tatami.shrink.resize import resize
from tatami.types import Size

flatbuffers = pytest.importorskip("flatbuffers", reason="Google's writer is not here")
flexbuffers = pytest.importorskip("flatbuffers.flexbuffers")

KINDS = {
    "float32": 0,
    "float16": 1,
    "int32": 2,
    "uint8": 3,
    "int64": 4,
    "bool": 6,
    "int16": 7,
    "int8": 9,
    "uint32": 15,
}
OPTIONS = {
    **{"CONV_2D": 1, "DEPTHWISE_CONV_2D": 2, "AVERAGE_POOL_2D": 5, "MAX_POOL_2D": 5},
    **{"FULLY_CONNECTED": 8, "SOFTMAX": 9, "CONCATENATION": 10, "ADD": 11, "RESIZE_BILINEAR": 15},
    **{"RESHAPE": 17, "MUL": 21, "PAD": 22, "MEAN": 27, "SUB": 28, "SQUEEZE": 30},
    **{"DEQUANTIZE": 38, "RESIZE_NEAREST_NEIGHBOR": 74, "LEAKY_RELU": 75, "QUANTIZE": 89},
}
"""BuiltinOptions: which kind of table the options are."""


class File:
    """A TFLite file in the making; the methods give indices of tensors."""

    def __init__(self, image=(1, 7, 9, 3), kind="float32", steps=None):
        self.tensors, self.operators, self.variables = [], [], set()
        self.sparse, self.branches = {}, []
        self.rng = np.random.default_rng(0)
        self.image = self.tensor("image", image, kind, steps=steps)

    def tensor(self, name, shape, kind="float32", data=None, steps=None, axis=0):
        """steps: (scale or scales, zero point or points)."""
        self.tensors.append((name, tuple(shape), kind, data, steps, axis))
        return len(self.tensors) - 1

    def constant(self, data, steps=None, axis=0):
        data = np.asarray(data)
        name = f"constant{len(self.tensors)}"
        return self.tensor(name, data.shape, str(data.dtype), data, steps, axis)

    def weights(self, *shape):
        return self.rng.normal(0, 0.5, shape).astype(np.float32)

    def add(self, code, inputs, shape, options=(), custom=None, **made):
        """options: {field: value}; int, bool, float, or a list of integers."""
        output = self.tensor(f"{code.lower()}{len(self.operators)}", shape, **made)
        self.operators.append((code, inputs, [output], dict(options), custom))
        return output

    def content(self, *outputs) -> bytes:
        """branches: further graphs, a File with its inputs and outputs each."""
        b = flatbuffers.Builder(0)
        buffers = [self._table(b, {})]
        graphs = [(self, [self.image], outputs), *self.branches]
        codes = sorted({operator[0] for file, _, _ in graphs for operator in file.operators})
        nets = [file._graph(b, buffers, codes, inputs, made) for file, inputs, made in graphs]
        tables = []
        for code in codes:
            number = BUILTIN.index(code) if code in BUILTIN else BUILTIN.index("CUSTOM")
            fields = {0: ("int8", min(number, 127)), 2: ("int32", 1), 3: ("int32", number)}
            if code not in BUILTIN:
                fields[1] = ("offset", b.CreateString(code))
            tables.append(self._table(b, fields))
        model = {
            0: ("uint32", 3),
            1: ("offset", self._vector(b, tables)),
            2: ("offset", self._vector(b, nets)),
            4: ("offset", self._vector(b, buffers)),
        }
        b.Finish(self._table(b, model), file_identifier=b"TFL3")
        return bytes(b.Output())

    def _graph(self, b, buffers, codes, inputs, outputs):
        tensors, operators = [], []
        for name, shape, kind, data, steps, axis in self.tensors:
            number = 0
            if data is not None:
                number = len(buffers)
                raw = np.frombuffer(data.tobytes(), np.uint8)
                buffers.append(self._table(b, {0: ("offset", b.CreateNumpyVector(raw))}))
            fields = {
                0: ("offset", b.CreateNumpyVector(np.array(shape, np.int32))),
                1: ("int8", KINDS[kind]),
                2: ("uint32", number),
                3: ("offset", b.CreateString(name)),
            }
            if steps is not None:
                scale, zero = np.atleast_1d(steps[0]), np.atleast_1d(steps[1])
                parts = {
                    2: ("offset", b.CreateNumpyVector(scale.astype(np.float32))),
                    3: ("offset", b.CreateNumpyVector(zero.astype(np.int64))),
                    6: ("int32", axis),
                }
                fields[4] = ("offset", self._table(b, parts))
            if len(tensors) in self.variables:
                fields[5] = ("bool", True)
            if len(tensors) in self.sparse:
                fields[6] = ("offset", self._sparsity(b, *self.sparse[len(tensors)]))
            tensors.append(self._table(b, fields))
        for code, read, made, options, custom in self.operators:
            fields = {
                0: ("uint32", codes.index(code)),
                1: ("offset", b.CreateNumpyVector(np.array(read, np.int32))),
                2: ("offset", b.CreateNumpyVector(np.array(made, np.int32))),
                3: ("uint8", OPTIONS.get(code, 0)),
            }
            if code in OPTIONS:
                fields[4] = ("offset", self._table(b, self._options(b, options)))
            if custom is not None:
                raw = np.frombuffer(bytes(flexbuffers.Dumps(custom)), np.uint8)
                fields[5] = ("offset", b.CreateNumpyVector(raw))
            operators.append(self._table(b, fields))
        net = {
            0: ("offset", self._vector(b, tensors)),
            1: ("offset", b.CreateNumpyVector(np.array(inputs, np.int32))),
            2: ("offset", b.CreateNumpyVector(np.array(outputs, np.int32))),
            3: ("offset", self._vector(b, operators)),
        }
        return self._table(b, net)

    def _sparsity(self, b, order, blocked, levels):
        """levels: a length each, or what segments and indices there are."""
        tables = []
        for level in levels:
            if isinstance(level, int):
                tables.append(self._table(b, {0: ("int8", 0), 1: ("int32", level)}))
                continue
            fields = {0: ("int8", 1)}
            for field, numbers in zip((2, 4), level, strict=True):
                vector = b.CreateNumpyVector(np.array(numbers, np.uint8))
                fields[field] = ("uint8", 3)
                fields[field + 1] = ("offset", self._table(b, {0: ("offset", vector)}))
            tables.append(self._table(b, fields))
        parts = {
            0: ("offset", b.CreateNumpyVector(np.array(order, np.int32))),
            1: ("offset", b.CreateNumpyVector(np.array(blocked, np.int32))),
            2: ("offset", self._vector(b, tables)),
        }
        return self._table(b, parts)

    @staticmethod
    def _options(b, options):
        kinds = {bool: "bool", int: "int32", float: "float32"}
        fields = {}
        for field, value in options.items():
            if isinstance(value, list):
                value = b.CreateNumpyVector(np.array(value, np.int32))
                fields[field] = ("offset", value)
            else:
                fields[field] = (kinds[type(value)], value)
        # Enumerations are bytes: a whole number below 8 written as one reads the same.
        return fields

    @staticmethod
    def _table(b, fields):
        b.StartObject(max(fields, default=-1) + 1)
        for field, (kind, value) in fields.items():
            match kind:
                case "offset":
                    b.PrependUOffsetTRelativeSlot(field, value, 0)
                case "bool":
                    b.PrependBoolSlot(field, value, not value)
                case _:
                    write = getattr(b, f"Prepend{kind.capitalize()}Slot")
                    write(field, value, value - 1 if value > 0 else value + 1)
        return b.EndObject()

    @staticmethod
    def _vector(b, offsets):
        b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return b.EndVector()


# The same in NumPy, channels last -----------------------------------------------------------------


def padded(x, kernel, stride, dilation, same, value=0.0):
    """(rows, columns, n) with TFLite's padding."""
    widths = [(0, 0)] * 3
    for axis in (0, 1):
        if same:
            span = (kernel[axis] - 1) * dilation[axis] + 1
            outputs = -(-x.shape[axis] // stride[axis])
            total = max(0, (outputs - 1) * stride[axis] + span - x.shape[axis])
            widths[axis] = (total // 2, total - total // 2)
    return np.pad(x, widths, constant_values=value)


def windows(x, kernel, stride, dilation=(1, 1), same=True, value=0.0):
    """(rows, columns, n) to (outputs down, outputs across, taps down, taps across, n)."""
    x = padded(x, kernel, stride, dilation, same, value)
    spans = [(kernel[axis] - 1) * dilation[axis] + 1 for axis in (0, 1)]
    found = np.lib.stride_tricks.sliding_window_view(x, spans, (0, 1))
    found = found[:: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return found.transpose(0, 1, 3, 4, 2)


def convolved(x, w, b, stride=(1, 1), dilation=(1, 1), same=True):
    """w: (outputs, rows, columns, n)."""
    taps = windows(x[0], w.shape[1:3], stride, dilation, same)
    return np.einsum("yxuvn,ouvn->yxo", taps, w)[None] + b


def convolved_by_channel(x, w, b, stride=(1, 1), dilation=(1, 1), same=True):
    """w: (1, rows, columns, n * multiplier)."""
    taps = windows(x[0], w.shape[1:3], stride, dilation, same)
    many = w[0].reshape(*w.shape[1:3], taps.shape[-1], -1)
    found = np.einsum("yxuvn,uvnm->yxnm", taps, many)
    return found.reshape(1, *found.shape[:2], -1) + b


Case = tuple[int, Callable[[np.ndarray], np.ndarray]]
"""The output's tensor, and what it is for an image (1, rows, columns, 3)."""


def of(file: File, code, others, expected, options=(), **more) -> Case:
    shape = expected(np.zeros(file.tensors[file.image][1], np.float32)).shape
    constants = [file.constant(other) for other in others]
    return file.add(code, [file.image, *constants], shape, options, **more), expected


def conv(file, stride=(1, 1), dilation=(1, 1), same=True, fused=0, kernel=(3, 2)) -> Case:
    w, b = file.weights(5, *kernel, 3), file.weights(5)

    def expected(x):
        y = convolved(x, w, b, stride, dilation, same)
        return np.clip(y, 0, {0: np.inf, 1: np.inf, 3: 6}[fused]) if fused else y

    fields = {0: 0 if same else 1, 1: stride[1], 2: stride[0], 3: fused}
    options = {**fields, 4: dilation[1], 5: dilation[0]}
    return of(file, "CONV_2D", [w, b], expected, options)


def depthwise(file, stride=(1, 1), dilation=(1, 1), same=True) -> Case:
    w, b = file.weights(1, 3, 3, 6), file.weights(6)
    fields = {0: 0 if same else 1, 1: stride[1], 2: stride[0], 3: 2}
    return of(
        file,
        "DEPTHWISE_CONV_2D",
        [w, b],
        lambda x: convolved_by_channel(x, w, b, stride, dilation, same),
        {**fields, 4: 0, 5: dilation[1], 6: dilation[0]},
    )


def pool(file, code, same) -> Case:
    def expected(x):
        value = -np.inf if code == "MAX_POOL_2D" else np.nan
        taps = windows(x[0], (3, 2), (2, 2), same=same, value=value)
        best = taps.max if code == "MAX_POOL_2D" else lambda axes: np.nanmean(taps, axes)
        return best((2, 3))[None]

    return of(file, code, [], expected, {0: 0 if same else 1, 1: 2, 2: 2, 3: 2, 4: 3, 5: 0})


def dense(file, through_reshape: bool) -> Case:
    """Of a whole map, whose numbers are in the order row, column, channel."""
    w, b = file.weights(4, 7 * 9 * 3), file.weights(4)
    x = file.image
    if through_reshape:
        x = file.add("RESHAPE", [x, file.constant(np.int32([1, -1]))], (1, 189))
    output = file.add("FULLY_CONNECTED", [x, file.constant(w), file.constant(b)], (1, 4), {0: 1})
    return output, lambda x: np.maximum(x.reshape(1, -1) @ w.T + b, 0)


def reshaped(file) -> Case:
    shape = (1, 63, 3)
    output = file.add("RESHAPE", [file.image, file.constant(np.int32(shape))], shape)
    return output, lambda x: x.reshape(shape)


def regrouped(file) -> Case:
    """From one map to another, in which every number gets another place."""
    shape = (1, 3, 9, 7)
    output = file.add("RESHAPE", [file.image], shape, {0: list(shape)})
    return output, lambda x: x.reshape(shape)


def mean(file, keep) -> Case:
    axes = file.constant(np.int32([1, 2]))
    shape = (1, 1, 1, 3) if keep else (1, 3)
    output = file.add("MEAN", [file.image, axes], shape, {0: keep})
    return output, lambda x: x.mean((1, 2), keepdims=keep)


def joined(file, axis) -> Case:
    other = file.add("RELU", [file.image], (1, 7, 9, 3))
    shape = [1, 7, 9, 3]
    shape[axis] *= 2
    output = file.add("CONCATENATION", [file.image, other], shape, {0: axis, 1: 0})
    return output, lambda x: np.concatenate([x, np.maximum(x, 0)], axis)


def resized(file, linear, corners, half) -> Case:
    """By TFLite's own formulas."""

    def places(length, outputs):
        scale = (length - 1) / (outputs - 1) if corners else length / outputs
        at = np.arange(outputs)
        if linear:
            return np.clip((at + 0.5) * scale - 0.5 if half else at * scale, 0, length - 1)
        exact = (at + 0.5 * half) * scale
        return np.minimum(np.floor(exact + 0.5) if corners else np.floor(exact), length - 1)

    def along(x, axis, at):
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        weight = (at - low).reshape([-1 if i == axis else 1 for i in range(4)])
        return x.take(low, axis) * (1 - weight) + x.take(high, axis) * weight

    def expected(x):
        return along(along(x, 1, places(7, 14)), 2, places(9, 22))

    code = "RESIZE_BILINEAR" if linear else "RESIZE_NEAREST_NEIGHBOR"
    options = {2: corners, 3: half} if linear else {0: corners, 1: half}
    return of(file, code, [np.int32([14, 22])], expected, options)


def soft(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def halved(file) -> Case:
    """Weights in float16 behind a DEQUANTIZE, as the converter writes them."""
    w, b = file.weights(4, 1, 1, 3).astype(np.float16), file.weights(4)
    wide = file.add("DEQUANTIZE", [file.constant(w)], w.shape)
    inputs = [file.image, wide, file.constant(b)]
    output = file.add("CONV_2D", inputs, (1, 7, 9, 4), {0: 0, 1: 1, 2: 1, 3: 0})
    return output, lambda x: convolved(x, w.astype(np.float32), b)


COLUMN = np.float32([2, -3, 0.5])
CASES: dict[str, Callable[[File], Case]] = {
    "conv": conv,
    "conv stride 2": lambda f: conv(f, (2, 3)),
    "conv even stride 2": lambda f: conv(f, (2, 2), kernel=(2, 4)),
    "conv valid relu6": lambda f: conv(f, (1, 2), same=False, fused=3),
    "conv dilated relu": lambda f: conv(f, dilation=(2, 3), fused=1),
    "depthwise": depthwise,
    "depthwise stride 2": lambda f: depthwise(f, (2, 2), same=False),
    "depthwise dilated": lambda f: depthwise(f, dilation=(2, 2)),
    "max pool": lambda f: pool(f, "MAX_POOL_2D", True),
    "average pool": lambda f: pool(f, "AVERAGE_POOL_2D", True),
    "average pool valid": lambda f: pool(f, "AVERAGE_POOL_2D", False),
    "dense": lambda f: dense(f, False),
    "reshape dense": lambda f: dense(f, True),
    "reshape": reshaped,
    "reshape to a map": regrouped,
    "mean": lambda f: mean(f, False),
    "mean kept": lambda f: mean(f, True),
    "concat channels": lambda f: joined(f, 3),
    "concat rows": lambda f: joined(f, 1),
    "add": lambda f: of(f, "ADD", [COLUMN], lambda x: x + COLUMN, {0: 0}),
    "sub": lambda f: of(f, "SUB", [COLUMN], lambda x: x - COLUMN, {0: 0}),
    "mul relu": lambda f: of(f, "MUL", [COLUMN], lambda x: np.maximum(x * COLUMN, 0), {0: 1}),
    "pad": lambda f: of(
        f,
        "PAD",
        [np.int32([[0, 0], [1, 2], [3, 0], [0, 0]])],
        lambda x: np.pad(x, [(0, 0), (1, 2), (3, 0), (0, 0)]),
    ),
    "relu": lambda f: of(f, "RELU", [], lambda x: np.maximum(x, 0)),
    "relu6": lambda f: of(f, "RELU6", [], lambda x: np.clip(x, 0, 6)),
    "leaky": lambda f: of(f, "LEAKY_RELU", [], lambda x: np.where(x < 0, 0.2 * x, x), {0: 0.2}),
    "logistic": lambda f: of(f, "LOGISTIC", [], lambda x: 1 / (1 + np.exp(-x))),
    "tanh": lambda f: of(f, "TANH", [], np.tanh),
    "softmax": lambda f: of(f, "SOFTMAX", [], soft, {0: 1.0}),
    "nearest": lambda f: resized(f, False, False, False),
    "nearest corners": lambda f: resized(f, False, True, False),
    "nearest half": lambda f: resized(f, False, False, True),
    "bilinear": lambda f: resized(f, True, False, False),
    "bilinear corners": lambda f: resized(f, True, True, False),
    "bilinear half": lambda f: resized(f, True, False, True),
    "float16 weights": halved,
}


def imported(content: bytes, folder: Path, size: Size | None = None) -> Imported:
    path = folder / "net.tflite"
    path.write_bytes(content)
    return read_tflite(path, None, size)


def outputs_of(model: onnx.ModelProto, image: np.ndarray) -> list[np.ndarray]:
    """Of an image (1, rows, columns, 3); maps with channels last again."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    found = session.run(None, {"images": np.ascontiguousarray(image.transpose(0, 3, 1, 2))})
    return [y.transpose(0, 2, 3, 1) if y.ndim == 4 else y for y in found]


def program_of(found: Imported, folder: Path):
    onnx.save(found.model, folder / "net.onnx")
    return lower(graph.read(folder / "net.onnx"))


def image_of(file: File) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 4, file.tensors[file.image][1]).astype(np.float32)


def litert(content: bytes, image: np.ndarray) -> np.ndarray:
    """The first output of the file as Google's own program computes it."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    net = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    net.allocate_tensors()
    net.set_tensor(net.get_input_details()[0]["index"], image)
    net.invoke()
    return net.get_tensor(net.get_output_details()[0]["index"])


@pytest.mark.parametrize("case", CASES)
def test_operators(case, tmp_path):
    file = File()
    output, expected = CASES[case](file)
    found = imported(file.content(output), tmp_path)
    x = image_of(file)
    y = outputs_of(found.model, x)[0]
    wanted = expected(x)
    assert y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=2e-5)
    (inner,) = run(program_of(found, tmp_path), [x.transpose(0, 3, 1, 2)[0]])
    assert inner.size == y.size  # it can be shipped


@pytest.mark.parametrize("case", CASES)
def test_operators_beside_litert(case):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not here")
    file = File()
    output, expected = CASES[case](file)
    x = image_of(file)
    found = litert(file.content(output), x)
    np.testing.assert_allclose(found, expected(x), rtol=1e-5, atol=2e-5)


def test_nothing_is_transposed_on_the_way(tmp_path):
    file = File()
    output, _ = dense(file, True)
    found = imported(file.content(output), tmp_path)
    assert [node.op_type for node in found.model.graph.node] == ["Reshape", "Gemm", "Relu"]


# In 8 bits ----------------------------------------------------------------------------------------


def two_layers(kind: str, weights: list[np.ndarray], steps: list[tuple], zero: int) -> bytes:
    """A 3 x 3 convolution of stride 2 with ReLU6, then a depthwise one."""
    file = File((1, 8, 8, 3), kind, (1 / 32, zero))
    rng = np.random.default_rng(3)
    bias = [rng.integers(-800, 800, w.shape[axis]) for w, axis in zip(weights, (0, 3), strict=True)]
    constants = []
    for w, b, (scale, zeros), axis, before in zip(
        weights, bias, steps, (0, 3), (1 / 32, 6 / 255), strict=True
    ):
        constants.append(file.constant(w, (scale, zeros), axis))
        product = np.atleast_1d(np.float32(scale)) * np.float32(before)
        constants.append(file.constant(b.astype(np.int32), (product, np.zeros(product.shape))))
    first = file.add(
        "CONV_2D",
        [file.image, *constants[:2]],
        (1, 4, 4, len(weights[0])),
        {0: 0, 1: 2, 2: 2, 3: 3, 4: 1, 5: 1},
        kind=kind,
        steps=(6 / 255, np.iinfo(kind).min),
    )
    last = file.add(
        "DEPTHWISE_CONV_2D",
        [first, *constants[2:]],
        (1, 4, 4, len(weights[0])),
        {0: 0, 1: 1, 2: 1, 3: 1, 4: 0, 5: 1, 6: 1},
        kind=kind,
        steps=(0.09, zero),
    )
    return file.content(last)


def signed_layers() -> tuple[bytes, list[np.ndarray], list[np.ndarray]]:
    """int8, a scale a channel, as the converter writes today."""
    rng = np.random.default_rng(2)
    weights = [rng.integers(-127, 128, s).astype(np.int8) for s in ((6, 3, 3, 3), (1, 3, 3, 6))]
    scales = [rng.uniform(0.002, 0.02, 6).astype(np.float32) for _ in range(2)]
    steps = [(scale, np.zeros(6)) for scale in scales]
    return two_layers("int8", weights, steps, -3), weights, scales


def unsigned_layers() -> tuple[bytes, list[np.ndarray]]:
    """uint8 with a zero point, as in 2018. The first layer's channel 2 needs more than 8 bits."""
    rng = np.random.default_rng(2)
    weights = [rng.integers(40, 200, s).astype(np.uint8) for s in ((6, 3, 3, 3), (1, 3, 3, 6))]
    weights[0][2, 0, 0, 0] = 255
    return two_layers("uint8", weights, [(0.01, 90), (0.02, 120)], 125), weights


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}


def test_symmetric_weights_are_kept_bit_for_bit(tmp_path):
    content, weights, scales = signed_layers()
    found = imported(content, tmp_path)
    held = constants_of(found.model)
    first = held["conv_2d0.weight_quantized"]
    np.testing.assert_array_equal(first, weights[0].transpose(0, 3, 1, 2))
    last = held["depthwise_conv_2d1.weight_quantized"]
    np.testing.assert_array_equal(last, weights[1].transpose(3, 0, 1, 2))
    np.testing.assert_array_equal(held["conv_2d0.weight_scale"], scales[0])
    bias = np.float64(np.float32(1 / 32)) * scales[0]
    np.testing.assert_allclose(held["conv_2d0.bias_scale"], bias, rtol=1e-7)
    assert held["conv_2d0_zero_point"] == np.int8(-128)
    assert not [note for note in found.notes if "rounded" in note]
    assert found.input is not None
    assert found.input.mean == (125.0, 125.0, 125.0)  # the int8 of a pixel is the pixel - 128
    assert found.input.scale == (1 / 32,) * 3


def test_weights_with_a_zero_point_are_kept_where_int8_holds_them(tmp_path):
    content, weights = unsigned_layers()
    found = imported(content, tmp_path)
    held = constants_of(found.model)
    stored, scale = held["conv_2d0.weight_quantized"], held["conv_2d0.weight_scale"]
    steps = weights[0].astype(int).transpose(0, 3, 1, 2) - 90
    others = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(stored[others], steps[others])
    np.testing.assert_array_equal(scale[others], np.float32([0.01] * 5))
    assert stored[2].max() == 127
    assert scale[2] == pytest.approx(0.01 * 165 / 127, rel=1e-6)
    change = np.abs(stored[2] * (scale[2] / 0.01) - steps[2]).max()
    assert 0 < change <= 165 / 127 / 2 + 1e-5
    # A bias stays the same number, whatever its steps have become.
    bias = np.random.default_rng(3).integers(-800, 800, 6)
    assert held["conv_2d0.bias_quantized"][0] == bias[0]
    real = held["conv_2d0.bias_quantized"] * held["conv_2d0.bias_scale"].astype(float)
    np.testing.assert_allclose(real, bias * 0.01 / 32, atol=0.5 * 0.01 / 32 * 165 / 127)
    (note,) = (note for note in found.notes if "rounded" in note)
    assert "1 of 12 channels have weights more than 127 steps" in note
    assert f"at most {change:.2f} of the file's own steps" in note
    assert held["depthwise_conv_2d1.weight_scale"].shape == ()  # kept whole, with its one scale


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_integers_agree_with_onnx_runtime(kind, tmp_path):
    content = signed_layers()[0] if kind == "int8" else unsigned_layers()[0]
    found = imported(content, tmp_path)
    program = program_of(found, tmp_path)
    kinds = [type(step).__name__ for step in program.steps]
    assert kinds == ["QuantizedConv", "QuantizedConv", "Dequantize"]
    assert program.values["images"].quantization is not None
    x = np.random.default_rng(5).integers(-100, 100, (1, 8, 8, 3)).astype(np.float32) / 32
    (theirs,) = outputs_of(found.model, x)
    (ours,) = run(program, [x.transpose(0, 3, 1, 2)[0]])
    difference = np.abs(ours.transpose(1, 2, 0) - theirs[0]) / 0.09
    assert difference.max() < 1.01  # one step, where the two round in other ways
    assert (difference > 0.5).mean() < 0.05
    assert theirs.max() > 10 * 0.09


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_integers_beside_litert(kind, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not here")
    content = signed_layers()[0] if kind == "int8" else unsigned_layers()[0]
    zero = -3 if kind == "int8" else 125
    x = np.random.default_rng(5).integers(-100, 100, (1, 8, 8, 3))
    (ours,) = outputs_of(imported(content, tmp_path).model, x.astype(np.float32) / 32)
    theirs = (litert(content, (x + zero).astype(kind)).astype(float) - zero) * np.float32(0.09)
    difference = np.abs(ours - theirs) / 0.09
    assert difference.max() < 1.01
    assert (difference > 0.5).mean() < 0.05


def quantized_chain() -> tuple[bytes, int]:
    """Every operator that has integers of its own, after one another."""
    file = File((1, 8, 8, 3), "uint8", (1 / 32, 128))
    made = {"kind": "uint8", "steps": (1 / 32, 128)}
    pooled = file.add(
        "MAX_POOL_2D", [0], (1, 4, 4, 3), {0: 0, 1: 2, 2: 2, 3: 2, 4: 2, 5: 0}, **made
    )
    flat = file.add("RELU6", [pooled], (1, 4, 4, 3), kind="uint8", steps=(6 / 255, 0))
    total = file.add("ADD", [pooled, flat], (1, 4, 4, 3), {0: 1}, kind="uint8", steps=(0.05, 0))
    pads = file.constant(np.int32([[0, 0], [1, 1], [1, 1], [0, 0]]))
    wide = file.add("PAD", [total, pads], (1, 6, 6, 3), kind="uint8", steps=(0.05, 0))
    size = file.constant(np.int32([12, 12]))
    large = file.add(
        "RESIZE_NEAREST_NEIGHBOR", [wide, size], (1, 12, 12, 3), kind="uint8", steps=(0.05, 0)
    )
    options = {0: 1, 1: 2, 2: 2, 3: 2, 4: 2, 5: 0}
    small = file.add(
        "AVERAGE_POOL_2D", [large], (1, 6, 6, 3), options, kind="uint8", steps=(0.05, 0)
    )
    both = file.add(
        "CONCATENATION", [small, wide], (1, 6, 6, 6), {0: 3}, kind="uint8", steps=(0.05, 0)
    )
    axes = file.constant(np.int32([1, 2]))
    mean = file.add("MEAN", [both, axes], (1, 6), {0: False}, kind="uint8", steps=(0.02, 0))
    w = np.random.default_rng(4).integers(-127, 128, (5, 6)).astype(np.int8)
    weights = file.constant(w, (0.01, 0))
    signed = file.add("QUANTIZE", [mean], (1, 6), kind="int8", steps=(0.02, -128))
    dense = file.add(
        "FULLY_CONNECTED", [signed, weights], (1, 5), {0: 0}, kind="int8", steps=(0.03, 5)
    )
    soft = file.add("SOFTMAX", [dense], (1, 5), {0: 1.0}, kind="int8", steps=(1 / 256, -128))
    return file.content(soft), 128


def test_a_quantized_network_is_all_integers(tmp_path):
    content, _ = quantized_chain()
    found = imported(content, tmp_path)
    program = program_of(found, tmp_path)
    names = {type(step).__name__ for step in program.steps}
    assert not names & {"Conv", "AveragePool", "Activate", "Arithmetic", "Softmax", "Quantize"}
    assert {"QuantizedAdd", "QuantizedAveragePool", "QuantizedSoftmax", "Table", "Pad"} <= names
    x = np.random.default_rng(6).integers(-128, 128, (1, 8, 8, 3)).astype(np.float32) / 32
    (theirs,) = outputs_of(found.model, x)
    (ours,) = run(program, [x.transpose(0, 3, 1, 2)[0]])
    assert np.abs(ours.reshape(-1) - theirs.reshape(-1)).max() <= 2 / 256


def test_a_chain_beside_litert(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not here")
    content, zero = quantized_chain()
    x = np.random.default_rng(6).integers(-128, 128, (1, 8, 8, 3))
    (ours,) = outputs_of(imported(content, tmp_path).model, x.astype(np.float32) / 32)
    theirs = (litert(content, (x + zero).astype(np.uint8)).astype(float) + 128) / 256
    assert np.abs(ours - theirs).max() <= 2 / 256


# An SSD -------------------------------------------------------------------------------------------

SSD_OPTIONS = {
    **{"x_scale": 10.0, "y_scale": 10.0, "w_scale": 5.0, "h_scale": 5.0},
    **{"nms_score_threshold": 0.1, "nms_iou_threshold": 0.6, "num_classes": 3},
    **{"max_detections": 7, "use_regular_nms": True},
}
SIDES = np.array([[0.25, 0.5], [0.5, 0.25]])
"""Height and width of the anchors, as parts of the input."""


def ssd(options=SSD_OPTIONS, shift=0.0, size=(8, 12)) -> bytes:
    """Maps of 4 x 6 and 2 x 3 cells, two anchors in each, three classes and the background."""
    file = File((1, *size, 3))
    maps, tables, ends = [], [], {"boxes": [], "scores": []}
    x = file.image
    for _ in range(2):
        rows, columns = (-(-side // 2) for side in file.tensors[x][1][1:3])
        weights = [file.constant(file.weights(4, 3, 3, file.tensors[x][1][3]))]
        x = file.add(
            "CONV_2D",
            [x, *weights, file.constant(file.weights(4))],
            (1, rows, columns, 4),
            {0: 0, 1: 2, 2: 2, 3: 1},
        )
        maps.append(x)
        centers = [(r, c) for r in range(rows) for c in range(columns) for _ in SIDES]
        centers = (np.array(centers) + 0.5) / (rows, columns)
        sides = np.tile(SIDES / len(maps), (rows * columns, 1))
        tables.append(np.hstack([centers + shift, sides]))
    for x in maps:
        _, rows, columns, _ = file.tensors[x][1]
        for kind, depth in (("boxes", 4), ("scores", 4)):
            inputs = [x, file.constant(file.weights(2 * depth, 1, 1, 4))]
            inputs.append(file.constant(file.weights(2 * depth)))
            shape = (1, rows, columns, 2 * depth)
            head = file.add("CONV_2D", inputs, shape, {0: 0, 1: 1, 2: 1, 3: 0})
            flat = (1, rows * columns * 2, depth)
            ends[kind].append(file.add("RESHAPE", [head, file.constant(np.int32(flat))], flat))
    whole = len(np.concatenate(tables))
    boxes = file.add("CONCATENATION", ends["boxes"], (1, whole, 4), {0: 1, 1: 0})
    scores = file.add("CONCATENATION", ends["scores"], (1, whole, 4), {0: 1, 1: 0})
    sigmoid = file.add("LOGISTIC", [scores], (1, whole, 4))
    anchors = file.constant(np.concatenate(tables).astype(np.float32))
    custom = "TFLite_Detection_PostProcess"
    end = file.add(custom, [boxes, sigmoid, anchors], (), custom=dict(options))
    return file.content(end), file, boxes, sigmoid


def test_the_heads_of_an_ssd_are_its_raw_maps(tmp_path):
    content, file, boxes, scores = ssd()
    path, labels = tmp_path / "ssd.tflite", tmp_path / "labels.txt"
    path.write_bytes(content)
    labels.write_text("background\ncat\n???\ndog\n")
    found = read_tflite(path, labels, None)
    assert found.classes == ("cat", "dog")
    assert found.input is None  # a file in float32 does not say
    decoding = found.decoding
    assert decoding is not None
    assert (decoding.kind, decoding.scores) == ("ssd", "sigmoid")
    assert decoding.variances == (0.1, 0.2)
    assert (decoding.score_threshold, decoding.iou_threshold) == pytest.approx((0.1, 0.6))
    assert decoding.max_detections == 7
    assert [grid.stride for grid in decoding.grids] == [(2, 2), (4, 4)]
    np.testing.assert_allclose(decoding.grids[0].anchors, [(6, 2), (3, 4)])
    np.testing.assert_allclose(decoding.grids[1].anchors, [(3, 1), (1.5, 2)])
    assert [each.name for each in found.model.graph.output] == [
        f"{kind}_{index}" for index in (0, 1) for kind in ("boxes", "scores")
    ]
    # The same numbers as the file's own rows, in another order.
    x = image_of(file)
    maps = outputs_of(found.model, x)
    rows = File.content(_without_end(file), boxes, scores)
    all_boxes, all_scores = outputs_of(imported(rows, tmp_path).model, x)
    mine = np.concatenate([each.reshape(-1, 4) for each in maps[::2]])
    np.testing.assert_allclose(mine, all_boxes[0][:, [1, 0, 3, 2]], rtol=1e-5, atol=1e-5)
    mine = np.concatenate([each.reshape(-1, 3) for each in maps[1::2]])
    np.testing.assert_allclose(1 / (1 + np.exp(-mine)), all_scores[0][:, [0, 1, 3]], atol=1e-6)


def _without_end(file: File) -> File:
    file.operators.pop()
    file.tensors.pop()
    return file


def test_an_ssd_of_another_size_keeps_its_anchors_in_pixels(tmp_path):
    content, *_ = ssd()
    found = imported(content, tmp_path, Size(20, 8))
    assert found.decoding is not None
    assert [grid.stride for grid in found.decoding.grids] == [(2, 2), (4, 4)]
    np.testing.assert_allclose(found.decoding.grids[0].anchors, [(6, 2), (3, 4)])
    shapes = [
        [side.dim_value for side in each.type.tensor_type.shape.dim]
        for each in found.model.graph.output
    ]
    assert shapes == [[1, 8, 4, 10], [1, 8, 4, 10], [1, 8, 2, 5], [1, 8, 2, 5]]


@pytest.mark.parametrize(
    ("options", "shift", "reason"),
    [
        ({"x_scale": 9.0}, 0, "scales x by 9, y by 10"),
        ({"w_scale": 0.0}, 0, "w_scale of 0"),
        ({"num_classes": 2}, 0, "row under row|LOGISTIC"),
        ({"num_classes": 2.5}, 0, "num_classes of 2.5"),
        ({"nms_iou_threshold": 2.0}, 0, "nms_iou_threshold of 2"),
        ({}, 0.001, "not those of its cells"),
    ],
)
def test_another_kind_of_ssd_is_refused(options, shift, reason, tmp_path):
    content, *_ = ssd({**SSD_OPTIONS, **options}, shift)
    with pytest.raises(TatamiError, match=reason):
        imported(content, tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cat\ndog\n", "the labels are 2 names, the network has 3 classes"),
        ("cat\ndog\ncat\n", "labels.txt:3: 'cat' stands here again"),
        ("cat\n\ndog\n", "labels.txt:2: the line is empty"),
        ("x\n???\n???\n???\n", "no class has a name"),
    ],
)
def test_labels_that_do_not_fit_are_refused(text, reason, tmp_path):
    content, *_ = ssd()
    (tmp_path / "labels.txt").write_text(text)
    (tmp_path / "ssd.tflite").write_bytes(content)
    with pytest.raises(TatamiError, match=reason.replace("?", r"\?")):
        read_tflite(tmp_path / "ssd.tflite", tmp_path / "labels.txt", None)


# Another size, and what is refused ---------------------------------------------------------------


def test_another_size_has_its_own_padding(tmp_path):
    file = File((1, 8, 8, 3))
    output, _ = conv(file, (2, 2), kernel=(3, 3))  # no padding before at 8, one sample at 9
    found = imported(file.content(output), tmp_path, Size(10, 9))
    x = np.random.default_rng(7).normal(size=(1, 9, 10, 3)).astype(np.float32)
    w, b = (file.tensors[index][3] for index in (1, 2))
    np.testing.assert_allclose(
        outputs_of(found.model, x)[0], convolved(x, w, b, (2, 2)), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("size", [Size(10, 9), Size(7, 1), Size(5, 12)])
def test_a_network_that_is_resized_later_has_the_padding_of_its_size(size, tmp_path):
    """SAME is a rule, and not the samples that it pads at the size of the file."""
    file = File((1, 8, 8, 3))
    output, _ = conv(file, (2, 2), kernel=(3, 3))
    network = network_of(imported(file.content(output), tmp_path).model)
    at_once = network_of(imported(file.content(output), tmp_path, size).model)
    resized = resize(network, size)
    x = np.random.default_rng(7).normal(size=(1, 3, size.height, size.width)).astype(np.float32)
    (found,), (expected,) = graph.run(resized, x), graph.run(at_once, x)
    np.testing.assert_array_equal(found, expected)


def test_another_size_needs_a_convolutional_network(tmp_path):
    file = File()
    output, _ = dense(file, True)
    with pytest.raises(TatamiError, match=r"FULLY_CONNECTED .* has weights \(4, 189\)"):
        imported(file.content(output), tmp_path, Size(10, 9))


def refused(case: str) -> bytes:
    file = File()
    shape = (1, 7, 9, 3)
    match case:
        case "unknown":
            output = file.add("MATRIX_DIAG", [0], shape)
        case "custom":
            output = file.add("MyOperator", [0], shape)
        case "fused":
            w, b = file.constant(file.weights(3, 1, 1, 3)), file.constant(file.weights(3))
            output = file.add("CONV_2D", [0, w, b], shape, {0: 0, 1: 1, 2: 1, 3: 4})
        case "beta":
            output = file.add("SOFTMAX", [0], shape, {0: 2.0})
        case "mean":
            axes = file.constant(np.int32([1, 4]))
            output = file.add("MEAN", [0, axes], (1, 9), {0: False})
        case "shape":
            output = file.add("RELU", [0], (1, 7, 9, 4))
        case "input":
            file = File((1, 7, 9, 1), kind="uint32")
            output = file.add("RELU", [0], (1, 7, 9, 1))
        case "stride":
            output = file.add("MAX_POOL_2D", [0], shape, {0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 0})
        case "dilation":
            w, b = file.constant(file.weights(3, 3, 3, 3)), file.constant(file.weights(3))
            options = {0: 0, 1: 1, 2: 1, 3: 0, 4: 30_000, 5: 30_000}
            output = file.add("CONV_2D", [0, w, b], shape, options)
        case "weights":
            w, b = file.constant(file.weights(3, 1, 1, 4)), file.constant(file.weights(3))
            output = file.add("CONV_2D", [0, w, b], shape, {0: 0, 1: 1, 2: 1, 3: 0})
    return file.content(output)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("unknown", "the network uses MATRIX_DIAG, which Tatami does not know"),
        ("custom", "the network uses MyOperator"),
        ("fused", "CONV_2D 'conv_2d0' has the fused activation TANH"),
        ("beta", "beta of 2"),
        ("mean", r"along axes \[1, 4\]"),
        ("shape", r"makes \(1, 7, 9, 3\), where the file says \(1, 7, 9, 4\)"),
        ("input", "the input 'image' is uint32"),
        ("stride", "is not a window"),
        ("dilation", "pads its input beyond all bounds"),
        ("weights", r"has weights \(3, 1, 1, 4\) for 3 channels"),
    ],
)
def test_what_tatami_does_not_have_is_named(case, reason, tmp_path):
    with pytest.raises(TatamiError, match=reason) as caught:
        imported(refused(case), tmp_path)
    assert caught.value.file == tmp_path / "net.tflite"


SMALL = (ssd()[0], signed_layers()[0], unsigned_layers()[0], quantized_chain()[0])


@given(
    st.sampled_from(SMALL),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8),
    st.none() | st.integers(0),
)
def test_a_damaged_file_is_read_or_refused(content, changes, cut):
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    if cut is not None:
        del damaged[cut % len(damaged) :]
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(TatamiError):
        imported(bytes(damaged), Path(folder))
