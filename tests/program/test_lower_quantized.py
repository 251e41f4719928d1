"""Integer programs: what QDQ becomes, our own and that of others, and what it computes."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import (
    TAPS,
    Dequantize,
    Quantize,
    QuantizedAdd,
    QuantizedConv,
    Requantize,
    Table,
    ToFloat,
    Value,
)
from tatami.shrink.calibrate import observe
from tatami.shrink.quantize import quantize
from tatami.types import Size


def images_of(network, count=3, seed=0):
    shape = [int(side) for side in network.graph.inputs[0].shape.numpy()]
    return list(np.random.default_rng(seed).random((count, *shape)).astype(np.float32))


def quantized(network, **options):
    images = images_of(network)
    return quantize(network, observe(network, images, len(images)), **options)


def kinds(program):
    return [type(step).__name__ for step in program.steps]


def test_a_detector_in_integers_step_by_step(tmp_path, small_detector):
    network = small_detector(tmp_path / "n.onnx")
    program = lower(quantized(network))
    assert kinds(program) == [*["QuantizedConv"] * 3, "MaxPool", "QuantizedConv"]
    first, last = program.steps[0], program.steps[-1]
    assert first.weights.dtype == np.int8
    assert first.bias.dtype == np.int32
    assert isinstance(first.result, Requantize)
    assert first.pool is not None
    # leaky ReLU: another multiplier below 0, of the same shift
    ratio = first.result.negative_multiplier / first.result.multiplier
    np.testing.assert_allclose(ratio, np.float32(0.1), rtol=1e-8)
    assert isinstance(last.result, ToFloat)
    assert program.values[program.outputs[0]].quantization is None
    # The picture's own 256 levels are the input's 256 bytes.
    pixels = program.values[program.inputs[0]].quantization
    assert (pixels.scale, pixels.zero_point) == (np.float32(1 / 255), 0)


def test_integers_stay_near_the_float_simulation(tmp_path, small_detector):
    """Each layer, fed alike: the two roundings may part where a sum lies between two steps."""
    simulated = quantized(small_detector(tmp_path / "n.onnx"))
    program = lower(simulated)
    for image in images_of(simulated, seed=7):
        exact = interpret.values(program, [image[0]])
        wide = graph.values(simulated, image)
        for name, value in exact.items():
            if f"{name}_quantized" in wide:
                apart = value.astype(int) - wide[f"{name}_quantized"][0].astype(int)
                assert np.abs(apart).max() <= 1
                assert np.mean(apart != 0) < 0.01
        np.testing.assert_allclose(
            exact["v6_conv" if "v6_conv" in exact else program.outputs[0]],
            wide[program.outputs[0]][0],
            atol=0.05 * np.abs(wide[program.outputs[0]]).max(),
        )


def test_onnx_runtime_agrees_on_our_file(tmp_path, small_detector):
    runtime = pytest.importorskip("onnxruntime")
    simulated = quantized(small_detector(tmp_path / "n.onnx"))
    path = tmp_path / "q.onnx"
    graph.write(simulated, path)
    program = lower(graph.read(path))
    for level in (
        runtime.GraphOptimizationLevel.ORT_DISABLE_ALL,
        runtime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    ):
        options = runtime.SessionOptions()
        options.graph_optimization_level = level
        options.log_severity_level = 3
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for image in images_of(simulated, seed=3):
            found = interpret.run(program, [image[0]])[0]
            expected = session.run(None, {"images": image})[0][0]
            noise = np.square(found - expected).sum() / np.square(expected).sum()
            assert noise < 1e-3  # 30 dB; two equal implementations part by single steps


def test_another_programs_quantizer_is_understood(tmp_path, small_detector, recwarn):
    """ONNX Runtime's own: pairs around everything, signed or unsigned, outputs in bytes too."""
    runtime = pytest.importorskip("onnxruntime")
    tools = pytest.importorskip("onnxruntime.quantization")
    network = small_detector(tmp_path / "n.onnx")
    images = images_of(network)

    class Reader(tools.CalibrationDataReader):
        def __init__(self):
            self.left = [{"images": image} for image in images]

        def get_next(self):
            return self.left.pop() if self.left else None

    for kind in (tools.QuantType.QUInt8, tools.QuantType.QInt8):
        path = tmp_path / f"{kind}.onnx"
        tools.quantize_static(
            tmp_path / "n.onnx",
            path,
            Reader(),
            quant_format=tools.QuantFormat.QDQ,
            per_channel=True,
            activation_type=kind,
            weight_type=tools.QuantType.QInt8,
        )
        program = lower(graph.read(path))
        assert kinds(program).count("QuantizedConv") == 4
        assert Table in map(type, program.steps)  # a leaky ReLU between two roundings
        assert isinstance(program.steps[-1], Dequantize)
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        found = interpret.run(program, [images[0][0]])[0]
        expected = session.run(None, {"images": images[0]})[0][0]
        step = program.values[program.steps[-1].inputs[0]].quantization.scale
        assert np.abs(found - expected).max() <= 4 * step


