"""Folding: the same answer before and after, and a reason wherever it would not be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.graph.write import to_bytes
from tatami.ops.norm import Epsilon
from tatami.shrink.fold import fold
from tatami.types import Decoding, DetectionSpec, InputSpec, Size

node = helper.make_node
BOUND = 1e-5  # of the largest |value| of the output


def weights_of(rng, channels, prefix=""):
    """Random statistics of a normalization, far from 0 and 1."""
    return {
        f"{prefix}s": rng.uniform(-2, 2, channels).astype(np.float32),
        f"{prefix}b": rng.standard_normal(channels).astype(np.float32),
        f"{prefix}m": rng.standard_normal(channels).astype(np.float32),
        f"{prefix}v": rng.uniform(1e-4, 4, channels).astype(np.float32),
    }


def normalize(value, result, prefix="", **attributes):
    statistics = [prefix + name for name in "sbmv"]
    return node("BatchNormalization", [value, *statistics], [result], **attributes)


def equal(network, folded, images=None):
    """NumPy and ONNX Runtime find the same before and after."""
    onnxruntime = pytest.importorskip("onnxruntime")
    if images is None:
        shape = tuple(network.graph.inputs[0].shape.numpy())
        images = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    (before,), (after,) = graph.run(network, images), graph.run(folded, images)
    scale = np.abs(before).max()
    assert np.abs(before - after).max() <= BOUND * scale
    for one in (network, folded):
        session = onnxruntime.InferenceSession(to_bytes(one), providers=["CPUExecutionProvider"])
        (theirs,) = session.run(None, {"images": images})
        assert np.abs(before - theirs).max() <= BOUND * scale


CHAIN = st.lists(
    st.sampled_from(["normalize", "Mul", "Div", "Add", "Sub", "rSub", "scalar"]), max_size=5
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chain=CHAIN,
    groups=st.sampled_from([1, 2, 4]),
    bias=st.booleans(),
    stride=st.integers(1, 2),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_chain_behind_a_convolution_becomes_one_convolution(
    network_of, chain, groups, bias, stride, pads, seed
):
    rng = np.random.default_rng(seed)
    weights = {"w": rng.standard_normal((8, 4 // groups, 3, 3)).astype(np.float32)}
    inputs = ["images", "w"]
    if bias:
        weights["bias"] = rng.standard_normal(8).astype(np.float32)
        inputs.append("bias")
    nodes = [node("Conv", inputs, ["c"], group=groups, strides=[stride] * 2, pads=pads)]
    value = "c"
    for index, kind in enumerate(chain):
        result, k = f"chain{index}", f"k{index}"
        if kind == "normalize":
            weights |= weights_of(rng, 8, k)
            nodes.append(normalize(value, result, k, epsilon=1e-3))
        else:
            shape = () if kind == "scalar" else (8, 1, 1)
            weights[k] = rng.uniform(0.5, 2, shape).astype(np.float32)
            pair = [k, value] if kind in ("rSub", "Mul") else [value, k]
            operator = {"rSub": "Sub", "scalar": "Mul"}.get(kind, kind)
            nodes.append(node(operator, pair, [result]))
        value = result
    nodes.append(node("LeakyRelu", [value], ["map"], alpha=0.1))
    network = network_of(nodes, weights, (1, 4, 7, 6))
    folded, records = fold(network)
    assert [one.op_type for one in folded.graph] == ["Conv", "LeakyRelu"]
    assert len(records) == bool(chain)
    equal(network, folded)


def two_blocks():
    rng = np.random.default_rng(4)
    nodes = [
        node("Conv", ["images", "w1"], ["conv1"], pads=[1, 1, 1, 1]),
        normalize("conv1", "norm1", "1", epsilon=1e-5),
        node("LeakyRelu", ["norm1"], ["leaky1"], alpha=0.1),
        node("Conv", ["leaky1", "w2", "b2"], ["conv2"], pads=[1, 1, 1, 1]),
        normalize("conv2", "map", "2", epsilon=1e-3),
    ]
    weights = {
        "w1": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "w2": rng.standard_normal((6, 4, 3, 3)).astype(np.float32),
        "b2": rng.standard_normal(6).astype(np.float32),
        **weights_of(rng, 4, "1"),
        **weights_of(rng, 6, "2"),
    }
    return nodes, weights


def test_the_record_says_what_became_of_each_convolution(network_of):
    nodes, weights = two_blocks()
    network = network_of(nodes, weights)
    folded, records = fold(network)
    equal(network, folded)
    first, second = records
    assert (first.conv, first.output) == ("conv1", "norm1")
    assert first.nodes == ("BatchNormalization 'norm1'",)
    assert [str(record.epsilon) for record in records] == ["1e-05", "0.001"]
    scale = weights["1s"].astype(float) / np.sqrt(weights["1v"].astype(float) + 1e-5)
    assert first.largest_scale == pytest.approx(np.abs(scale).max(), rel=1e-12)
    assert first.operations == 3 * 4 * 8 * 8  # 4 an element, less the bias that is added now
    assert second.operations == 4 * 6 * 8 * 8  # this convolution had a bias before


def test_values_that_stay_keep_their_names_and_agree(network_of):
    network = network_of(*two_blocks())
    folded, _ = fold(network)
    images = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    before, after = graph.values(network, images), graph.values(folded, images)
    assert list(after) == ["images", "norm1", "leaky1", "map"]
    for name, array in after.items():
        assert np.abs(array - before[name]).max() <= BOUND * np.abs(before[name]).max()


def test_weights_are_rounded_once_from_float64(network_of):
    nodes, weights = two_blocks()
    folded, _ = fold(network_of(nodes, weights))
    exact = {name: array.astype(np.float64) for name, array in weights.items()}
    scale = exact["2s"] / np.sqrt(exact["2v"] + 1e-3)
    bias = (exact["b2"] * scale + (exact["2b"] - exact["2m"] * scale)).astype(np.float32)
    conv = folded.graph.node(2)
    weight = (exact["w2"] * scale[:, None, None, None]).astype(np.float32)
    assert np.array_equal(conv.inputs[1].const_value.numpy(), weight)
    assert np.array_equal(conv.inputs[2].const_value.numpy(), bias)


def test_the_network_given_is_left_as_it_is(network_of):
    network = network_of(*two_blocks())
    before = to_bytes(network)
    fold(network)
    assert to_bytes(network) == before


def test_nothing_to_fold_is_no_error(network_of):
    nodes = [node("Conv", ["images", "w1"], ["c"]), node("Relu", ["c"], ["map"])]
    network = network_of(nodes, {"w1": two_blocks()[1]["w1"]})
    folded, records = fold(network)
    assert records == []
    assert to_bytes(folded) == to_bytes(network)


def test_folding_twice_is_folding_once(network_of):
    folded, _ = fold(network_of(*two_blocks()))
    again, records = fold(folded)
    assert records == []
    assert to_bytes(again) == to_bytes(folded)


def test_a_weight_that_two_convolutions_share_is_folded_for_each(network_of):
    rng = np.random.default_rng(9)
    nodes = [
        node("Conv", ["images", "w"], ["a"]),
        normalize("a", "an", "1"),
        node("Conv", ["images", "w"], ["b"]),
        normalize("b", "bn", "2"),
        node("Concat", ["an", "bn"], ["map"], axis=1),
    ]
    weights = {"w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32)}
    weights |= weights_of(rng, 4, "1") | weights_of(rng, 4, "2")
    network = network_of(nodes, weights)
    folded, _ = fold(network)
    assert [one.op_type for one in folded.graph] == ["Conv", "Conv", "Concat"]
    equal(network, folded)


def test_what_is_not_a_line_per_channel_is_left_alone(network_of):
    """A hard swish: its convolution is used twice, and by no normalization."""
    rng = np.random.default_rng(9)
    nodes = [
        node("Conv", ["images", "w"], ["c"]),
        node("Add", ["c", "three"], ["shifted"]),
        node("Clip", ["shifted", "zero", "six"], ["held"]),
        node("Mul", ["c", "held"], ["map"]),
    ]
    constants = {"three": 3, "zero": 0, "six": 6}
    weights = {name: np.array(value, np.float32) for name, value in constants.items()}
    weights["w"] = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    network = network_of(nodes, weights)
    folded, records = fold(network)
    assert records == []
    equal(network, folded)


def test_the_spec_travels_and_says_that_it_was_folded(network_of):
    nodes, weights = two_blocks()
    spec = DetectionSpec(
        ("a",),
        InputSpec(Size(8, 8)),
        Decoding.yolov2(((1.0, 1.0),), 1),
        {"by": "hand"},
    )
    network = replace(network_of(nodes, weights), spec=spec)
    folded, _ = fold(network)
    assert folded.spec is not None
    note = "2 convolutions, epsilon: the nodes' own"
    assert folded.spec == replace(spec, provenance={"by": "hand", "folded": note})
    assert spec.provenance == {"by": "hand"}
    folded, _ = fold(network, Epsilon(1e-6, "root"))
    assert folded.spec.provenance["folded"] == "2 convolutions, epsilon: darknet:1e-06"


@pytest.mark.parametrize(
    ("text", "epsilon"),
    [
        ("1e-5", Epsilon(1e-5)),
        ("0.001", Epsilon(1e-3)),
        ("0", Epsilon(0.0)),
        ("darknet:1e-6", Epsilon(1e-6, "root")),
        (" darknet:.000001 ", None),
        ("-1e-5", None),
        ("1e999", None),
        ("nan", None),
        ("", None),
        ("torch:1e-5", None),
    ],
)
def test_an_epsilon_as_a_person_types_it(text, epsilon):
    if epsilon is None:
        with pytest.raises(TatamiError, match="is not an epsilon"):
            Epsilon.parse(text)
    else:
        assert Epsilon.parse(text) == epsilon
        assert Epsilon.parse(str(epsilon)) == epsilon


def test_darknets_epsilon_is_added_to_the_root():
    variance = np.array([0.0, 1e-6, 4.0])
    assert Epsilon(1e-3, "root").deviation(variance).tolist() == [1e-3, 2e-3, 2.001]
    assert Epsilon(1e-2).deviation(variance)[0] == 0.1


# Where folding would be wrong.


def refused(network, *parts, epsilon=None, depthwise=None):
    with pytest.raises(TatamiError) as caught:
        fold(network, epsilon, depthwise)
    for part in parts:
        assert part in str(caught.value)


W = {"w": np.ones((4, 3, 3, 3), np.float32), **weights_of(np.random.default_rng(0), 4)}


@pytest.mark.parametrize(
    ("between", "name"),
    [
        (node("LeakyRelu", ["c"], ["between"]), "LeakyRelu"),
        (node("Relu", ["c"], ["between"]), "Relu"),
        (node("MaxPool", ["c"], ["between"], kernel_shape=[2, 2]), "MaxPool"),
        (node("AveragePool", ["c"], ["between"], kernel_shape=[2, 2]), "AveragePool"),
        (node("Add", ["c", "c"], ["between"]), "Add"),
    ],
)
def test_a_normalization_behind_anything_else(network_of, between, name):
    nodes = [node("Conv", ["images", "w"], ["c"]), between, normalize("between", "map")]
    refused(network_of(nodes, W), "BatchNormalization 'map' follows", f"{name} 'between'")


def test_a_normalization_of_the_input(network_of):
    nodes = [normalize("images", "n"), node("Conv", ["n", "w"], ["map"], pads=[1, 1, 1, 1])]
    weights = {"w": W["w"], **weights_of(np.random.default_rng(0), 3)}
    refused(network_of(nodes, weights), "'n' normalizes the network's input", "borders")


def test_a_convolution_that_is_used_twice(network_of):
    nodes = [
        node("Conv", ["images", "w"], ["c"]),
        normalize("c", "n"),
        node("Relu", ["c"], ["r"]),
        node("Add", ["n", "r"], ["map"]),
    ]
    refused(network_of(nodes, W), "Conv 'c' is used twice", "'n'", "Relu 'r'")


def test_a_convolution_that_is_also_an_output(network_of):
    nodes = [node("Conv", ["images", "w"], ["c"]), normalize("c", "map")]
    network = network_of(nodes, W, outputs=("map", "c"))
    refused(network, "Conv 'c' is used twice", "'map'", "the network's output")


def test_a_chain_that_is_tapped_in_its_middle(network_of):
    nodes = [
        node("Conv", ["images", "w"], ["c"]),
        node("Mul", ["c", "two"], ["doubled"]),
        normalize("doubled", "n"),
        node("Add", ["n", "doubled"], ["map"]),
    ]
    refused(
        network_of(nodes, {**W, "two": np.array(2, np.float32)}), "Conv 'doubled' is used twice"
    )


@pytest.mark.parametrize("pads", [0, 1])
def test_with_depthwise_a_normalization_that_is_left_is_a_convolution(network_of, pads):
    """DenseNet's: of a value that many read, in front of a convolution, also at zero padding."""
    rng = np.random.default_rng(3)
    nodes = [
        node("Conv", ["images", "w"], ["c"]),
        normalize("c", "n", "1", epsilon=1e-3),
        node("Relu", ["n"], ["r"]),
        node("Concat", ["c", "r"], ["both"], axis=1),
        normalize("both", "m", "2"),
        node("Relu", ["m"], ["s"]),
        node("Conv", ["s", "k"], ["d"], pads=[pads] * 4),
        normalize("d", "map", "3"),
    ]
    weights = {"w": W["w"], "k": rng.standard_normal((5, 8, 3, 3)).astype(np.float32)}
    for prefix, channels in (("1", 4), ("2", 8), ("3", 5)):
        weights |= weights_of(rng, channels, prefix)
    network = network_of(nodes, weights)
    refused(network, "Conv 'c' is used twice")
    folded, records = fold(network, depthwise=True)
    assert [record.conv for record in records if not record.alone] == ["d"]
    alone = {record.output: record for record in records if record.alone}
    assert list(alone) == ["n", "m"]
    assert alone["n"].alone.startswith("Conv 'c' is used twice: by BatchNormalization 'n'")
    assert "'m' follows Concat 'both'" in alone["m"].alone
    assert str(alone["n"].epsilon) == "0.001"
    assert alone["m"].operations == 2 * 8 * 6 * 6
    kinds = [one.op_type for one in folded.graph]
    assert kinds == ["Conv", "Conv", "Relu", "Concat", "Conv", "Relu", "Conv"]
    equal(network, folded)


