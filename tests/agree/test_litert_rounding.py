"""Networks that are rounded as LiteRT rounds: its answers in every row, in NumPy and in C."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.rounding import rounding_of
from tatami.pipeline.import_network import import_network
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.run.network import CompiledNetwork
from tatami.ship.c.targets import TARGETS, missing

litert = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not here")
KERNELS = {
    "xnnpack": litert.OpResolverType.AUTO,
    "reference": litert.OpResolverType.BUILTIN_REF,
}
Run = Callable[[np.ndarray], np.ndarray]


def litert_of(content: bytes, rounding: str) -> Run:
    """LiteRT with one kind of kernels: int8 in, int8 out."""
    net = litert.Interpreter(
        model_content=content,
        experimental_op_resolver_type=KERNELS[rounding],
        num_threads=1,
    )
    net.allocate_tensors()
    given, made = net.get_input_details()[0]["index"], net.get_output_details()[0]["index"]

    def run(x: np.ndarray) -> np.ndarray:
        net.set_tensor(given, x)
        net.invoke()
        return net.get_tensor(made).reshape(-1)

    return run


def ours(program: Program, run: Callable[[np.ndarray], list[np.ndarray]]) -> Run:
    """Tatami's answer in the file's own int8: channels last in, and a line out."""
    last = program.steps[-1]  # makes real numbers of the bytes, which are the answer
    steps = program.values[last.inputs[0]].quantization
    shape = program.values[program.inputs[0]].shape

    def found(x: np.ndarray) -> np.ndarray:
        x = (x.astype(np.int16) + 128).astype(np.uint8)  # our bytes have no sign
        if x.ndim == 4:
            x = x.transpose(0, 3, 1, 2)
        y = run(x.reshape(shape))[0]
        if y.ndim == 3 and y.shape[1] * y.shape[2] > 1:
            y = y.transpose(1, 2, 0)
        return np.rint(y.reshape(-1) / np.float32(steps.scale) + steps.zero_point - 128).astype(
            np.int8
        )

    return found


@contextlib.contextmanager
def compiled(
    program: Program, folder: Path, target: str | None = None
) -> Iterator[CompiledNetwork]:
    """The program in C, on this machine or on a target's emulator."""
    lacking = missing(TARGETS[target or "portable"])
    if lacking is not None or shutil.which("cc") is None:
        pytest.skip(f"there is no {lacking or 'cc'}")
    options = Options(target=target or "portable", weights="array")
    for file, content in emit(program, "net", options).files.items():
        (folder / file).write_bytes(content)
    on = {} if target is None else {"target": target}
    with CompiledNetwork(folder, options=("-O2",), **on) as network:
        yield network


