"""Quantization: ranges, weights, refusals and measures; the float twin is the oracle."""

import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.shrink.calibrate import Observation, Range, choose_range, merge, observe
from tatami.shrink.equalize import equalize
from tatami.shrink.quantize import input_scale, measure, quantize, scale_of, to_integers
from tatami.types import InputSpec, Size


def network_of(tmp_path, nodes, weights, output, shape, name="n.onnx"):
    """One (1, 3, 8, 8) input; nodes as (kind, inputs, output, attributes)."""
    made = helper.make_graph(
        [helper.make_node(kind, ins, [out], **more) for kind, ins, out, more in nodes],
        "small",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 8, 8))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(w, np.float32), key) for key, w in weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / name)
    return graph.read(tmp_path / name)


def two_layers(tmp_path, seed=0, spread=None, group=1, activation="Relu"):
    """conv, activation, conv (depthwise where group is 4), activation, 1x1 conv."""
    rng = np.random.default_rng(seed)
    a = rng.normal(0, 0.3, (4, 3, 3, 3)) * (
        1 if spread is None else np.reshape(spread, (4, 1, 1, 1))
    )
    weights = {
        "a.weight": a,
        "a.bias": rng.normal(0, 0.1, 4),
        "b.weight": rng.normal(0, 0.3, (4, 4 // group, 3, 3)),
        "b.bias": rng.normal(0, 0.1, 4),
        "c.weight": rng.normal(0, 0.3, (5, 4, 1, 1)),
    }
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        ("Conv", ["images", "a.weight", "a.bias"], "a", same),
        (activation, ["a"], "ar", {}),
        ("Conv", ["ar", "b.weight", "b.bias"], "b", {**same, "group": group}),
        (activation, ["b"], "br", {}),
        ("Conv", ["br", "c.weight"], "c", {}),
    ]
    return network_of(tmp_path, nodes, weights, "c", (1, 5, 8, 8))


def images(count=6, seed=0):
    return list(np.random.default_rng(seed).random((count, 1, 3, 8, 8)).astype(np.float32))


def seen_of(values):
    values = np.asarray(values, np.float64)
    counts, _ = np.histogram(values, 2048, (values.min(), values.max()))
    return Observation(values.min(), values.max(), counts, np.zeros(1))


def test_what_was_seen_is_what_there_was(tmp_path):
    network = two_layers(tmp_path)
    pictures = images()
    seen = observe(network, pictures, len(pictures))
    everything = np.stack([graph.values(network, image)["ar"] for image in pictures])
    assert seen["ar"].low == 0
    assert seen["ar"].high == pytest.approx(everything.max())
    assert seen["ar"].counts.sum() == everything.size
    np.testing.assert_allclose(seen["ar"].means, everything.mean(axis=(0, 1, 3, 4)), rtol=1e-5)
    assert seen["a"].low < 0 < seen["a"].high


def test_ranges():
    values = np.concatenate([np.random.default_rng(0).normal(0, 1, 200_000), [60.0]])
    seen = seen_of(values)
    assert choose_range(seen, "minmax") == Range(values.min(), 60.0)
    percentile, mse = choose_range(seen, "percentile"), choose_range(seen, "mse")
    assert 3 < percentile.high < 5
    assert 3 < mse.high < 55

    def error(range):
        scale, zero = scale_of(range)
        steps = np.clip(np.round(values / scale) + zero, 0, 255)
        return np.mean(((steps - zero) * scale - values) ** 2)

    assert error(mse) < error(percentile)  # the outlier counts, but not for more than it is
    assert error(mse) < 0.9 * error(choose_range(seen, "minmax"))


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_a_range_holds_zero_and_is_never_empty(method):
    for values in ([3.0, 4.0], [-4.0, -3.0], [0.0, 0.0], [-1e-30, 1e-30], [-2.0, 5.0]):
        chosen = choose_range(seen_of(values), method)
        assert chosen.low <= 0 <= chosen.high
        assert chosen.low < chosen.high
        scale, zero = scale_of(chosen)
        assert scale > 0
        assert 0 <= zero <= 255


def test_several_values_with_one_range():
    one, other = seen_of([-1.0, 0.5, 2.0]), seen_of([0.0, 7.0])
    both = merge([one, other])
    assert (both.low, both.high) == (-1.0, 7.0)
    assert both.counts.sum() == 5


def test_weights_are_symmetric_and_every_channel_has_its_scale():
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    weights[2] *= 100
    weights[3] = 0
    stored, scale = to_integers(weights, 0)
    assert stored.min() >= -127
    np.testing.assert_array_equal(np.abs(stored).max(axis=(1, 2, 3)), [127, 127, 127, 0])
    error = np.abs(stored * scale[:, None, None, None] - weights)
    assert (error <= scale[:, None, None, None] * 0.5001).all()


def test_a_pictures_levels_are_the_inputs_bytes():
    size = Size(8, 8)
    assert input_scale(InputSpec(size)) == (np.float32(1 / 255), 0)
    assert input_scale(InputSpec(size, mean=(128.0,) * 3, scale=(1 / 128,) * 3)) == (1 / 128, 128)
    assert input_scale(InputSpec(size, mean=(103.9, 116.8, 123.7))) is None
    assert input_scale(InputSpec(size, mean=(127.5,) * 3)) is None


def test_a_quantized_network_is_standard_and_near_the_float_one(tmp_path, exact_sums):
    runtime = pytest.importorskip("onnxruntime")
    network = two_layers(tmp_path)
    pictures = images()
    result = quantize(network, observe(network, pictures, len(pictures)))
    graph.write(result, tmp_path / "q.onnx")  # ONNX's own checker has seen it
    session = runtime.InferenceSession(
        tmp_path / "q.onnx", exact_sums, providers=["CPUExecutionProvider"]
    )
    layers = measure(network, result, pictures)
    assert [layer.name for layer in layers] == ["a", "b", "c"]
    assert all(layer.sqnr > 25 and layer.weight_sqnr > 35 for layer in layers)
    for image in images(3, seed=9):
        (expected,) = graph.run(network, image)
        for found in (graph.run(result, image)[0], session.run(None, {"images": image})[0]):
            assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()


@pytest.mark.parametrize(("activation", "between"), [("LeakyRelu", True), ("Relu", False)])
def test_pairs_everywhere_are_those_that_another_program_wants(
    tmp_path, exact_sums, activation, between
):
    """A pair stands behind every layer but one that is clamped, and ours is their answer."""
    runtime = pytest.importorskip("onnxruntime")
    network = two_layers(tmp_path, activation=activation)
    found = observe(network, images(), 6)
    quantized = quantize(network, found, pairs_everywhere=True)
    kinds = [use.node.op_type for node in quantized.graph if node.op_type == "Conv"
             for use in node.outputs[0].uses()]  # fmt: skip
    assert kinds == [("QuantizeLinear" if between else activation)] * 2
    graph.write(quantized, tmp_path / "everywhere.onnx")
    session = runtime.InferenceSession(tmp_path / "everywhere.onnx", exact_sums)
    for image in images(3, seed=1):
        (theirs,) = session.run(None, {"images": image})
        (ours,) = interpret.run(lower(quantized), image)
        assert np.abs(ours - theirs).max() <= 0.02 * np.abs(theirs).max()
        assert np.abs(ours - graph.run(network, image)[0]).max() <= 0.1 * np.abs(theirs).max()


def test_the_ratio_is_what_it_says(tmp_path):
    network = two_layers(tmp_path)
    pictures = images(2)
    result = quantize(network, observe(network, pictures, 2))
    (layer,) = (one for one in measure(network, result, pictures) if one.name == "c")
    signal = noise = 0.0
    for image in pictures:
        (expected,), (found,) = graph.run(network, image), graph.run(result, image)
        signal += float((expected**2).sum())
        noise += float(((found - expected) ** 2).sum())
    assert layer.sqnr == pytest.approx(10 * math.log10(signal / noise), rel=1e-6)


def test_bias_correction_lowers_the_mean_error(tmp_path):
    network = two_layers(tmp_path, seed=3)
    pictures = images(16)
    seen = observe(network, pictures, len(pictures))

    def mean_error(**options):
        result = quantize(network, seen, **options)
        apart = [graph.run(result, image)[0] - graph.run(network, image)[0] for image in pictures]
        return np.abs(np.mean(apart, axis=(0, 1, 3, 4))).mean()

    assert mean_error() < 0.7 * mean_error(bias_correction=False)


@pytest.mark.parametrize("group", [1, 4])
@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu"])
def test_equalization_changes_no_result_and_evens_the_channels(tmp_path, group, activation):
    network = two_layers(tmp_path, spread=[1, 100, 0.01, 5], group=group, activation=activation)
    even = equalize(network)
    for image in images(2):
        np.testing.assert_allclose(
            graph.run(even, image)[0], graph.run(network, image)[0], rtol=1e-4, atol=1e-5
        )

    def spread(one):
        """Largest over smallest range of a channel in the first layer's weights."""
        (first,) = (node for node in one.graph if node.outputs[0].name == "a")
        largest = np.abs(first.inputs[1].const_value.numpy()).max(axis=(1, 2, 3))
        return largest.max() / largest.min()

    assert spread(even) < 0.05 * spread(network)


def test_a_layer_that_is_kept_stays_float(tmp_path):
    network = two_layers(tmp_path)
    seen = observe(network, images(), 6)
    result = quantize(network, seen, keep_float=["b"])
    integers = [v.name for v in result.graph.initializers.values() if v.dtype.name == "INT8"]
    assert "a.weight_quantized" in integers
    assert not any("b.weight" in name for name in integers)
    assert "b.weight" in result.graph.initializers


def test_what_is_refused(tmp_path):
    network = two_layers(tmp_path)
    seen = observe(network, images(), 6)
    with pytest.raises(TatamiError, match=r"no layer .d.*a, b, c"):
        quantize(network, seen, keep_float=["d"])
    with pytest.raises(TatamiError, match="quantized already"):
        quantize(quantize(network, seen), seen)
    with pytest.raises(TatamiError, match="no picture"):
        observe(network, [], 0)
    ones = {f"w{i}": np.ones(3) for i in range(4)}
    plain = network_of(
        tmp_path,
        [("BatchNormalization", ["images", *ones], "y", {})],
        ones,
        "y",
        (1, 3, 8, 8),
    )
    with pytest.raises(TatamiError, match="fold the network first"):
        quantize(plain, {})


def test_values_that_are_only_moved_share_one_scale(tmp_path):
    rng = np.random.default_rng(0)
    weights = {f"w{i}": rng.normal(0, 0.2 * 10**i, (4, 3, 3, 3)) for i in range(2)}
    weights["top"] = rng.normal(size=(2, 8, 1, 1))
    nodes = [
        ("Conv", ["images", "w0"], "a", {}),
        ("Conv", ["images", "w1"], "b", {}),
        ("Concat", ["a", "b"], "ab", {"axis": 1}),
        ("MaxPool", ["ab"], "p", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Conv", ["p", "top"], "y", {}),
    ]
    network = network_of(tmp_path, nodes, weights, "y", (1, 2, 3, 3))
    result = quantize(network, observe(network, images(), 6))
    scales = {
        name: float(result.graph.initializers[f"{name}_scale"].const_value.numpy())
        for name in ("a", "b", "ab", "p")
    }
    assert len(set(scales.values())) == 1
