"""Each pass: what it removes, and that the network's answer is the same, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import helper

from tatami import graph
from tatami.graph.passes.ceil_to_pads import ceil_to_pads
from tatami.graph.passes.drop_identity import drop_identity, drop_unused
from tatami.graph.passes.drop_zero_bias import drop_zero_bias
from tatami.graph.passes.fold_constants import fold_constants
from tatami.graph.passes.lift_constants import lift_constants
from tatami.graph.passes.merge_pad import merge_pad
from tatami.graph.passes.merge_space_to_depth import merge_space_to_depth
from tatami.graph.passes.name_values import SCOPES, name_values

rng = np.random.default_rng(5)
IMAGES = rng.standard_normal((2, 3, 8, 8)).astype(np.float32) - 3  # mostly negative: 0 would win
WEIGHT = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
node = helper.make_node


def same_after(network, change):
    """The operators left by a pass that must not change the answer."""
    (before,) = graph.run(network, IMAGES)
    change(network.model)
    assert np.array_equal(graph.run(network, IMAGES)[0], before)
    return [one.op_type for one in network.graph]


def test_lift_constants_also_takes_weights_out_of_the_inputs(model_of):
    import onnx_ir as ir

    proto = model_of(
        [node("Constant", [], ["k"], value_floats=[2.0]), node("Mul", ["images", "k"], ["map"])], {}
    )
    model = ir.from_proto(proto)
    lift_constants(model)
    assert [one.op_type for one in model.graph] == ["Mul"]
    assert model.graph.initializers["k"].const_value.numpy().tolist() == [2.0]


def test_a_weight_that_layers_share_has_one_name(network_of):
    """torch's exporter writes equal weights once, and gives each other layer an Identity."""
    network = network_of(
        [
            node("Identity", ["w"], ["second"]),
            node("Identity", ["second"], ["third"]),
            node("Conv", ["images", "w"], ["a"], pads=[1, 1, 1, 1]),
            node("Conv", ["a", "third"], ["map"], pads=[1, 1, 1, 1]),
        ],
        {"w": WEIGHT[:3]},
    )
    assert [one.op_type for one in network.graph] == ["Conv", "Conv"]
    (found,) = graph.run(network, IMAGES)
    w = torch.from_numpy(WEIGHT[:3])
    expected = torch.from_numpy(IMAGES)
    for _ in range(2):
        expected = torch.nn.functional.conv2d(expected, w, padding=1)
    assert np.abs(found - expected.numpy()).max() < 1e-4


def test_the_exporters_zero_bias_is_computed_and_then_dropped(model_of):
    import onnx_ir as ir

    proto = model_of(
        [
            node("Shape", ["w"], ["count"], start=0, end=1),
            node("Constant", [], ["zero"], value_float=0.0),
            node("CastLike", ["zero", "images"], ["zero_like"]),
            node("Expand", ["zero_like", "count"], ["bias"]),
            node("Conv", ["images", "w", "bias"], ["map"]),
        ],
        {"w": WEIGHT},
    )
    model = ir.from_proto(proto)
    lift_constants(model)
    fold_constants(model)
    assert [one.op_type for one in model.graph] == ["Conv"]
    bias = model.graph.node(0).inputs[2].const_value.numpy()
    assert bias.dtype == np.float32
    assert bias.tolist() == [0, 0, 0, 0]
    drop_zero_bias(model)
    drop_unused(model)
    assert len(model.graph.node(0).inputs) == 2
    assert list(model.graph.initializers) == ["w"]


def test_a_shape_and_a_weight_that_are_made_of_constants_are_computed(model_of):
    import onnx_ir as ir

    place = np.eye(36, 36, dtype=np.float32)[rng.permutation(36)]
    nodes = [
        node("Concat", ["four", "rest"], ["sides"], axis=0),
        node("MatMul", ["place", "kernels"], ["placed"]),
        node("Reshape", ["placed", "sides"], ["w"]),
        node("Conv", ["images", "w"], ["map"]),
    ]
    kernels = rng.standard_normal((36, 3)).astype(np.float32)
    sides = {"four": np.array([4, 0], np.int64), "rest": np.array([-1, 3], np.int64)}
    model = ir.from_proto(model_of(nodes, {"place": place, "kernels": kernels, **sides}))
    fold_constants(model)
    assert [one.op_type for one in model.graph] == ["Conv"]
    weight = model.graph.node(0).inputs[1].const_value.numpy()
    # A 0 takes the side of what is given: (36, 3) to (4, 3, 3, 3).
    np.testing.assert_array_equal(weight, (place @ kernels).reshape(4, 3, 3, 3))


