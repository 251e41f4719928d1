"""Inference side by side: Tatami's C, and the runtimes that people use, in one run, interleaved.

    pip install -r benchmarks/requirements.txt
    python benchmarks/inference.py [NETWORK ...] [--threads 1 2] [--rounds 15] [--json]

Every engine has the same network with the same random weights, in its own format, in a process of
its own. They take turns, so that whatever else the machine does meets all alike, and with one
thread on one core; a time is the median of all runs during which the system did not take the core
away, or of all where that leaves fewer than five: processor time for one thread, wall time for
more. What a core can do at most is measured in the same turns. Outputs are checked against ONNX
Runtime's in float32. What is not installed, or not written for a network's operators (ncnn, LiteRT
and plain C are written for chains of convolutions, ReLU and pools alone), is left out, and named.
``--python``: an interpreter that has the peers, where it is not this one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from peers import naive, ncnn_file
from peers.networks import NETWORKS
from rich.console import Console
from rich.table import Table

from tatami import graph
from tatami.program.lower import lower
from tatami.ship.table import BACKENDS
from tatami.shrink.calibrate import observe
from tatami.shrink.quantize import quantize

HERE = Path(__file__).parent
PICTURES = 4


@dataclass
class Contestant:
    """An engine with its file.  kind: float32 or int8.  size: bytes of code and weights, or 0."""

    name: str
    engine: str
    kind: str
    file: Path
    size: int = 0
    memory: int = 0
    process: subprocess.Popen[str] | None = None
    times: list[tuple[float, int]] = field(default_factory=list)
    error: float = 0.0
    missing: str = ""

    @property
    def milliseconds(self) -> float:
        """The median, of runs that nobody disturbed where there are enough."""
        alone = [spent for spent, taken in self.times if not taken]
        return float(np.median(alone if len(alone) >= 5 else [spent for spent, _ in self.times]))


def is_chain(model: onnx.ModelProto) -> bool:
    """Whether a network has the operators alone for which ncnn's and LiteRT's files are written."""
    plain = {"Conv", "Relu", "LeakyRelu", "MaxPool", "GlobalAveragePool"}
    return {node.op_type for node in model.graph.node} <= plain


def prepared(name: str, folder: Path, python: str, threads: int) -> tuple[list[Contestant], int]:
    """All files of a network, and its multiply-adds."""
    model = NETWORKS[name]()
    plain = folder / "float.onnx"
    onnx.save(model, plain)
    shape = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
    pictures = [np.random.default_rng(seed).random(shape, np.float32) for seed in range(PICTURES)]
    np.save(folder / "input.npy", pictures[0])

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"images": one} for one in pictures]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self.left.pop() if self.left else None

    theirs = folder / "onnxruntime-int8.onnx"
    quantize_static(
        plain, theirs, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    network = graph.read(plain)
    ours = quantize(network, observe(network, pictures, PICTURES))
    graph.write(ours, folder / "tatami-int8.onnx")

    everything = onnx.load(plain)
    made = [node.output[0] for node in everything.graph.node]
    known = {value.name for value in everything.graph.output}
    everything.graph.output.extend(
        helper.make_tensor_value_info(one, onnx.TensorProto.FLOAT, None)
        for one in made
        if one not in known
    )
    session = onnxruntime.InferenceSession(everything.SerializeToString())
    names = [value.name for value in session.get_outputs()]
    ranges = {"images": [0.0, 1.0]}
    for one in pictures:
        for key, array in zip(names, session.run(None, {"images": one}), strict=True):
            low, high = ranges.get(key, [0.0, 0.0])
            ranges[key] = [min(low, float(array.min())), max(high, float(array.max()))]
    (folder / "ranges.json").write_text(json.dumps(ranges))

    contestants = []
    multiply_adds = 0
    for kind, source in (("float32", network), ("int8", ours)):
        program = lower(source)
        multiply_adds = sum(program.multiply_adds(step) for step in program.steps)
        backend = BACKENDS["c"]
        options = backend.options(threads=threads, weights="binary")
        plan = backend.plan({"": program}, "net", options)
        shipped = backend.emit(plan)
        place = folder / f"c-{kind}"
        place.mkdir()
        for file, content in shipped.files.items():
            (place / file).write_bytes(content)
        needs = backend.footprint(plan, shipped)
        one = Contestant(f"tatami {kind}", "tatami", kind, place, needs.to_json()["flash"])
        contestants.append(one)
    chain = is_chain(model)
    if chain:
        ncnn_file.write(model, folder / "net.param")
    for kind, told in (("float32", "-"), ("int8", str(folder / "ranges.json"))):
        target = folder / f"{kind}.tflite"
        command = [python, str(HERE / "peers/litert_file.py"), str(plain), told, str(target)]
        one = Contestant(f"LiteRT {kind}", "litert", kind, target)
        contestants.append(one)
        if not chain:
            one.missing = "not written for its operators"
            continue
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            one.missing = result.stderr.strip().splitlines()[-1]
    contestants += [
        Contestant("ORT float32", "onnxruntime", "float32", plain),
        Contestant("OpenVINO float32", "openvino", "float32", plain),
        Contestant("ORT int8", "onnxruntime", "int8", theirs),
        Contestant("OpenVINO int8", "openvino", "int8", theirs),
        Contestant("OpenVINO int8, ours", "openvino", "int8", folder / "tatami-int8.onnx"),
    ]
    if chain:
        contestants.append(Contestant("ncnn float32", "ncnn", "float32", folder / "net.param"))
    if chain and threads == 1:
        contestants.append(Contestant("plain C", "naive", "float32", naive.build(model, folder)))
    return contestants, multiply_adds


def start(one: Contestant, python: str, threads: int, folder: Path) -> None:
    """Begin an engine's process, and wait until it is warm; or note why it cannot be."""
    interpreter = sys.executable if one.engine in ("tatami", "naive") else python
    target = folder / f"{one.name.replace(' ', '-')}.npz"
    command = [interpreter, str(HERE / "peers/worker.py"), one.engine, str(one.file), str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    one.process = subprocess.Popen(
        [*command, str(folder / "input.npy"), str(target)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert one.process.stdout is not None
    assert one.process.stderr is not None
    for line in one.process.stdout:
        if line.startswith('{"memory"'):
            one.memory = json.loads(line)["memory"]
            return
    said = one.process.stderr.read().strip().splitlines()
    one.missing = said[-1] if said else "it died"
    one.process = None


def turn(one: Contestant, runs: int) -> None:
    """Let an engine run a few times."""
    assert one.process is not None
    assert one.process.stdin is not None
    assert one.process.stdout is not None
    one.process.stdin.write(f"{runs}\n")
    one.process.stdin.flush()
    while True:
        line = one.process.stdout.readline()
        if line.startswith("["):
            one.times += [(spent, taken) for spent, taken in json.loads(line)]
            return


def check(one: Contestant, reference: Contestant, folder: Path) -> None:
    """The signal to noise ratio of its outputs against the reference, dB."""
    found = np.load(folder / f"{one.name.replace(' ', '-')}.npz")
    right = np.load(folder / f"{reference.name.replace(' ', '-')}.npz")
    noise = signal = 0.0
    for key in right.files:
        same = [found[k].ravel() for k in found.files if found[k].size == right[key].size]
        expected = right[key].ravel()
        twin = max(same, key=lambda array: float(np.vdot(array, expected)))  # in any order
        noise += float(np.square(twin - expected, dtype=np.float64).sum())
        signal += float(np.square(expected, dtype=np.float64).sum())
    one.error = 10 * float(np.log10(signal / noise)) if noise else float("inf")


def peak() -> tuple[float, float]:
    """Multiply-adds a second of one core, in float32 and in bytes, 10^9."""
    with tempfile.TemporaryDirectory() as temporary:
        program = Path(temporary) / "peak"
        command = ["cc", "-std=gnu99", "-O3", str(HERE / "peers/peak.c"), "-o", str(program)]
        subprocess.run(command, check=True)
        told = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    floats, integers = map(float, told.split())
    return floats, integers


def benchmark(name: str, threads: int, rounds: int, python: str) -> dict[str, object]:
    """One network with one number of threads."""
    with tempfile.TemporaryDirectory(prefix="tatami-") as temporary:
        folder = Path(temporary)
        contestants, multiply_adds = prepared(name, folder, python, threads)
        for one in contestants:
            if not one.missing:
                start(one, python, threads, folder)
        running = [one for one in contestants if one.process is not None]
        reference = next(one for one in running if one.name == "ORT float32")
        for one in running:
            check(one, reference, folder)
            if one.error < (60 if one.kind == "float32" else 10):
                one.missing = f"its answer is wrong: {one.error:.1f} dB"
        peaks = []
        for _ in range(rounds):
            peaks.append(peak())
            for one in running:
                turn(one, 1 if one.engine == "naive" else 3)
        for one in running:
            assert one.process is not None
            one.process.kill()
    floats, integers = (float(np.median(column)) for column in zip(*peaks, strict=True))
    rows = []
    for one in contestants:
        row: dict[str, object] = {"engine": one.name, "kind": one.kind, "missing": one.missing}
        if one.times and not one.missing:
            ms = one.milliseconds
            rate = multiply_adds / ms / 1e6
            most = (floats if one.kind == "float32" else integers) * threads
            row |= {"ms": ms, "gmacs": rate, "of_peak": rate / most, "db": one.error}
            row |= {"memory": one.memory, "code_and_weights": one.size}
        rows.append(row)
    for kind in ("float32", "int8"):
        peers = [r["ms"] for r in rows if r["kind"] == kind and "ms" in r
                 and not str(r["engine"]).startswith("tatami")]  # fmt: skip
        for row in rows:
            if row["kind"] == kind and "ms" in row and peers:
                row["to_best_peer"] = float(row["ms"]) / min(map(float, peers))  # type: ignore
    return {
        "network": name,
        "threads": threads,
        "multiply_adds": multiply_adds,
        "peak_float32": floats,
        "peak_int8": integers,
        "rows": rows,
    }


def show(result: dict[str, object]) -> None:
    """A table of at most 80 columns."""
    console = Console(width=80, highlight=False)
    console.print(
        f"[bold]{result['network']}[/bold], {result['threads']} thread(s), "
        f"{int(result['multiply_adds']) / 1e6:,.0f} M multiply-adds; one core at most "  # type: ignore
        f"{result['peak_float32']:.0f} (float32) and {result['peak_int8']:.0f} (int8) GMAC/s"
    )
    table = Table(box=None, pad_edge=False)
    for title in ("engine", "ms", "GMAC/s", "of peak", "to best peer", "dB", "MB"):
        table.add_column(title, justify="left" if title == "engine" else "right")
    for row in result["rows"]:  # type: ignore[attr-defined]
        if "ms" not in row:
            table.add_row(row["engine"], f"- ({row['missing'][:30]})")
            continue
        table.add_row(
            row["engine"], f"{row['ms']:.2f}", f"{row['gmacs']:.1f}", f"{row['of_peak']:.0%}",
            f"{row.get('to_best_peer', 1):.2f}", f"{row['db']:.0f}", f"{row['memory'] / 1e6:.0f}",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = []
    for name in given.networks:
        for threads in given.threads:
            results.append(benchmark(name, threads, given.rounds, given.python))
            if not given.json:
                show(results[-1])
    if given.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