def test_depthwise_uses_the_epsilon_that_is_given(network_of):
    network = network_of(
        [normalize("images", "map", epsilon=1e-3)], {**weights_of(np.random.default_rng(0), 3)}
    )
    own, other = (fold(network, e, depthwise=True)[0] for e in (None, Epsilon(1e-3)))
    assert to_bytes(own) == to_bytes(other)
    far = fold(network, Epsilon(1.0), depthwise=True)[0]
    images = np.ones((1, 3, 8, 8), np.float32)
    assert np.abs(graph.run(far, images)[0] - graph.run(own, images)[0]).max() > 0.01


def test_depthwise_in_the_provenance_and_out_of_range(network_of):
    weights = weights_of(np.random.default_rng(0), 3)
    network = network_of([normalize("images", "map")], weights)
    spec = DetectionSpec(("a",), InputSpec(Size(8, 8)), Decoding.yolov2(((1.0, 1.0),), 8))
    refused(network, "'map' normalizes the network's input")  # nobody says what network it is
    refused(replace(network, spec=spec), "normalizes the network's input", depthwise=False)
    folded, _ = fold(replace(network, spec=spec))
    assert folded.spec is not None
    assert folded.spec.provenance["folded"].endswith(", 1 depthwise")
    weights["s"] = np.full(3, 3e38, np.float32)
    weights["v"] = np.full(3, 1e-30, np.float32)
    with pytest.raises(TatamiError, match="as a convolution leaves the range of float32"):
        fold(network_of([normalize("images", "map")], weights), depthwise=True)


