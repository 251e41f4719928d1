"""The builder: shapes as ONNX infers them, names that are free, nothing that does not fit."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tatami.errors import TatamiError
from tatami.importers.build import Builder
from tatami.ops.window import Axis, Window
from tatami.types import Size

RNG = np.random.default_rng(0)


def reals(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def every_operator(builder: Builder) -> dict[str, str]:
    """A network that takes every method; odd sizes, so that rows and columns differ."""
    x = builder.conv("conv", builder.images, reals(8, 3, 3, 5), reals(8), Window(
        Axis(3, 2, 1, 0), Axis(5, 1, 2, 3, dilation=2)
    ))  # fmt: skip
    x = builder.conv("depthwise", x, reals(8, 1, 3, 3), None, Window.square(3, 1, 1), groups=8)
    x = builder.batch_norm("norm", x, reals(8), reals(8), reals(8), np.ones(8, np.float32), 1e-5)
    x = builder.scale("scale", x, reals(8), reals(8))
    x = builder.relu("act", builder.leaky_relu("act", x, 0.1))
    pooled = builder.max_pool("max", x, Window(Axis(2, 2), Axis(3, 2, 1, 1)))
    up = builder.upsample("up", pooled, 2, 3)
    mean = builder.average_pool("mean", up, Window.square(2, 2), count_padding=True)
    wide = builder.resize_linear("wide", mean, Size(20, 10), "half_pixel")
    wide = builder.concat("both", [wide, builder.pad("pad", wide, Window.square(1))])
    wide = builder.clip("clip", builder.sigmoid("sigmoid", wide), 0.25, 0.75)
    wide = builder.elementwise("Add", "sum", wide, builder.multiply("half", wide, 0.5))
    wide = builder.shuffle("deal", builder.swish("swish", wide), 4)
    slope = reals(16)
    wide = builder.prelu("prelu", builder.function("Mish", "mish", wide), slope)
    wide = builder.conv_transpose("back", wide, reals(16, 4, 3, 2), reals(8), Window(
        Axis(3, 2, 1, 0), Axis(2, 2, 0, 1)
    ), groups=2, more=(1, 0))  # fmt: skip
    wide = builder.lrn("lrn", wide, 3, 0.1, 0.75, 1.0)
    wide = builder.slice("part", wide, 3, 1, 30, 2)
    wide = builder.number("Pow", "square", wide, 2.0)
    wide = builder.number("Sub", "from", wide, 2.0, first=True)
    wide = builder.pad_axes("edge", wide, (0, 0, 1, 0), (0, 0, 0, 2), "edge")
    wide = builder.resize_nearest("near", wide, Size(13, 7))
    mean = builder.reduce("ReduceMean", "mean", wide, [2, 3])
    wide = builder.spread("Mul", "gated", wide, mean)
    rows = builder.reduce("ReduceMax", "rows", wide, [1], keep=False)
    rows = builder.matmul("rows", rows, reals(1, 13, 16))
    rows = builder.spread("Add", "rows", rows, builder.constant("offset", reals(1, 1, 16)))
    wide = builder.concat("two", [wide, wide])
    flat = builder.transpose("turn", builder.global_pool("all", wide, "average"), (0, 2, 3, 1))
    flat = builder.reshape("flat", flat, (1, 16))
    flat = builder.inner_product("dense", flat, reals(5, 16), reals(5))
    return {"scores": builder.softmax("soft", flat, -1), "map": wide, "lines": rows}


def test_shapes_are_those_that_onnx_infers_and_that_running_it_gives(run_model):
    builder = Builder(Size(41, 23))
    outputs = every_operator(builder)
    shapes = {name: builder.shape(value) for name, value in outputs.items()}
    model = builder.model(outputs)  # the checker holds its shapes to those of inference
    found = run_model(model, reals(1, 3, 23, 41))
    assert {name: value.shape for name, value in found.items()} == shapes
    assert all(np.isfinite(value).all() for value in found.values())
    assert model.opset_import[0].version == 18


def test_every_value_has_the_shape_that_onnx_infers():
    builder = Builder(Size(41, 23))
    model = builder.model(every_operator(builder))
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    assert len(inferred.graph.value_info) > 15
    for value in inferred.graph.value_info:
        shape = tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
        assert builder.shape(value.name) == shape


def test_outputs_take_their_names_from_whatever_had_them(run_model):
    builder = Builder(Size(4, 4))
    first = builder.relu("a", builder.images)
    second = builder.sigmoid("b", first)
    # Each output has another's name, one value has two names, the input is an output.
    outputs = {"b": first, "a": second, "a_1": second, "in": builder.images}
    images = reals(1, 3, 4, 4)
    found = run_model(builder.model(outputs), images)
    np.testing.assert_array_equal(found["in"], images)
    np.testing.assert_array_equal(found["b"], np.maximum(images, 0))
    np.testing.assert_array_equal(found["a"], found["a_1"])
    assert found["a"].min() >= 0.5


def test_names_that_are_taken_get_a_number():
    builder = Builder(Size(4, 4))
    names = [builder.relu("x", builder.images) for _ in range(3)]
    assert names == ["x", "x_1", "x_2"]
    assert builder.relu("x_1", builder.images) not in names
    assert builder.relu("images", builder.images) != "images"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda b: b.conv("c", b.images, reals(4, 2, 3, 3), None, Window.square(3)),
        lambda b: b.conv("c", b.images, reals(4, 3, 9, 9), None, Window.square(9)),
        lambda b: b.conv("c", b.images, reals(4, 3, 3, 3), None, Window.square(3, pad=10**6)),
        lambda b: b.conv(
            "c", b.images, np.full((4, 3, 3, 3), np.nan, np.float32), None, Window.square(3)
        ),
        lambda b: b.max_pool("p", b.images, Window.square(2, 1, 2)),
        lambda b: b.concat("j", [b.images, b.global_pool("g", b.images, "max")]),
        lambda b: b.concat("j", [b.images, b.images], 4),
        lambda b: b.reshape("r", b.images, (1, 191)),
        lambda b: b.reshape("r", b.images, (1,) * 20 + (192,)),
        lambda b: b.transpose("t", b.images, (0, 1, 2, 2)),
        lambda b: b.upsample("u", b.images, 10**5, 10**5),
        lambda b: b.upsample("u", b.images, 0, 1),
        lambda b: b.elementwise("Add", "s", b.images, b.global_pool("g", b.images, "max")),
        lambda b: b.softmax("s", b.images, 4),
        lambda b: b.batch_norm(
            "n", b.images, reals(3), reals(3), reals(3), -np.ones(3, np.float32), 1e-5
        ),
        lambda b: b.model({"images": b.relu("r", b.images)}),
    ],
)
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(TatamiError):
        wrong(Builder(Size(8, 8)))


def test_a_picture_beyond_all_bounds_is_refused():
    with pytest.raises(TatamiError, match="beyond"):
        Builder(Size(10**5, 10**5))


WIDE = Window.square(1, 1, 9)


@pytest.mark.parametrize(
    ("add", "says"),
    [
        (lambda b: b.slice("y", b.images, 1, 2, 2), "takes 2 to 2"),
        (lambda b: b.slice("y", b.images, 0, 0, 1), "along axis 0"),
        (lambda b: b.reduce("ReduceSum", "y", b.images, [0]), "reduces axes"),
        (lambda b: b.matmul("y", b.images, reals(1, 3, 5, 2)), "has weights"),
        (lambda b: b.lrn("y", b.images, 2, 1, 1, 1), "not odd"),
        (lambda b: b.prelu("y", b.images, reals(2)), "has slopes"),
        (lambda b: b.shuffle("y", b.images, 2), "out of 2 groups"),
        (lambda b: b.pad_axes("y", b.images, (0, 0, 8, 0), (0,) * 4, "reflect"), "pads a value"),
        (lambda b: b.spread("Add", "y", b.images, b.constant("c", reals(1, 2, 1, 1))), "combines"),
        (
            lambda b: b.conv_transpose(
                "y", b.images, reals(3, 2, 1, 1), None, Window.square(1, 1, 9)
            ),
            "makes a map",
        ),
        (
            lambda b: b.conv_transpose("y", b.images, reals(2, 2, 1, 1), None, Window.square(1)),
            "for 3 channels",
        ),
    ],
)
def test_what_does_not_fit_the_further_operators_is_refused(add, says):
    with pytest.raises(TatamiError, match=says):
        add(Builder(Size(8, 8)))


def test_a_network_of_endless_operators_is_refused(monkeypatch):
    monkeypatch.setattr("tatami.importers.build.MAX_NODES", 10)
    builder = Builder(Size(2, 2))
    for _ in range(10):
        builder.relu("y", builder.images)
    with pytest.raises(TatamiError, match="more than 10 operators"):
        builder.relu("y", builder.images)
