"""Emitted C against the NumPy run of the same graph: float32, so within rounding."""

import contextlib
import tracemalloc

import numpy as np
import onnx
import pytest

from tatami.errors import TatamiError
from tatami.graph import read, run, values
from tatami.program.lower import lower
from tatami.program.steps import Quantization, Value
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.run.network import CompiledNetwork, unpacked, unpacked_calls
from tatami.ship.c.tasks.detection import CompiledDetector
from tatami.types import Size

TOLERANCE = 1e-5  # of the largest magnitude of the map: rounding in another order of addition


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE * max(np.abs(expected).max(), 1e-30)


def images_of(network, seed=0):
    shape = network.graph.inputs[0].shape.numpy()
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(network, folder):
    images = images_of(network)
    with CompiledDetector(folder) as compiled:
        assert_close(compiled.forward(images)[0], run(network, images)[0])
        expected = values(network, images)
        for name, value in compiled.values(images).items():
            assert_close(value, expected[name])


@pytest.fixture
def network_around(tmp_path, builder, small_spec):
    """``body(builder, 'images')`` gives (name, channels, (rows, columns)); then a 1x1 map of 20."""

    def network(size, body):
        b = builder(3)
        x, channels, (rows, columns) = body(b, "images")
        x = b.conv(x, channels, 20, kernel=(1, 1))
        spec = small_spec(size, classes="abcde", stride=size.height // rows)
        return b.network(tmp_path / "n.onnx", spec, x, size, (20, rows, columns))

    return network


CONVOLUTIONS = {
    # name: (outputs, kernel, groups, attributes, rows and columns of a 24x16 input)
    "same": (5, (3, 3), 1, {"pads": [1, 1, 1, 1]}, (24, 16)),
    "stride": (8, (3, 3), 1, {"pads": [1, 1, 1, 1], "strides": [2, 2]}, (12, 8)),
    "one": (9, (1, 1), 1, {}, (24, 16)),
    "groups": (6, (3, 3), 3, {"pads": [1, 1, 1, 1]}, (24, 16)),
    "dilated": (4, (3, 3), 1, {"pads": [2, 2, 2, 2], "dilations": [2, 2]}, (24, 16)),
    "asymmetric": (7, (2, 5), 1, {"pads": [0, 3, 1, 1]}, (24, 16)),
    "far": (4, (3, 3), 1, {"pads": [9, 9, 9, 9], "dilations": [9, 9]}, (24, 16)),
    "same upper": (3, (4, 4), 1, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (12, 8)),
    "same lower": (3, (4, 4), 1, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, (12, 8)),
    "tall stride": (4, (5, 3), 1, {"pads": [2, 1, 2, 1], "strides": [4, 4]}, (6, 4)),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_convolution(kind, network_around, ship_to):
    outputs, kernel, groups, attributes, grid = CONVOLUTIONS[kind]

    def body(b, x):
        return b.conv(x, 3, outputs, kernel, groups, **attributes), outputs, grid

    network = network_around(Size(16, 24), body)
    check(network, ship_to(network))


def test_a_convolution_of_many_blocks(network_around, ship_to):
    # Deeper than one block of weights, wider than one block of positions, tiles that do not fit.
    def body(b, x):
        x = b.conv(x, 3, 45, pads=[1, 1, 1, 1])
        return b.conv(x, 45, 37, pads=[1, 1, 1, 1]), 37, (17, 29)

    network = network_around(Size(29, 17), body)
    check(network, ship_to(network))


POOLS = {
    "two": ({"kernel_shape": [2, 2], "strides": [2, 2]}, (12, 8)),
    "yolo": ({"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}, (24, 16)),
    "upper left": ({"kernel_shape": [2, 3], "pads": [1, 2, 0, 0]}, (24, 16)),
    "three": ({"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}, (12, 8)),
    "dilated": ({"kernel_shape": [2, 2], "dilations": [3, 3], "pads": [1, 1, 2, 2]}, (24, 16)),
}


@pytest.mark.parametrize("kind", POOLS)
def test_max_pool_is_exact(kind, network_around, ship_to):
    attributes, grid = POOLS[kind]

    def body(b, x):
        return b.node("MaxPool", x, **attributes), 3, grid

    network = network_around(Size(16, 24), body)
    folder = ship_to(network)
    check(network, folder)
    images = images_of(network) - 5  # negative throughout: a padding of zeros would win
    with CompiledDetector(folder) as compiled:
        (pooled, *_) = compiled.values(images)
        np.testing.assert_array_equal(
            compiled.values(images)[pooled], values(network, images)[pooled]
        )


def test_branches_activations_and_steps_in_place(network_around, ship_to):
    def body(b, x):
        stem = b.conv(x, 3, 8, pads=[1, 1, 1, 1])
        low, high = b.constant(0.0), b.constant(0.6)
        relu = b.node("Relu", stem)  # the convolution is read twice: not folded
        clip = b.node("Clip", stem, low, high)
        both = b.node("Add", relu, clip)
        again = b.node("Add", both, stem)
        leaky = b.node("LeakyRelu", b.node("Identity", again), alpha=0.2)
        folded = b.node("Clip", b.conv(leaky, 8, 4, pads=[1, 1, 1, 1]), "", high)
        return b.node("Concat", leaky, folded, relu, axis=1), 20, (24, 16)

    network = network_around(Size(16, 24), body)
    kinds = [type(step).__name__ for step in lower(network).steps]
    assert kinds == ["Conv", "Activate", "Activate", "Arithmetic", "Arithmetic", "Conv", "Concat",
                     "Conv"]  # fmt: skip
    check(network, ship_to(network))


def test_array_and_binary_weights_are_the_same_numbers(tmp_path, small_detector, ship_to):
    network = small_detector(tmp_path / "n.onnx")
    images = images_of(network)
    maps = []
    for weights in ("array", "binary"):
        folder = ship_to(network, "yolo_2", weights)
        assert (folder / "yolo_2_weights.c").exists() == (weights == "array")
        with CompiledDetector(folder) as compiled:
            maps.append(compiled.forward(images))
    np.testing.assert_array_equal(*maps)


def test_threads_give_the_same_bits_and_do_not_race(tmp_path, small_detector, ship_to, monkeypatch):
    monkeypatch.setenv("TSAN_OPTIONS", "halt_on_error=1")
    network = small_detector(tmp_path / "n.onnx")
    images = images_of(network)[0]
    folder = ship_to(network, options=Options(threads=3))
    with CompiledNetwork(folder, threads=1) as compiled:
        expected = compiled.values([images])
    fine = "-DNET_GRAIN=1"  # however small a step is, its work is cut up
    raced = ("-O1", "-g", "-fsanitize=thread")
    for threads, options in (
        *((2, ("-O3",)), (2, ("-O3", fine)), (3, ("-O3", fine))),
        *((3, raced), (3, (*raced, fine))),
    ):
        with CompiledNetwork(folder, threads=threads, options=options) as compiled:
            try:
                found = [compiled.values([images]) for _ in range(20)]
            except TatamiError as error:
                if "memory mapping" in str(error) or "libtsan" in str(error):
                    pytest.skip(f"ThreadSanitizer does not run here: {error}")
                raise
        for values_ in found:
            for name, value in expected.items():
                assert value.tobytes() == values_[name].tobytes()


def test_more_threads_than_shipped_for_are_refused(tmp_path, small_detector, ship_to):
    folder = ship_to(small_detector(tmp_path / "n.onnx"), options=Options(threads=2))
    refused = pytest.raises(TatamiError, match="scratch memory for 2 threads")
    with CompiledNetwork(folder, threads=3) as compiled, refused:
        _ = compiled.kernels


LONG = """<ir_version: 9, opset_import: ["" : 20]>
g (float[1, 16, 32, 32] x) => (float[1, 16, 32, 32] y) {
  a = HardSwish(x)
  b = Gelu(a)
  c = Tanh(b)
  y = Sub(c, x)
}"""


def test_long_loops_give_the_same_bits_whatever_they_are_compiled_for(tmp_path):
    onnx.save(onnx.parser.parse_model(LONG), tmp_path / "n.onnx")
    network = read(tmp_path / "n.onnx")
    program = lower(network)
    source = emit(program, "net").files
    assert source["net.c"].count(b"NET_IN_VARIANTS(net_step") == 2  # tanh is a kernel
    for file, content in source.items():
        (tmp_path / file).write_bytes(content)
    x = np.random.default_rng(0).normal(0, 3, (16, 32, 32)).astype(np.float32)
    (expected,) = run(network, [x[None]])
    found = []
    for variant in ("portable", "avx2", "avx512"):
        with contextlib.suppress(TatamiError), CompiledNetwork(tmp_path, variant=variant) as one:
            found.append(one.run([x])[0])
            assert_close(found[-1], expected[0])
    assert {each.tobytes() for each in found} == {found[0].tobytes()}


def test_functions_are_part_of_the_convolution_before_them(network_around, ship_to):
    def body(b, x):
        x = b.conv(x, 3, 20, (3, 3), 1, pads=[1, 1, 1, 1], strides=[2, 2])
        x = b.node("Mul", x, b.node("Sigmoid", x))
        x = b.conv(x, 20, 24, (3, 3), 1, pads=[1, 1, 1, 1])  # by minimal filtering
        x = b.node("Mul", b.node("Sigmoid", x), x)
        x = b.conv(x, 24, 24, (3, 3), 24, pads=[1, 1, 1, 1])
        x = b.node("Sigmoid", x)
        x = b.conv(x, 24, 17, (1, 1), 1)
        x = b.node("MaxPool", b.node("Tanh", x), kernel_shape=[2, 2], strides=[2, 2])
        return x, 17, (6, 4)

    network = network_around(Size(16, 24), body)
    steps = lower(network).steps
    assert [step.activation and step.activation.name for step in steps] == [
        *("silu", "silu", "sigmoid", "tanh"), None,
    ]  # fmt: skip
    check(network, ship_to(network))


LARGE = """<ir_version: 9, opset_import: ["" : 20]>
g (float[1, 512, 6, 6] x) => (float[1, 1000] y) {
  a = Conv <kernel_shape: ints = [3, 3], pads: ints = [1, 1, 1, 1]> (x, v, c)
  b = Flatten (a)
  y = Gemm <transB: int = 1> (b, w, d)
}"""


def test_large_weights_exist_once(tmp_path):
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(LARGE)
    sides = {"v": (512, 512, 3, 3), "c": (512,), "w": (1000, 512 * 36), "d": (1000,)}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(rng.normal(0, 0.01, shape).astype(np.float32), name)
        for name, shape in sides.items()
    )
    onnx.save(model, tmp_path / "n.onnx")
    network = read(tmp_path / "n.onnx")
    tracemalloc.start()
    program = lower(network)
    shipped = emit(program, "net")
    shipped.files.write(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = shipped.files.size("net_weights.bin")
    assert (tmp_path / "net_weights.bin").stat().st_size == size > 80e6
    assert peak < size / 3
    images = images_of(network)
    with CompiledNetwork(tmp_path) as compiled:
        assert_close(compiled.run([images[0]])[0].reshape(1, -1), run(network, images)[0])


def test_values_of_calls_are_those_of_each_call():
    rng = np.random.default_rng(0)
    values = [Value((2, 1, 3)), Value((3, 2, 1), Quantization(0.5, 3)), Value((1, 1, 2))]
    size = sum(value.bytes for value in values)
    answer = rng.integers(0, 256, 4 * size, np.uint8).tobytes()
    together = unpacked_calls(answer, values, 4)
    assert [each.shape for each in together] == [(4, *value.shape) for value in values]
    for call in range(4):
        alone = unpacked(answer[call * size : (call + 1) * size], values)
        for each, one in zip(together, alone, strict=True):
            assert each[call].tobytes() == one.tobytes()
    first = np.frombuffer(answer, "<f4", 6).reshape(1, 3, 2)  # rows, columns, channels
    assert together[0][0].tobytes() == first.transpose(2, 0, 1).tobytes()
