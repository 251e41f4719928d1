"""Lowering: the order of steps, what is folded, lifetimes and the arena, and every refusal."""

import math

import numpy as np
import pytest

from tatami import graph
from tatami.errors import TatamiError
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Apply, Clamp, Conv, Leaky, MaxPool, parameters
from tatami.ship.c.emit import emit
from tatami.ship.c.layout import lay_out
from tatami.ship.c.names import c_name
from tatami.ship.c.tasks.detection import DETECTION_IN_C
from tatami.types import Size


def test_the_small_detector_step_by_step(tmp_path, small_detector):
    program = lower(small_detector(tmp_path / "n.onnx"))
    kinds = [type(step).__name__ for step in program.steps]
    # Pools of 2 x 2 that leave nothing over are part of the convolution; the last has stride 1.
    assert kinds == ["Conv", "Conv", "Conv", "MaxPool", "Conv"]
    convolutions = [step for step in program.steps if isinstance(step, Conv)]
    assert [step.activation for step in convolutions] == [*[Leaky(pytest.approx(0.1))] * 3, None]
    assert [step.pool is not None for step in convolutions] == [True, True, False, False]
    first = program.steps[0]
    assert program.values[first.output].shape == (6, 16, 32)
    assert program.values[first.output].bytes == 4 * 6 * 16 * 32
    assert program.multiply_adds(first) == 6 * 3 * 9 * 32 * 64
    assert parameters(first) == 6 * 3 * 9 + 6
    pool = program.steps[3]
    assert isinstance(pool, MaxPool)
    assert parameters(pool) == program.multiply_adds(pool) == 0
    assert np.all(program.steps[1].bias == 0)  # exported without one


def test_lifetimes_of_a_branch(tmp_path, builder, small_spec):
    b = builder()
    stem = b.conv("images", 3, 8, kernel=(8, 8), strides=[8, 8])
    relu = b.node("Relu", stem)
    clip = b.node("Clip", stem, b.constant(-1.0))
    total = b.node("Add", relu, clip)
    top = b.conv(total, 8, 16, kernel=(1, 1))
    spec = small_spec(Size(32, 32), classes="abc")
    program = lower(b.network(tmp_path / "n.onnx", spec, top, Size(32, 32), (16, 4, 4)))
    lives = program.lifetimes()
    assert {name: (life.first, life.last) for name, life in lives.items()} == {
        "images": (-1, 0), stem: (0, 2), relu: (1, 3), clip: (2, 3), total: (3, 4), top: (4, 5),
    }  # fmt: skip
    assert program.steps[2].activation == Clamp(-1.0, math.inf)
    layout = lay_out(program)
    # The clip is the last reader of the stem and the sum that of the relu: both in place.
    assert layout.offsets[clip] == layout.offsets[stem]
    assert layout.offsets[total] == layout.offsets[relu]
    assert len({layout.offsets[name] for name in (stem, relu)}) == 2


def test_the_arena_of_a_chain_is_the_lower_bound(tmp_path, small_detector):
    layout = lay_out(lower(small_detector(tmp_path / "n.onnx")))
    assert layout.plan.size == layout.plan.lower_bound
    values = 4 * (3 * 32 * 64 + 6 * 16 * 32)  # input and output of the first convolution
    assert values < layout.plan.size <= 1.10 * values


def refused(match, *arguments):
    with pytest.raises(TatamiError, match=match):
        lower(*arguments)


def test_refusals_name_the_layer_and_the_hint(tmp_path, builder, small_spec):
    spec = small_spec(Size(32, 32), classes="abc")
    path, size, result = tmp_path / "n.onnx", Size(32, 32), (16, 4, 4)

    def body(b):
        return b.conv("images", 3, 16, kernel=(8, 8), strides=[8, 8])

    b = builder()
    x = body(b)
    four = [b.constant(np.ones(16)) for _ in range(4)]
    x = b.node("BatchNormalization", x, *four)
    network = b.network(path, spec, x, size, result)
    refused(r"BatchNormalization 'v1_batch.*fold the network first", network)


def test_a_network_of_another_program_has_a_program_too(tmp_path, builder):
    b = builder()
    x = b.conv("images", 3, 16, kernel=(8, 8), strides=[8, 8])
    program = lower(b.network(tmp_path / "n.onnx", None, x, Size(32, 32), (16, 4, 4)))
    assert program.spec is None
    assert program.inputs == ("images",)
    assert program.outputs == (x,)


def test_a_fully_connected_layer_sees_the_whole_map(tmp_path, builder):
    b = builder()
    x = b.conv("images", 3, 4, kernel=(8, 8), strides=[8, 8])
    x = b.node("Flatten", x)
    x = b.node("Gemm", x, b.constant(b.rng.normal(size=(10, 64))), transB=1)
    program = lower(b.network(tmp_path / "n.onnx", None, x, Size(32, 32), (10,)))
    assert [type(step).__name__ for step in program.steps] == ["Conv", "Conv"]
    assert program.steps[1].weights.shape == (10, 4, 4, 4)
    assert program.values[program.outputs[0]].shape == (10, 1, 1)