def both(file: Path, rounding: str, rows: np.ndarray, folder: Path, slow: int = 3) -> None:
    """Compare all rows in C, and a few in NumPy, with LiteRT's answers."""
    network = import_network(file, out=folder / "net.onnx", round=rounding).network
    assert rounding_of(graph.read(folder / "net.onnx")) == rounding
    program = lower(network)
    theirs = litert_of(file.read_bytes(), rounding)
    expected = np.stack([theirs(row[None]) for row in rows])
    assert len(np.unique(expected, axis=0)) > 1
    few = slice(None, None, max(1, len(rows) // slow))
    numpy = ours(program, lambda x: interpret.run(program, [x]))
    np.testing.assert_array_equal([numpy(row[None]) for row in rows[few]], expected[few])
    with compiled(program, folder) as c:
        run = ours(program, lambda x: c.run([x]))
        np.testing.assert_array_equal([run(row[None]) for row in rows], expected)


# Every operator, at scales of every kind ----------------------------------------------------------


def layers(seed: int) -> tuple[bytes, tuple[int, ...]]:
    """Convolutions, a sum, pools, a fully connected layer and a softmax, of random scales.

    Even seeds have scales that are powers of two, so that halves occur.
    """
    writer = pytest.importorskip("tests.importers.test_tflite")
    rng = np.random.default_rng(seed)

    def scale(low: float, high: float) -> float:
        drawn = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return 2.0 ** round(np.log2(drawn)) if seed % 2 == 0 else float(np.float32(drawn))

    def steps(low: float = 0.02, high: float = 0.2) -> dict:
        return {"kind": "int8", "steps": (scale(low, high), int(rng.integers(-128, 128)))}

    def constants(shape: tuple[int, ...], given: float, outputs: int, axis: int) -> list[int]:
        scales = np.float32([scale(0.002, 0.02) for _ in range(outputs)])
        if axis < 0:  # one for all
            scales, axis = scales[:1], 0
        zeros = np.zeros(len(scales), int)
        w = rng.integers(-127, 128, shape).astype(np.int8)
        b = rng.integers(-3000, 3000, outputs).astype(np.int32)
        return [file.constant(w, (scales, zeros), axis), file.constant(b, (scales * given, zeros))]

    first = (scale(0.01, 0.1), int(rng.integers(-128, 128)))
    file = writer.File((1, 9, 8, 3), "int8", first)
    sums = []
    for relu in (0, 3):
        made = steps()
        weights = constants((6, 3, 3, 3), first[0], 6, 0)
        options = {0: 0, 1: 2, 2: 1, 3: relu}
        sums.append((file.add("CONV_2D", [0, *weights], (1, 9, 4, 6), options, **made), made))
    total = steps()
    added = file.add("ADD", [sums[0][0], sums[1][0]], (1, 9, 4, 6), {0: seed % 2}, **total)
    deep = steps()
    weights = constants((1, 3, 3, 6), total["steps"][0], 6, 3)
    options = {0: 1, 1: 1, 2: 2, 3: 1, 4: 1}
    apart = file.add("DEPTHWISE_CONV_2D", [added, *weights], (1, 4, 2, 6), options, **deep)
    pool = {0: 0, 1: 2, 2: 2, 3: 2, 4: 3, 5: 0}
    mean = file.add("AVERAGE_POOL_2D", [apart], (1, 2, 1, 6), pool, **deep)
    row = file.add("RESHAPE", [mean, file.constant(np.int32([1, 12]))], (1, 12), **deep)
    dense = steps(0.05, 1.0)
    weights = constants((7, 12), deep["steps"][0], 7, -(seed // 2 % 2))
    full = file.add("FULLY_CONNECTED", [row, *weights], (1, 7), {0: 0}, **dense)
    soft = file.add("SOFTMAX", [full], (1, 7), {0: 1.0}, kind="int8", steps=(1 / 256, -128))
    return file.content(full if seed % 4 < 2 else soft), (9, 8, 3)


@pytest.mark.parametrize("rounding", KERNELS)
@pytest.mark.parametrize("seed", range(4))
def test_every_layer_that_an_engine_rounds(rounding: str, seed: int, tmp_path: Path) -> None:
    content, shape = layers(seed)
    (tmp_path / "net.tflite").write_bytes(content)
    rows = np.random.default_rng(seed).integers(-128, 128, (40, *shape)).astype(np.int8)
    both(tmp_path / "net.tflite", rounding, rows, tmp_path, slow=40)


# MLPerf Tiny --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounding", KERNELS)
def test_a_residual_network_is_equal_in_every_row(
    rounding: str, shared_data: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    rows = np.cumsum(rng.normal(0, 12, (4, 32 * 32 * 3)), axis=1).reshape(-1, 32, 32, 3)
    rows = (rows % 256 - 128).astype(np.int8)
    both(shared_data / "weights/mlperf-tiny/ic_int8.tflite", rounding, rows, tmp_path)


@pytest.mark.parametrize("rounding", KERNELS)
def test_the_official_keywords(rounding: str, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "weights" / "mlperf-tiny"
    known = np.load(folder / "kws_first500.npz")
    file, rows = folder / "kws_int8.tflite", known["inputs_int8"]
    network = import_network(file, out=tmp_path / "net.onnx", round=rounding).network
    program = lower(network)
    with compiled(program, tmp_path) as c:
        run = ours(program, lambda x: c.run([x]))
        found = np.stack([run(row[None]) for row in rows])
    np.testing.assert_array_equal(found, known[f"litert_{rounding}_int8"].reshape(found.shape))


@pytest.mark.parametrize(
    ("name", "target", "rounding"),
    [("sww", "cortex-m4", "xnnpack"), ("ad", "cortex-m7", "reference")],
)
def test_an_emulated_board_answers_as_litert(
    name: str, target: str, rounding: str, shared_data: Path, tmp_path: Path
) -> None:
    file = shared_data / "weights" / "mlperf-tiny" / f"{name}_int8.tflite"
    program = lower(import_network(file, out=tmp_path / "net.onnx", round=rounding).network)
    theirs = litert_of(file.read_bytes(), rounding)
    shape = {"sww": (1, 30, 1, 40), "ad": (1, 640)}[name]
    rows = np.random.default_rng(1).integers(-128, 128, (6, *shape)).astype(np.int8)
    with compiled(program, tmp_path, target) as board:
        run = ours(program, lambda x: board.run([x]))
        np.testing.assert_array_equal([run(row) for row in rows], [theirs(row) for row in rows])


# What is refused ----------------------------------------------------------------------------------


def test_what_an_engine_rounds_otherwise_is_refused_by_name(tmp_path: Path) -> None:
    writer = pytest.importorskip("tests.importers.test_tflite")
    made = {"kind": "int8", "steps": (0.05, 3)}
    file = writer.File((1, 4, 4, 3), "int8", made["steps"])
    product = file.add("MUL", [0, 0], (1, 4, 4, 3), {0: 0}, **made)
    (tmp_path / "net.tflite").write_bytes(file.content(product))
    with pytest.raises(
        TatamiError, match=r"'mul0_1' cannot be rounded as LiteRT's reference kernels round"
    ):
        import_network(tmp_path / "net.tflite", round="reference")
    assert not (tmp_path / "net.onnx").exists()
    (tmp_path / "real.tflite").write_bytes(float_file(writer))
    with pytest.raises(TatamiError, match="cannot be rounded as XNNPACK's kernels round"):
        import_network(tmp_path / "real.tflite", round="xnnpack")
    content, _ = writer.quantized_chain()
    (tmp_path / "unsigned.tflite").write_bytes(content)
    with pytest.raises(TatamiError, match="its bytes have no sign"):
        import_network(tmp_path / "unsigned.tflite", round="reference")


def float_file(writer) -> bytes:
    file = writer.File()
    return file.content(file.add("RELU", [0], (1, 7, 9, 3)))
