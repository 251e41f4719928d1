"""TFLite's operators beyond convolutional networks, each beside LiteRT's own kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.read import network_of
from tatami.graph.state import states_of
from tatami.importers.tflite import read_tflite
from tests.importers import test_tflite as base

pytest.importorskip("ai_edge_litert", reason="LiteRT is not here")

Array = np.ndarray[Any, Any]
base.OPTIONS |= {
    **{"SVDF": 6, "L2_NORMALIZATION": 12, "LOCAL_RESPONSE_NORMALIZATION": 13, "SPACE_TO_DEPTH": 19},
    **{"GATHER": 23, "BATCH_TO_SPACE_ND": 24, "SPACE_TO_BATCH_ND": 25, "TRANSPOSE": 26},
    **{"SUM": 27, "REDUCE_MAX": 27, "REDUCE_MIN": 27, "REDUCE_PROD": 27, "DIV": 29},
    **{"STRIDED_SLICE": 32, "EXP": 33, "SPLIT": 35, "LOG_SOFTMAX": 36, "CAST": 37, "MAXIMUM": 39},
    **{"MINIMUM": 39, "ARG_MAX": 40, "LESS": 41, "NEG": 42, "PADV2": 43, "GREATER": 44},
    **{"SELECT": 47, "SLICE": 48, "TILE": 51, "EXPAND_DIMS": 52, "EQUAL": 53, "SHAPE": 55},
    **{"POW": 56, "ARG_MIN": 57, "PACK": 59, "UNPACK": 64, "SQUARE": 66, "MIRROR_PAD": 77},
    **{"ABS": 78, "SPLIT_V": 79, "REVERSE_V2": 81, "ADD_N": 82, "COS": 84, "HARD_SWISH": 91},
    **{"CUMSUM": 102, "FILL": 68, "FLOOR_DIV": 65, "FLOOR_MOD": 72, "GATHER_ND": 83},
    **{"ONE_HOT": 61, "REDUCE_ALL": 27, "REDUCE_ANY": 27, "TOPK_V2": 34, "ZEROS_LIKE": 67},
    **{
        "IF": 92,
        "DENSIFY": 99,
        "DEPTH_TO_SPACE": 94,
        "SELECT_V2": 98,
        "BATCH_MATMUL": 101,
        "SQUARED_DIFFERENCE": 76,
    },
}
MAP = (1, 4, 6, 8)
File = base.File
Make = Callable[[Any], "int | list[int]"]


def one(code: str, shape: tuple[int, ...] = MAP, options: dict[int, Any] | None = None) -> Make:
    """A function of the input alone."""
    return lambda file: file.add(code, [0], shape, options or {})


def by(
    code: str,
    shape: tuple[int, ...],
    *constants: Any,
    options: dict[int, Any] | None = None,
    **made: Any,
) -> Make:
    """An operator with constants behind the input."""

    def make(file: Any) -> int:
        places = [file.constant(np.asarray(each)) for each in constants]
        return int(file.add(code, [0, *places], shape, options or {}, **made))

    return make


def several(
    code: str,
    shapes: list[tuple[int, ...]],
    inputs: list[Any],
    options: dict[int, Any],
    kinds: tuple[str, ...] = (),
) -> Make:
    """An operator of several outputs; 0 among the inputs is the network's own."""

    def make(file: Any) -> list[int]:
        places = [0 if one is None else file.constant(np.asarray(one)) for one in inputs]
        made = zip(shapes, kinds or ("float32",) * len(shapes), strict=True)
        outputs = [file.tensor(f"part{i}", *each) for i, each in enumerate(made)]
        file.operators.append((code, places, outputs, options, None))
        return outputs

    return make


def numbers(*shape: int) -> Array:
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def whole(*values: int) -> Array:
    return np.asarray(values, np.int32)