def in_memory(nodes, weights, network_of, change):
    """A network that graph.read would refuse: made by a program, changed after reading."""
    network = network_of(nodes, weights)
    change(network.model)
    return network


BLOCK = [node("Conv", ["images", "w"], ["c"]), normalize("c", "map", epsilon=1e-5)]


def set_weight(name, array):
    def change(model):
        model.graph.initializers[name].const_value = ir.tensor(array, name=name)

    return change


def test_training_mode(network_of):
    def change(model):
        model.graph.node(1).attributes["training_mode"] = ir.AttrInt64("training_mode", 1)

    refused(in_memory(BLOCK, W, network_of, change), "'map' is in training mode")


def test_a_negative_variance(network_of):
    bad = W["v"].copy()
    bad[2] = -1e-3
    network = in_memory(BLOCK, W, network_of, set_weight("v", bad))
    refused(network, "'map' has the variance -0.001 in channel 2", "epsilon 1e-05")
    refused(network, "darknet:1e-06", epsilon=Epsilon(1e-6, "root"))
    folded, _ = fold(network, Epsilon(1e-2))
    assert isinstance(folded, Network)


def test_a_variance_of_zero_needs_an_epsilon(network_of):
    bad = W["v"].copy()
    bad[1] = 0
    network = in_memory(BLOCK, W, network_of, set_weight("v", bad))
    refused(network, "channel 1", epsilon=Epsilon(0.0))