def test_names_in_c(tmp_path, small_detector):
    assert c_name("YOLO tiny-2") == "yolo_tiny_2"
    assert c_name("2nd") == "net_2nd"
    assert c_name("math") == "net_math"
    assert c_name("畳") == "net"
    program = lower(small_detector(tmp_path / "n.onnx"))
    for bad in ("math", "main", "Net", "a b", "", "2a", "../x", "a" * 41):
        with pytest.raises(TatamiError, match="cannot begin"):
            emit(program, bad)


def test_the_input_must_be_of_a_legal_size(tmp_path, builder, small_spec):
    b = builder()
    x = b.conv("images", 3, 16, kernel=(1, 1))
    spec = small_spec(Size(2, 2), classes="abc", stride=1)
    program = lower(b.network(tmp_path / "n.onnx", spec, x, Size(2, 2), (16, 2, 2)))
    with pytest.raises(TatamiError, match="2x2 cannot be shipped"):
        emit(program, "net", task=DETECTION_IN_C)


def test_large_weights_are_not_text(tmp_path, builder, small_spec):
    b = builder()
    x = b.conv("images", 3, 300, kernel=(8, 8), strides=[8, 8])
    x = b.conv(x, 300, 300, pads=[1, 1, 1, 1])
    x = b.conv(x, 300, 16, kernel=(1, 1))
    spec = small_spec(Size(32, 32), classes="abc")
    program = lower(b.network(tmp_path / "n.onnx", spec, x, Size(32, 32), (16, 4, 4)))
    files = emit(program, "net").files
    # Panels of sixteen outputs, each constant on a cache line of its own.
    size = len(files["net_weights.bin"])
    assert (
        4 * sum(map(parameters, program.steps)) <= size < 4.4 * sum(map(parameters, program.steps))
    )
    assert "net_weights.c" not in files
    assert isinstance(program.steps[0], Conv)
    panel = np.frombuffer(files["net_weights.bin"], "<f4")[: 16 * 192].reshape(8, 8, 3, 16)
    np.testing.assert_array_equal(panel.transpose(3, 2, 0, 1), program.steps[0].weights[:16])


def test_one_constant_serves_results_of_two_ranks(tmp_path, builder):
    b = builder()
    x = b.conv("images", 3, 4, kernel=(2, 2), strides=[2, 2])  # 4 x 2 x 4
    row = b.constant([1.0, 2.0, 3.0, 4.0])
    scaled = b.node("Mul", x, row)  # along the columns
    flat = b.node("Flatten", b.node("GlobalAveragePool", scaled))
    total = b.node("Mul", flat, row)  # along the channels
    network = b.network(tmp_path / "n.onnx", None, total, Size(8, 4), (4,))
    program = lower(network)
    assert {array.shape for array in program.constants.values()} == {(1, 1, 4), (4, 1, 1)}
    image = np.random.default_rng(0).random((1, 3, 4, 8), np.float32)
    found = interpret.run(program, [image[0]])[0]
    np.testing.assert_allclose(found.ravel(), graph.run(network, image)[0].ravel(), rtol=1e-5)


def test_a_padded_product_of_a_line_is_no_product_of_the_map(tmp_path, builder):
    b = builder()
    flat = b.node("Reshape", "images", b.shape(1, 48, 1, 1))
    top = b.conv(flat, 48, 5, kernel=(1, 1), pads=[1, 1, 1, 1])
    groups = b.conv(flat, 48, 6, kernel=(1, 1), group=2)
    both = b.node("Add", b.node("GlobalMaxPool", b.conv(top, 5, 6, kernel=(1, 1))), groups)
    network = b.network(tmp_path / "n.onnx", None, both, Size(4, 4), (6, 1, 1))
    image = np.random.default_rng(0).random((1, 3, 4, 4), np.float32)
    found = interpret.run(lower(network), [image[0]])[0]
    np.testing.assert_allclose(found, graph.run(network, image)[0][0], rtol=1e-5)


def test_axes_that_do_not_line_up_are_aligned_as_onnx_does(tmp_path, builder):
    b = builder()
    x = b.conv("images", 3, 4, kernel=(1, 1))
    line = b.node("Flatten", b.node("GlobalMaxPool", x))  # (1, 4), to the columns in ONNX
    total = b.node("Add", x, line)
    network = b.network(tmp_path / "n.onnx", None, total, Size(4, 4), (4, 4, 4))
    program = lower(network)
    assert isinstance(program.steps[-1], Apply)
    image = np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        interpret.run(program, [image[0]])[0], graph.run(network, image)[0][0]
    )