def places_of(file: Any, code: str, *constants: Any, shape: Any, options: dict[int, Any]) -> int:
    """An operator whose first input is whole numbers 0 to 3, computed; or its second, by None."""
    scaled = file.add("MUL", [0, file.constant(np.float32(1.3))], MAP, {})
    held = file.add("MAXIMUM", [scaled, file.constant(np.float32(0))], MAP, {})
    held = file.add("MINIMUM", [held, file.constant(np.float32(3))], MAP, {})
    whole_ = file.add("CAST", [held], MAP, {0: 0, 1: 2}, kind="int32")
    places = [whole_ if one is None else file.constant(np.asarray(one)) for one in constants]
    return int(file.add(code, places, shape, options))


def truths(code: str, shape: tuple[int, ...], keep: bool) -> Make:
    def make(file: Any) -> int:
        above = file.add("GREATER", [0, file.constant(np.float32(1))], MAP, {}, kind="bool")
        axes = file.constant(whole(1, 3))
        return int(file.add(code, [above, axes], shape, {0: keep}, kind="bool"))

    return make


def dense_behind_reshape(file: Any) -> int:
    """Of heads to one axis, as attention ends."""
    rows = file.add("RESHAPE", [0, file.constant(whole(2, 3, 8))], (2, 3, 8), {})
    weights = [file.constant(numbers(5, 8)), file.constant(numbers(5))]
    return int(file.add("FULLY_CONNECTED", [rows, *weights], (2, 3, 5), {2: True}))