def test_statistics_of_another_length(network_of):
    network = in_memory(BLOCK, W, network_of, set_weight("m", np.ones(5, np.float32)))
    refused(network, "'map' has a mean of shape (5,) for 4 channels")


@pytest.mark.parametrize("shape", [(6,), (6, 6), (4, 6, 6), (1, 1, 6, 6), (4, 1, 6)])
def test_a_constant_that_is_not_per_channel_ends_the_chain(network_of, shape):
    """(6,) runs along the columns, not along the channels."""
    nodes = [
        node("Conv", ["images", "w"], ["c"]),
        node("Mul", ["c", "two"], ["d"]),
        node("Mul", ["d", "k"], ["map"]),
    ]
    constants = {"two": np.float32(2), "k": np.full(shape, 3, np.float32)}
    network = network_of(nodes, {"w": W["w"], **constants})
    folded, (record,) = fold(network)
    assert record.nodes == ("Mul 'd'",)
    assert [each.op_type for each in folded.graph] == ["Conv", "Mul"]
    images = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(
        graph.run(folded, images)[0], graph.run(network, images)[0], rtol=1e-5, atol=1e-5
    )


def test_four_columns_are_not_four_channels(network_of):
    nodes = [node("Conv", ["images", "w"], ["c"]), node("Add", ["c", "k"], ["map"])]
    network = network_of(nodes, {"w": W["w"], "k": np.arange(4, dtype=np.float32)}, (1, 3, 6, 6))
    assert fold(network)[1] == []


