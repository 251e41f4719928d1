"""Lowering: the order of steps, what is folded, lifetimes and the arena, and every refusal."""

import math

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.ship.c.emit import c_name, emit
from tatami.ship.c.layout import lay_out
from tatami.ship.program import Clamp, Conv, Leaky, lower, parameters
from tatami.types import Size


def test_the_small_detector_step_by_step(tmp_path, small_detector):
    program = lower(small_detector(tmp_path / "n.onnx"))
    kinds = [type(step).__name__ for step in program.steps]
    assert kinds == ["Conv", "MaxPool", "Conv", "MaxPool", "Conv", "MaxPool", "Conv"]
    assert [getattr(step, "activation", None) for step in program.steps][::2] == [
        *[Leaky(pytest.approx(0.1))] * 3,
        None,
    ]
    first = program.steps[0]
    assert program.shapes[first.output] == (6, 32, 64)
    assert program.multiply_adds(first) == 6 * 3 * 9 * 32 * 64
    assert parameters(first) == 6 * 3 * 9 + 6
    assert parameters(program.steps[1]) == program.multiply_adds(program.steps[1]) == 0
    assert np.all(program.steps[2].bias == 0)  # exported without one


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
    # input and output of the first convolution and its scratch
    assert layout.plan.size == 4 * (3 * 32 * 64 + 6 * 32 * 64 + 27 * 208)


def refused(match, *arguments):
    with pytest.raises(TatamiError, match=match):
        lower(*arguments)


def test_refusals_name_the_layer_and_the_mend(tmp_path, builder, small_spec):
    spec = small_spec(Size(32, 32), classes="abc")
    path, size, result = tmp_path / "n.onnx", Size(32, 32), (16, 4, 4)

    def body(b):
        return b.conv("images", 3, 16, kernel=(8, 8), strides=[8, 8])

    b = builder()
    x = body(b)
    four = [b.constant(np.ones(16)) for _ in range(4)]
    x = b.node("BatchNormalization", x, *four)
    refused(r"BatchNormalization 'v1_batch.*tatami fold", b.network(path, spec, x, size, result))

    b = builder()
    x = b.node("Sigmoid", body(b))
    refused("Sigmoid 'v1_sigmoid' cannot be shipped", b.network(path, spec, x, size, result))

    b = builder()
    x = b.node("Add", body(b), b.constant(np.ones((1, 16, 1, 1))))
    refused("Add 'v1_add' takes a constant", b.network(path, spec, x, size, result))

    b = builder()
    x = body(b)
    narrow = b.node("MaxPool", x, kernel_shape=[4, 4])
    x = b.node("Add", x, narrow)
    refused("adds maps of 16x4x4 and 16x1x1", b.network(path, spec, x, size, result))

    b = builder()
    x = body(b)
    x = b.node("Concat", x, b.node("Relu", x), axis=2)
    x = b.node("MaxPool", x, kernel_shape=[1, 1], strides=[2, 1])
    refused("along axis 2", b.network(path, spec, x, size, result))

    b = builder()
    refused("metadata", b.network(path, None, body(b), size, result))


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
        emit(program, "net")


def test_large_weights_are_not_text(tmp_path, builder, small_spec):
    b = builder()
    x = b.conv("images", 3, 300, kernel=(8, 8), strides=[8, 8])
    x = b.conv(x, 300, 300, pads=[1, 1, 1, 1])
    x = b.conv(x, 300, 16, kernel=(1, 1))
    spec = small_spec(Size(32, 32), classes="abc")
    program = lower(b.network(tmp_path / "n.onnx", spec, x, Size(32, 32), (16, 4, 4)))
    files = emit(program, "net").files
    assert len(files["net_weights.bin"]) == 4 * sum(map(parameters, program.steps))
    assert "net_weights.c" not in files
    assert isinstance(program.steps[0], Conv)
    np.testing.assert_array_equal(
        np.frombuffer(files["net_weights.bin"], "<f4")[: 4 * 192].reshape(192, 4).T,
        program.steps[0].weights[:4].reshape(4, 192),
    )