def test_sums_that_could_overflow_are_refused_by_name(tmp_path, builder):
    b = builder()
    x = b.conv("images", 3, 4, pads=[1, 1, 1, 1])
    b.network(tmp_path / "n.onnx", None, x, Size(8, 8), (4, 8, 8))
    simulated = quantized(graph.read(tmp_path / "n.onnx"))
    path = tmp_path / "q.onnx"
    graph.write(simulated, path)
    model = onnx.load(path)
    (bias,) = (one for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT32)
    array = numpy_helper.to_array(bias).copy()
    array[2] = 2**31 - 1000
    bias.CopyFrom(numpy_helper.from_array(array, bias.name))
    onnx.save(model, path)
    with pytest.raises(TatamiError, match=r"sums of 'w0' could leave 32 bits .*keep w0 in float32"):
        lower(graph.read(path))


def test_a_sum_and_its_relu_are_one_step(tmp_path, builder):
    b = builder()
    stem = b.node("Relu", b.conv("images", 3, 8, kernel=(4, 4), strides=[4, 4]))
    other = b.conv(stem, 8, 8, kernel=(1, 1))
    total = b.node("Relu", b.node("Add", stem, other))
    top = b.conv(total, 8, 5, kernel=(1, 1))
    network = b.network(tmp_path / "n.onnx", None, top, Size(16, 16), (5, 4, 4))
    program = lower(quantized(network))
    assert kinds(program) == ["QuantizedConv", "QuantizedConv", "QuantizedAdd", "QuantizedConv"]
    (add,) = (step for step in program.steps if isinstance(step, QuantizedAdd))
    assert add.low == program.values[add.output].quantization.zero_point == 0
    assert max(add.multipliers) < 2**21


def test_a_layer_that_is_kept_is_float(tmp_path, small_detector):
    network = small_detector(tmp_path / "n.onnx")
    program = lower(quantized(network, keep_float=["w2"]))
    names = kinds(program)
    assert names.count("QuantizedConv") == 3
    assert names.count("Conv") == 1
    assert {Quantize, Dequantize} <= set(map(type, program.steps))
    kept = next(step for step in program.steps if type(step).__name__ == "Conv")
    assert kept.weights.dtype == np.float32


def test_every_channel_has_a_factor_of_its_own(tmp_path, builder):
    b = builder()
    x = b.conv("images", 3, 4, pads=[1, 1, 1, 1])
    x = b.conv(x, 4, 4, pads=[1, 1, 1, 1])
    network = b.network(tmp_path / "n.onnx", None, x, Size(8, 8), (4, 8, 8))
    first = lower(quantized(network)).steps[0]
    assert isinstance(first, QuantizedConv)
    factors = first.result.multiplier / 2.0**first.result.shift
    assert len(set(factors)) == 4
    assert (np.abs(first.weights).max(axis=(1, 2, 3)) == 127).all()


def written(tmp_path, builder_, outputs, size=(8, 8)):
    """A network with several outputs, whose shapes ONNX infers."""
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            builder_.nodes,
            "small",
            [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, (1, 3, *size))],
            [
                onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
                for name in outputs
            ],
            builder_.weights,
        ),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "n.onnx")
    return graph.read(tmp_path / "n.onnx")


def held_to_simulation(simulated, noise=1e-3):
    """Every output near that of the float simulation, on one picture; the program."""
    program = lower(simulated)
    (image,) = images_of(simulated, 1, seed=5)
    wide = graph.values(simulated, image)
    for value, found in zip(
        simulated.graph.outputs, interpret.run(program, [image[0]]), strict=True
    ):
        expected = wide[value.name].reshape(found.shape)
        assert np.square(found - expected).sum() <= noise * np.square(expected).sum()
    return program


def test_bytes_that_are_an_output_too_are_read_as_both(tmp_path, builder):
    b = builder()
    pooled = b.node("MaxPool", "images", kernel_shape=[2, 2], strides=[2, 2])
    top = b.conv(pooled, 3, 4, kernel=(1, 1))
    simulated = quantized(written(tmp_path, b, [top, pooled]))
    program = held_to_simulation(simulated)
    assert len({step.output for step in program.steps}) == len(program.steps)
    assert program.outputs[1] == pooled
    assert program.values[pooled].quantization is None


def test_a_value_joined_to_itself_is_rescaled_once(tmp_path, builder):
    b = builder()
    joined = b.node("Concat", "images", "images", axis=1)
    other = b.node("Sigmoid", b.conv(joined, 6, 6, kernel=(1, 1)))
    again = b.node("Concat", other, other, joined, axis=1)
    top = b.conv(again, 18, 4, kernel=(1, 1))
    simulated = quantized(written(tmp_path, b, [top]))
    path = tmp_path / "q.onnx"
    graph.write(simulated, path)
    model = onnx.load(path)
    for one in model.graph.initializer:  # another scale for the joined value than for its parts
        if one.name == f"{again}_scale":
            one.CopyFrom(numpy_helper.from_array(np.float32(1 / 64), one.name))
    onnx.save(model, path)
    program = held_to_simulation(graph.read(path))
    assert len({step.output for step in program.steps}) == len(program.steps)