def test_a_concat_of_the_images_is_not_folded(network_of):
    network = network_of([node("Concat", ["images", "images"], ["map"], axis=1)], {})
    assert same_after(network, fold_constants) == ["Concat"]


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_a_size_that_is_rounded_up_is_what_torch_makes_of_it(
    kind, kernel, stride, pad, model_of, tmp_path
):
    import onnx_ir as ir
    import torch.nn.functional as F
    from torch import from_numpy

    images = IMAGES[:, :, :7, :8]
    how = {"count_include_pad": False} if kind == "AveragePool" else {}
    pool = F.avg_pool2d if how else F.max_pool2d
    expected = pool(from_numpy(images), kernel, stride, pad, ceil_mode=True, **how).numpy()
    one = node(
        kind,
        ["images"],
        ["map"],
        kernel_shape=[kernel] * 2,
        strides=[stride] * 2,
        pads=[pad] * 4,
        ceil_mode=1,
    )
    model = ir.from_proto(model_of([one], {}, image=images.shape))
    model.graph.outputs[0].shape = ir.Shape(expected.shape)
    ceil_to_pads(model)
    assert "ceil_mode" not in model.graph.node(0).attributes
    network = graph.Network(model, None)
    np.testing.assert_allclose(graph.run(network, images)[0], expected, rtol=1e-6)


def test_an_average_that_counts_its_padding_keeps_its_ceil_mode(model_of):
    import onnx_ir as ir

    how = {"kernel_shape": [3, 3], "strides": [2, 2], "count_include_pad": 1, "ceil_mode": 1}
    model = ir.from_proto(model_of([node("AveragePool", ["images"], ["map"], **how)], {}))
    ceil_to_pads(model)
    assert "pads" not in model.graph.node(0).attributes


def test_what_depends_on_the_images_is_not_folded(network_of):
    network = network_of([node("Relu", ["images"], ["map"])], {})
    assert same_after(network, fold_constants) == ["Relu"]


def test_drop_zero_bias(network_of):
    conv = [node("Conv", ["images", "w", "b"], ["map"])]
    zero = network_of(conv, {"w": WEIGHT, "b": np.zeros(4, np.float32)})
    same_after(zero, drop_zero_bias)
    assert len(zero.graph.node(0).inputs) == 2
    other = network_of(conv, {"w": WEIGHT, "b": np.array([0, 0, 1e-30, 0], np.float32)})
    same_after(other, drop_zero_bias)
    assert len(other.graph.node(0).inputs) == 3