def test_a_convolution_of_a_line(network_of):
    """Of one axis, as of two."""
    weights = {**W, "w": np.ones((4, 3, 2), np.float32), "last": np.array([3])}
    nodes = [
        node("Conv", ["images", "w"], ["c"]),
        normalize("c", "n", epsilon=1e-5),
        node("Unsqueeze", ["n", "last"], ["map"]),
    ]
    network = network_of(nodes, weights, (1, 3, 9))
    folded, records = fold(network)
    assert len(records) == 1
    images = np.random.default_rng(0).normal(size=(1, 3, 9)).astype(np.float32)
    np.testing.assert_allclose(
        graph.run(folded, images)[0], graph.run(network, images)[0], rtol=1e-4, atol=1e-4
    )


def test_division_by_zero_and_division_of_a_constant(network_of):
    zero = {"w": W["w"], "k": np.array([1, 1, 0, 1], np.float32).reshape(4, 1, 1)}
    nodes = [node("Conv", ["images", "w"], ["c"]), node("Div", ["c", "k"], ["map"])]
    refused(network_of(nodes, zero), "Div 'map' divides by zero")
    nodes[1] = node("Div", ["k", "c"], ["map"])
    assert fold(network_of(nodes, zero))[1] == []  # k / x is no line: left as it is