@pytest.mark.parametrize("attributes", [{}, {"alpha": 1.0, "beta": 1.0}])
def test_a_fully_connected_layer_with_its_defaults_written_out(tmp_path, builder, attributes):
    b = builder()
    x = b.node("Relu", b.conv("images", 3, 4, kernel=(4, 4), strides=[4, 4]))
    weights = b.constant(b.rng.normal(size=(5, 16)))
    bias = b.constant(b.rng.normal(size=5))
    top = b.node("Gemm", b.node("Flatten", x), weights, bias, transB=1, **attributes)
    program = held_to_simulation(quantized(written(tmp_path, b, [top])))
    assert kinds(program) == ["QuantizedConv", "QuantizedConv"]
    assert program.steps[1].weights.shape == (5, 4, 2, 2)


def test_means_that_nothing_rounds_stay_float(tmp_path, builder):
    b = builder()
    x = b.node("Relu", b.conv("images", 3, 4, kernel=(1, 1)))
    wide = b.node("Resize", x, "", b.constant([1, 1, 2, 2]), mode="linear")
    program = held_to_simulation(quantized(written(tmp_path, b, [wide])), noise=1e-9)
    assert program.values[wide].quantization is None


def test_unpooling_slices_and_means_in_bytes(tmp_path, builder):
    """The indices of a pool become taps, beside the pool, and everything stays in bytes."""
    b = builder()
    x = b.node("Relu", b.conv("images", 3, 4, kernel=(3, 3), pads=[1, 1, 1, 1]))
    halves = {"kernel_shape": [2, 2], "strides": [2, 2]}
    b.nodes.append(helper.make_node("MaxPool", [x], ["pooled", "at"], **halves))
    signed = b.conv("pooled", 4, 4, kernel=(1, 1))  # so that zero is no byte 0
    back = b.node("MaxUnpool", signed, "at", **halves)
    starts, ends, axes = b.shape(1, -4), b.shape(7, 9), b.shape(2, 3)
    part = b.node("Slice", back, starts, ends, axes)  # 6 rows, 4 columns
    wide = b.node("Resize", part, "", b.constant([1, 1, 2, 2]), mode="linear")
    top = b.conv(wide, 4, 5, kernel=(1, 1))
    program = held_to_simulation(quantized(written(tmp_path, b, [top])))
    assert kinds(program) == [
        *("QuantizedConv", "MaxTap", "MaxPool", "QuantizedConv", "MaxUnpool", "Slice", "Resize"),
        "QuantizedConv",
    ]
    assert program.values["at as taps"] == Value((4, 4, 4), TAPS)
    assert program.steps[0].pool is None  # its own map is looked at twice
    quantization = program.values[program.steps[4].output].quantization
    assert quantization.zero_point > 0
    assert quantization == program.values[program.steps[6].output].quantization


@pytest.mark.parametrize("side", [2, 3])
def test_where_samples_lay_in_bytes_is_known_to_whoever_reads_it(tmp_path, builder, side):
    """Indices are an output, or are unpooled to another shape than was pooled, 9 x 9 of 8 x 8."""
    b = builder()
    x = b.node("Relu", b.conv("images", 3, 1, kernel=(3, 3), pads=[1, 1, 1, 1]))
    halves = {"kernel_shape": [2, 2], "strides": [2, 2]}
    b.nodes.append(helper.make_node("MaxPool", [x], ["pooled", "at"], **halves))
    back = b.node("MaxUnpool", "pooled", "at", kernel_shape=[side, side], strides=[2, 2])
    real = b.node("Cast", "at", to=onnx.TensorProto.FLOAT)
    network = written(tmp_path, b, [b.conv(back, 1, 2, kernel=(1, 1)), real])
    simulated = quantized(network)
    program = held_to_simulation(simulated)
    (image,) = images_of(simulated, 1, seed=5)
    found = interpret.run(program, [image[0]])[1]
    assert found.ravel().tolist() == graph.values(simulated, image)[real].ravel().tolist()
    assert len(set(found.ravel().tolist())) == 16
    assert ("MaxUnpool" in kinds(program)) == (side == 2)


def test_indices_to_another_shape_are_no_step_of_maps(tmp_path, builder):
    b = builder()
    b.nodes.append(
        helper.make_node("MaxPool", ["images"], ["x", "at"], kernel_shape=[3, 3], strides=[2, 2])
    )
    back = b.node("MaxUnpool", "x", "at", kernel_shape=[2, 2], strides=[2, 2])  # 6 x 6 of 8 x 8
    assert kinds(lower(written(tmp_path, b, [back])))[-1] == "Apply"


def test_a_pool_of_too_many_taps_is_no_step_of_maps(tmp_path, builder):
    b = builder()
    wide = b.node("Resize", "images", "", b.constant([1, 1, 4, 4]))
    b.nodes.append(
        helper.make_node("MaxPool", [wide], ["x", "at"], kernel_shape=[16, 16], strides=[16, 16])
    )
    back = b.node("MaxUnpool", "x", "at", kernel_shape=[16, 16], strides=[16, 16])
    assert kinds(lower(written(tmp_path, b, [back])))[-1] == "Apply"