def test_drop_identity_between_and_at_the_ends(network_of):
    network = network_of(
        [
            node("Identity", ["images"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("Identity", ["b"], ["map"]),
        ],
        {},
    )
    assert same_after(network, drop_identity) == ["Relu"]
    assert [value.name for value in network.graph.outputs] == ["map"]


def test_drop_unused(network_of):
    network = network_of(
        [node("Relu", ["images"], ["map"]), node("Conv", ["images", "w"], ["idle"])], {"w": WEIGHT}
    )
    assert same_after(network, drop_unused) == ["Relu"]
    assert not network.graph.initializers


LOW = np.array(-np.inf, np.float32)
ZERO = np.array(0, np.float32)


def pool(**attributes):
    return node("MaxPool", ["padded"], ["map"], **{"kernel_shape": [3, 3], **attributes})


@pytest.mark.parametrize(
    ("pad_inputs", "mode", "pool_node", "expected"),
    [
        (["pads", "low"], "constant", pool(), (1, 0, 2, 1)),
        (["pads", "low"], "constant", pool(strides=[2, 1]), (1, 0, 2, 1)),
        (["pads", "low"], "constant", pool(pads=[1, 1, 0, 1]), (2, 1, 2, 2)),
        (["pads", "low"], "constant", pool(dilations=[2, 1]), (1, 0, 2, 1)),
        (["pads"], "edge", pool(), (1, 0, 2, 1)),
        (["pads"], "edge", pool(strides=[1, 3]), (1, 0, 2, 1)),
        (["spatial", "low", "axes"], "constant", pool(), (1, 0, 2, 1)),
        # Not the same, or not allowed in a pool: left as they are.
        (["pads", "zero"], "constant", pool(), None),
        (["pads"], "constant", pool(), None),
        (["pads"], "edge", pool(dilations=[2, 1]), None),
        (["pads"], "edge", pool(pads=[1, 1, 1, 1]), None),
        (["pads"], "reflect", pool(), None),
        (["pads", "low"], "constant", pool(pads=[0, 0, 1, 0]), None),  # 3 below a kernel of 3
        (["channels", "low"], "constant", pool(), None),
    ],
)
def test_merge_pad(network_of, pad_inputs, mode, pool_node, expected):
    weights = {
        "pads": np.array([0, 0, 1, 0, 0, 0, 2, 1]),
        "channels": np.array([0, 1, 1, 0, 0, 0, 0, 1]),
        "spatial": np.array([1, 0, 2, 1]),
        "axes": np.array([2, -1]),
        "low": LOW,
        "zero": ZERO,
    }
    inputs = ["images", *pad_inputs]
    if pad_inputs[-1] == "axes":
        inputs = ["images", "spatial", "low", "axes"]
    network = network_of([node("Pad", inputs, ["padded"], mode=mode), pool_node], weights)
    left = same_after(network, merge_pad)
    if expected is None:
        assert left == ["Pad", "MaxPool"]
    else:
        assert left == ["MaxPool"]
        assert tuple(network.graph.node(0).attributes["pads"].as_ints()) == expected


@pytest.mark.parametrize(("value", "left"), [("zero", ["Conv"]), ("one", ["Pad", "Conv"])])
def test_merge_pad_of_a_causal_convolution(network_of, value, left):
    nodes = [
        node("Pad", ["images", "pads", value], ["padded"], mode="constant"),
        node("Conv", ["padded", "w"], ["map"], dilations=[1, 4], pads=[0, 1, 0, 0]),
    ]
    rng = np.random.default_rng(0)
    weights = {
        "pads": np.array([0, 0, 0, 3, 0, 0, 0, 0]),
        "zero": ZERO,
        "one": np.array(1, np.float32),
        "w": rng.normal(0, 1, (2, 3, 1, 2)).astype(np.float32),
    }
    network = network_of(nodes, weights)
    assert same_after(network, merge_pad) == left
    if left == ["Conv"]:
        assert tuple(network.graph.node(0).attributes["pads"].as_ints()) == (0, 4, 0, 0)


def test_a_pad_that_is_used_twice_stays(network_of):
    nodes = [
        node("Pad", ["images", "pads", "low"], ["padded"]),
        node("MaxPool", ["padded"], ["a"], kernel_shape=[2, 2]),
        node("MaxPool", ["padded"], ["b"], kernel_shape=[2, 2]),
        node("Add", ["a", "b"], ["map"]),
    ]
    network = network_of(nodes, {"pads": np.array([0] * 6 + [1, 1]), "low": LOW})
    assert same_after(network, merge_pad) == ["Pad", "MaxPool", "MaxPool", "Add"]


def test_values_are_named_after_their_modules_and_the_notes_are_forgotten(network_of):
    nodes = [
        node("Conv", ["images", "w"], ["val_1"]),
        node("LeakyRelu", ["val_1"], ["val_2"]),
        node("Relu", ["val_2"], ["val_3"]),
        node("MaxPool", ["val_3"], ["val_4"], kernel_shape=[2, 2]),
        node("MaxPool", ["val_4"], ["map"], kernel_shape=[2, 2]),
    ]
    network = network_of(nodes, {"w": WEIGHT})
    scopes = [
        ["", "stem", "stem.conv", "conv2d"],
        ["", "stem", "leaky_relu"],
        ["", "head.0", "relu"],
        ["", "max_pool2d"],
        ["", "max_pool2d_1"],
    ]
    for one, scope in zip(network.graph, scopes, strict=True):
        one.metadata_props[SCOPES] = str(scope)
        one.metadata_props["pkg.torch.onnx.stack_trace"] = "File /home/somebody/net.py"
    same_after(network, name_values)
    assert [one.outputs[0].name for one in network.graph] == [
        "stem/conv",
        "stem",
        "head/0",
        "max_pool_1",
        "map",
    ]
    assert [one.name for one in network.graph][-1] == "max_pool_2"
    assert not any(one.metadata_props for one in network.graph)


def laid_out(block=2, apart=None, order=(0, 3, 5, 1, 2, 4), made=None):
    """The three nodes, for images (1, 3, 8, 8)."""
    side = 8 // block
    shapes = {
        "apart": np.array(apart or (1, 3, side, block, side, block)),
        "made": np.array(made or (1, 3 * block * block, side, side)),
    }
    nodes = [
        node("Reshape", ["images", "apart"], ["six"]),
        node("Transpose", ["six"], ["moved"], perm=list(order)),
        node("Reshape", ["moved", "made"], ["map"]),
    ]
    return nodes, shapes


@pytest.mark.parametrize("block", [1, 2, 4])
def test_samples_laid_out_as_channels_are_one_node(block, network_of):
    network = network_of(*laid_out(block))
    expected = [graph.run(network, one[None])[0] for one in IMAGES]
    merge_space_to_depth(network.model)
    drop_unused(network.model)
    assert [one.op_type for one in network.graph] == ["SpaceToDepth"]
    assert network.graph.outputs[0].name == "map"
    found = [graph.run(network, one[None])[0] for one in IMAGES]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        found[0][0, :3], IMAGES[0, :, ::block, ::block]
    )  # the first of every block


@pytest.mark.parametrize(
    "other",
    [
        {"order": (0, 1, 3, 5, 2, 4)},  # torch's pixel_unshuffle: another order of channels
        {"apart": (1, 3, 2, 4, 4, 2)},
        {"apart": (1, 12, 2, 2, 2, 2)},
        {"made": (1, 6, 8, 4)},
    ],
)
def test_what_is_laid_out_otherwise_stays(other, network_of):
    network = network_of(*laid_out(**other))
    merge_space_to_depth(network.model)
    assert len(network.graph) == 3


def test_what_somebody_else_reads_stays(network_of):
    nodes, shapes = laid_out()
    nodes.append(node("Reshape", ["moved", "made"], ["twice"]))
    network = network_of(nodes, shapes, outputs=("map", "twice"))
    merge_space_to_depth(network.model)
    assert len(network.graph) == 4