def test_weights_that_leave_float32(network_of):
    tiny = np.full(4, 1e-30, np.float32)
    huge = np.full(4, 1e30, np.float32)
    network = network_of(BLOCK, {**W, "v": tiny, "s": huge})
    refused(network, "range of float32", "'map'", epsilon=Epsilon(0.0))


# Somebody else's folding of real weights.


def read_unfolded(path, outputs, inputs):
    """W (O, H, W, I), mean, variance, gamma, beta, as float32 one after the other."""
    numbers = np.fromfile(path, np.float32)
    taps = outputs * 9 * inputs
    weight = numbers[:taps].reshape(outputs, 3, 3, inputs).transpose(0, 3, 1, 2)
    return weight, *numbers[taps:].reshape(4, outputs)


@pytest.mark.parametrize(
    ("layer", "outputs", "inputs"),
    [(1, 16, 3), (2, 32, 16), (3, 64, 32), (4, 128, 64), (5, 256, 128)],
)
def test_the_real_tiny_yolo_voc_folds_as_somebody_elses_program_folded_it(
    shared_data, network_of, layer, outputs, inputs
):
    """Their weights, from their epsilon of 1e-3, to the last bits of float32."""
    folder = shared_data / "weights" / "tiny-yolo-voc-partial"
    unfolded = folder / "unfolded" / f"conv{layer}.bin"
    weight, mean, variance, gamma, beta = read_unfolded(unfolded, outputs, inputs)
    weights = {"w": np.ascontiguousarray(weight), "s": gamma, "b": beta, "m": mean, "v": variance}
    nodes = [
        node("Conv", ["images", "w"], ["c"], pads=[1, 1, 1, 1]),
        normalize("c", "map", epsilon=1e-3),
    ]
    network = network_of(nodes, weights, (1, inputs, 13, 13))
    folded, _ = fold(network)
    equal(network, folded)

    ours = [value.const_value.numpy() for value in folded.graph.node(0).inputs[1:]]
    theirs_weight = np.fromfile(folder / "folded" / f"conv{layer}_W.bin", np.float32)
    theirs_weight = theirs_weight.reshape(outputs, 3, 3, inputs).transpose(0, 3, 1, 2)
    theirs_bias = np.fromfile(folder / "folded" / f"conv{layer}_b.bin", np.float32)
    np.testing.assert_allclose(ours[0], theirs_weight, rtol=1e-6, atol=0)
    np.testing.assert_allclose(ours[1], theirs_bias, rtol=1e-6, atol=1e-6)

    # The test can tell: another epsilon gives another network, docs/lessons/05-folding.md says by
    # how much.
    wrong, _ = fold(network, Epsilon(1e-5))
    ratio = wrong.graph.node(0).inputs[1].const_value.numpy() / theirs_weight
    error = np.nanmax(np.abs(ratio - 1))
    assert 0.19 < error < 0.21 if layer == 1 else 1e-4 < error < 1e-3