CASES: dict[str, tuple[tuple[int, ...], Make]] = {
    **{code: (MAP, one(code)) for code in ("ABS", "COS", "EXP", "HARD_SWISH", "NEG", "SQUARE")},
    **{code: (MAP, one(code)) for code in ("ELU", "FLOOR", "CEIL", "ROUND", "SIN", "TANH")},
    "EXP of a line": ((2, 5), one("EXP", (2, 5))),
    "TRANSPOSE of a map": (MAP, by("TRANSPOSE", (1, 8, 4, 6), whole(0, 3, 1, 2))),
    "TRANSPOSE of a map, turned": (MAP, by("TRANSPOSE", (6, 1, 8, 4), whole(2, 0, 3, 1))),
    "TRANSPOSE of a matrix": ((3, 5), by("TRANSPOSE", (5, 3), whole(1, 0))),
    "TRANSPOSE of five axes": (
        (1, 2, 3, 2, 2),
        by("TRANSPOSE", (1, 2, 2, 3, 2), whole(0, 3, 1, 2, 4)),
    ),
    "PAD of channels": (MAP, by("PAD", (1, 5, 6, 11), whole(0, 0, 1, 0, 0, 0, 1, 2).reshape(4, 2))),
    "PADV2": (
        MAP,
        by("PADV2", (1, 4, 8, 8), whole(0, 0, 0, 0, 1, 1, 0, 0).reshape(4, 2), np.float32(7)),
    ),
    "MIRROR_PAD": (
        MAP,
        by("MIRROR_PAD", (1, 6, 6, 8), whole(0, 0, 1, 1, 0, 0, 0, 0).reshape(4, 2), options={0: 0}),
    ),
    "PRELU": (MAP, by("PRELU", MAP, numbers(1, 1, 8))),
    "MUL by channels": (MAP, by("MUL", MAP, numbers(8))),
    "DIV": (MAP, by("DIV", MAP, np.abs(numbers(8)) + 1)),
    "SUB with ReLU": (MAP, by("SUB", MAP, numbers(6, 8), options={0: 1})),
    "MAXIMUM": (MAP, by("MAXIMUM", MAP, numbers(8))),
    "MINIMUM with no bound": (MAP, by("MINIMUM", MAP, np.float32(np.inf))),
    "MINIMUM of matrices": ((3, 4), by("MINIMUM", (3, 4), numbers(4))),
    "SQUARED_DIFFERENCE": (MAP, by("SQUARED_DIFFERENCE", MAP, numbers(8))),
    "SUM of channels": (MAP, by("SUM", (1, 4, 6), whole(3), options={0: False})),
    "SUM of rows": (MAP, by("SUM", (1, 1, 6, 8), whole(1), options={0: True})),
    "REDUCE_MAX": (MAP, by("REDUCE_MAX", (1, 8), whole(1, 2), options={0: False})),
    "REDUCE_MIN of a line": ((2, 5), by("REDUCE_MIN", (2,), whole(1), options={0: False})),
    "MEAN of channels": (MAP, by("MEAN", (1, 4, 6, 1), whole(3), options={0: True})),
    "MEAN of all": (MAP, by("MEAN", (1,), whole(1, 2, 3), options={0: False})),
    "ARG_MAX": (MAP, by("ARG_MAX", (1, 4, 6), whole(3), options={0: 2}, kind="int32")),
    "ARG_MAX of a line": ((1, 9), by("ARG_MAX", (1,), whole(1), options={0: 4}, kind="int64")),
    "SLICE": (MAP, by("SLICE", (1, 2, 6, 3), whole(0, 1, 0, 4), whole(1, 2, -1, 3))),
    "STRIDED_SLICE": (
        MAP,
        by(
            "STRIDED_SLICE",
            (1, 2, 3, 8),
            whole(0, 1, 0, 0),
            whole(0, 4, 6, 0),
            whole(1, 2, 2, 1),
            options={0: 9, 1: 9},
        ),
    ),
    "STRIDED_SLICE that shrinks": (
        MAP,
        by(
            "STRIDED_SLICE",
            (1, 6, 8),
            whole(0, 2, 0, 0),
            whole(1, 3, 6, 8),
            whole(1, 1, 1, 1),
            options={4: 2},
        ),
    ),
    "GATHER": (MAP, by("GATHER", (1, 4, 6, 3), whole(7, 0, 3), options={0: 3, 1: 0})),
    "FULLY_CONNECTED of two axes": (
        (1, 3, 2, 4),
        by("FULLY_CONNECTED", (3, 5), numbers(5, 8), numbers(5), options={2: False}),
    ),
    "FULLY_CONNECTED behind a RESHAPE": ((2, 3, 2, 4), dense_behind_reshape),
    "CONCATENATION with a constant": (
        (1, 3, 5),
        by("CONCATENATION", (1, 4, 5), numbers(1, 1, 5), options={0: 1}),
    ),
    "TOPK_V2": (
        MAP,
        several("TOPK_V2", [(1, 4, 6, 3)] * 2, [None, np.int32(3)], {}, ("float32", "int32")),
    ),
    "TOPK_V2 of a line": (
        (2, 9),
        several("TOPK_V2", [(2, 2)] * 2, [None, np.int32(2)], {}, ("float32", "int32")),
    ),
    "CUMSUM": (MAP, by("CUMSUM", MAP, np.int32(1), options={0: True, 1: False})),
    "CUMSUM back": ((3, 5), by("CUMSUM", (3, 5), np.int32(-1), options={0: False, 1: True})),
    "FLOOR_DIV": (MAP, by("FLOOR_DIV", MAP, np.float32(0.4))),
    "FLOOR_MOD": (MAP, by("FLOOR_MOD", MAP, np.array([0.7, -0.7] * 4, np.float32))),
    "GATHER_ND": ((4, 5), by("GATHER_ND", (2, 5), whole(3, 1).reshape(2, 1))),
    "GATHER_ND of a map": (MAP, by("GATHER_ND", (2, 8), whole(0, 1, 2, 0, 3, 5).reshape(2, 3))),
    "GATHER of computed places": (
        MAP,
        lambda file: places_of(
            file, "GATHER", numbers(4, 3), None, shape=(*MAP, 3), options={0: 0, 1: 0}
        ),
    ),
    "ONE_HOT": (
        MAP,
        lambda file: places_of(
            file,
            "ONE_HOT",
            None,
            np.int32(4),
            np.float32(1),
            np.float32(-1),
            shape=(*MAP, 4),
            options={0: -1},
        ),
    ),
    "REDUCE_ANY": (MAP, truths("REDUCE_ANY", (1, 6), False)),
    "REDUCE_ALL, kept": (MAP, truths("REDUCE_ALL", (1, 1, 6, 1), True)),
    "ZEROS_LIKE": (
        MAP,
        lambda file: file.add("ADD", [0, file.add("ZEROS_LIKE", [0], MAP, {})], MAP, {}),
    ),
    "FILL": (
        MAP,
        lambda file: file.add(
            "MUL",
            [
                0,
                file.add("FILL", [file.constant(whole(8)), file.constant(np.float32(3))], (8,), {}),
            ],
            MAP,
            {},
        ),
    ),
    "GATHER of one": ((3, 5), by("GATHER", (5,), np.int32(2), options={0: 0, 1: 0})),
    "TILE": (MAP, by("TILE", (1, 8, 6, 16), whole(1, 2, 1, 2))),
    "EXPAND_DIMS": ((3, 5), by("EXPAND_DIMS", (3, 1, 5), whole(1))),
    "EXPAND_DIMS to a map": ((1, 3, 5), by("EXPAND_DIMS", (1, 3, 5, 1), whole(3))),
    "SPACE_TO_DEPTH": (MAP, one("SPACE_TO_DEPTH", (1, 2, 3, 32), {0: 2})),
    "DEPTH_TO_SPACE": (MAP, one("DEPTH_TO_SPACE", (1, 8, 12, 2), {0: 2})),
    "REVERSE_V2": (MAP, by("REVERSE_V2", MAP, whole(2))),
    "L2_NORMALIZATION": (MAP, one("L2_NORMALIZATION", MAP, {0: 0})),
    "LOG_SOFTMAX": (MAP, one("LOG_SOFTMAX")),
    "LOCAL_RESPONSE_NORMALIZATION": (
        MAP,
        one("LOCAL_RESPONSE_NORMALIZATION", MAP, {0: 2, 1: 1.0, 2: 0.1, 3: 0.75}),
    ),
    "SPACE_TO_BATCH_ND": (
        MAP,
        by("SPACE_TO_BATCH_ND", (4, 3, 3, 8), whole(2, 2), whole(1, 1, 0, 0).reshape(2, 2)),
    ),
    "FULLY_CONNECTED of rows": (
        (3, 5),
        by("FULLY_CONNECTED", (3, 4), numbers(4, 5), numbers(4), options={0: 0}),
    ),
    "BATCH_MATMUL": (
        (2, 3, 5),
        by("BATCH_MATMUL", (2, 3, 4), numbers(2, 5, 4), options={0: False, 1: False}),
    ),
    "SPLIT": (MAP, several("SPLIT", [(1, 4, 6, 4)] * 2, [np.int32(3), None], {0: 2})),
    "SPLIT_V": (
        MAP,
        several("SPLIT_V", [(1, 4, 6, 3), (1, 4, 6, 5)], [None, whole(3, 5), np.int32(3)], {0: 2}),
    ),
    "UNPACK": ((3, 5), several("UNPACK", [(5,)] * 3, [None], {0: 3, 1: 0})),
}


def content_of(name: str) -> tuple[bytes, Array]:
    shape, make = CASES[name]
    file = File(shape)
    made = make(file)
    outputs = made if isinstance(made, list) else [made]
    return file.content(*outputs), base.image_of(file)


def first(array: Array) -> Array:
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


NOT_REFERENCE = ("CEIL", "ELU", "ROUND", "LOCAL_RESPONSE_NORMALIZATION")
"""Not among LiteRT's reference kernels, or, as the last, with a window that lacks a channel."""


def answers(content: bytes, *images: Array, reference: bool = True) -> list[list[Array]]:
    """All outputs of a file, call after call."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    usual = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    kernels = OpResolverType.BUILTIN_REF if reference else usual
    net = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    net.allocate_tensors()
    found = []
    for image in images:
        net.set_tensor(net.get_input_details()[0]["index"], image)
        net.invoke()
        found.append([net.get_tensor(each["index"]) for each in net.get_output_details()])
    return found


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_as_in_litert(name: str, tmp_path: Path) -> None:
    content, image = content_of(name)
    (tmp_path / "net.tflite").write_bytes(content)
    network = network_of(read_tflite(tmp_path / "net.tflite", None, None).model)
    found = graph.run(network, [first(image)])
    (expected,) = answers(content, image, reference=name not in NOT_REFERENCE)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == first(theirs).shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, first(theirs), rtol=1e-5, atol=2e-5)


def test_svdf_remembers(tmp_path: Path) -> None:
    """Its memory is an input and an output: call after call as in LiteRT."""
    file = File((1, 5))
    file.image = 0
    units, rank, memory = 3, 2, 4
    places = [
        file.constant(numbers(units * rank, 5)),
        file.constant(numbers(units * rank, memory)),
        file.constant(numbers(units)),
    ]
    state = file.tensor("memory", (1, units * rank * memory))
    file.variables = {state}
    output = file.add("SVDF", [0, *places, state], (1, units), {0: rank, 1: 1})
    content = file.content(output)
    (tmp_path / "net.tflite").write_bytes(content)
    imported = read_tflite(tmp_path / "net.tflite", None, None)
    network = network_of(imported.model)
    assert states_of(network) == {"memory": "memory_next"}
    images = [numbers(1, 5) * factor for factor in (1.0, -2.0, 0.5, 3.0, 1.0)]
    images = [image.astype(np.float32) for image in images]
    memory_now = np.zeros((units * rank, memory), np.float32)
    for image, (expected,) in zip(images, answers(content, *images), strict=True):
        found, memory_now = graph.run(network, [image, memory_now])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("code", "constants", "shape", "match"),
    [
        ("TRANSPOSE", [whole(0, 0, 1, 2)], MAP, "orders axes as"),
        ("SLICE", [whole(0, 3, 0, 0), whole(1, 4, 6, 8)], MAP, "cuts"),
        ("GATHER", [whole(9)], MAP, "has not"),
        ("TILE", [whole(1, 2)], MAP, "repeats"),
        ("PAD", [whole(0, 0, 1)], MAP, "pads"),
    ],
)
def test_what_does_not_fit_is_refused(
    code: str, constants: list[Array], shape: tuple[int, ...], match: str, tmp_path: Path
) -> None:
    file = File(MAP)
    places = [file.constant(each) for each in constants]
    output = file.add(code, [0, *places], shape, {0: 3} if code == "GATHER" else {})
    (tmp_path / "net.tflite").write_bytes(file.content(output))
    with pytest.raises(TatamiError, match=match):
        read_tflite(tmp_path / "net.tflite", None, None)


def branched() -> bytes:
    """A file that goes one of two ways; a constant that is handed in is one within."""
    file = File((1, 5))
    weight = file.constant(numbers(4, 5))
    total = file.add("SUM", [0, file.constant(whole(0, 1))], (), {0: False})
    above = file.add("GREATER", [total, file.constant(np.float32(0))], (), {}, kind="bool")
    for factor in (2.0, -3.0):
        branch = File((1, 5))
        inner = branch.tensor("weight", (4, 5))
        made = branch.add("FULLY_CONNECTED", [0, inner, -1], (1, 4), {})
        made = branch.add("MUL", [made, branch.constant(np.float32(factor))], (1, 4), {})
        file.branches.append((branch, [0, inner], [made]))
    content: bytes = file.content(file.add("IF", [above, 0, weight], (1, 4), {0: 1, 1: 2}))
    return content


def test_a_branch_is_chosen_as_in_litert(tmp_path: Path) -> None:
    content = branched()
    (tmp_path / "net.tflite").write_bytes(content)
    network = network_of(read_tflite(tmp_path / "net.tflite", None, None).model)
    images = [numbers(1, 5), -numbers(1, 5)]
    found = [graph.run(network, [image])[0] for image in images]
    for ours, (theirs,) in zip(found, answers(content, *images), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def sparse_file(held: Array, shape: tuple[int, ...], *how: Any) -> tuple[Any, int]:
    """A dense layer whose weights lack their zeros."""
    file = File((1, shape[1]))
    weights = file.tensor("weights", shape, data=held)
    file.sparse[weights] = how
    dense = file.add("DENSIFY", [weights], shape, {})
    return file, int(file.add("FULLY_CONNECTED", [0, dense, -1], (1, shape[0]), {}))


SPARSE: dict[str, tuple[Array, tuple[int, ...], list[int], list[int], list[Any]]] = {
    "rows": (numbers(5), (3, 4), [0, 1], [], [3, ([0, 2, 2, 5], [1, 3, 0, 2, 3])]),
    "columns": (numbers(3), (3, 4), [1, 0], [], [4, ([0, 1, 1, 3, 3], [2, 0, 1])]),
    "blocks": (numbers(8), (4, 4), [0, 1, 2], [0], [1, ([0, 2], [3, 0]), 4]),
    "blocks of two axes": (
        numbers(12),
        (4, 6),
        [0, 1, 2, 3],
        [0, 1],
        [2, ([0, 1, 2], [1, 0]), 2, 3],
    ),
}


@pytest.mark.parametrize("name", SPARSE)
def test_weights_without_their_zeros_are_as_in_litert(name: str, tmp_path: Path) -> None:
    held, shape, *how = SPARSE[name]
    file, output = sparse_file(held, shape, *how)
    content, image = file.content(output), numbers(1, shape[1])
    (tmp_path / "net.tflite").write_bytes(content)
    network = network_of(read_tflite(tmp_path / "net.tflite", None, None).model)
    (found,) = graph.run(network, [image])
    ((expected,),) = answers(content, image)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.count_nonzero(found)


@pytest.mark.parametrize(
    "levels", [[3, ([0, 2, 2, 9], [1, 3, 0, 2, 3])], [3, ([0, 2, 2, 5], [1, 3, 0, 2, 4])], [2, 4]]
)
def test_a_sparse_tensor_that_does_not_fit_is_refused(levels: list[Any], tmp_path: Path) -> None:
    file, output = sparse_file(numbers(5), (3, 4), [0, 1], [], levels)
    (tmp_path / "net.tflite").write_bytes(file.content(output))
    with pytest.raises(TatamiError, match="sparse"):
        read_tflite(tmp_path / "net.tflite", None, None)


def test_an_input_has_another_shape(tmp_path: Path) -> None:
    file = File((1, 4))
    content = file.content(file.add("EXP", [0], (1, 4), {}))
    (tmp_path / "net.tflite").write_bytes(content)
    model = read_tflite(tmp_path / "net.tflite", None, None, {"image": (1, 9)}).model
    (found,) = graph.run(network_of(model), [numbers(1, 9)])
    np.testing.assert_allclose(found, np.exp(numbers(1, 9)), rtol=1e-5)
    with pytest.raises(TatamiError, match="no input 'sound'"):
        read_tflite(tmp_path / "net.tflite", None, None, {"sound": (1, 9)})


def test_a_bias_of_64_bits_has_a_scale(tmp_path: Path) -> None:
    """As layers have it whose values are 16 bits."""
    file = File((1, 5))
    stored = file.tensor("stored", (1, 5), "int16", steps=(1e-4, 0))
    file.operators.append(("QUANTIZE", [0], [stored], {}, None))
    weights = file.constant(
        np.arange(15, dtype=np.int8).reshape(3, 5), (np.full(3, 0.01), np.zeros(3))
    )
    bias = file.constant(np.array([10**6, -(10**6), 0]), (np.full(3, 1e-6), np.zeros(3)))
    made = file.add(
        "FULLY_CONNECTED", [stored, weights, bias], (1, 3), {}, kind="int16", steps=(1e-3, 0)
    )
    output = file.add("DEQUANTIZE", [made], (1, 3), {})
    content, image = file.content(output), numbers(1, 5)
    (tmp_path / "net.tflite").write_bytes(content)
    network = network_of(read_tflite(tmp_path / "net.tflite", None, None).model)
    ((expected,),) = answers(content, image)
    np.testing.assert_allclose(graph.run(network, [image])[0], expected, atol=2e-3)
