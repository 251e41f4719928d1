"""Networks of other people: which import and ship, how far from their own runtime, how fast.

    python benchmarks/networks.py [FILE OR FOLDER ...] [--quick] [--json OUT]

Without a file, those of TATAMI_DATA (networks, weights/mlperf-tiny). A row says whether the file
imports and ships, the worst difference of NumPy to the file's own runtime (ONNX Runtime or LiteRT,
on random input, over the largest value of each output) and of the compiled C to NumPy, the arena,
and the processor's milliseconds of a run of the C (-O3 -march=native, one thread, the median of
runs). Where EMX (a command that compiles: emx-onnx-cgen) or ONNX2C are installed, their C is
compiled with the same flags and run in turns with ours. --quick leaves the timing out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.state import states_of
from tatami.pipeline.bare import samples_of
from tatami.pipeline.import_network import import_network
from tatami.program.forward import is_quantized
from tatami.program.interpret import run
from tatami.program.lower import lower
from tatami.ship.c.emit import emit
from tatami.ship.c.run.network import CompiledNetwork
from tatami.types import Size

RUNS = 15
SIZES = {"ppocr-cls.onnx": Size(192, 48), "fastestdet.param": Size(352, 352)}
"""Of files that leave their input's sides open."""
FLAGS = ("-O3", "-march=native")
NARROW = (np.int8, np.uint8, np.int16, np.int32)
"""What a quantized value may be stored in."""
Array = np.ndarray[Any, Any]


@dataclass
class Row:
    """Hold what became of a file."""

    name: str
    imports: str = ""
    ships: str = ""
    runtime: float | None = None
    c: float | None = None
    arena: int | None = None
    milliseconds: float | None = None
    seconds: float = 0.0


def files_of(paths: list[Path]) -> list[Path]:
    """List the networks, a path each; an ncnn pair by its param, a Caffe pair by its prototxt."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [
            one for one in inside if one.suffix in (".onnx", ".tflite", ".param", ".prototxt")
        ]
    return found


def sources_of(path: Path) -> list[Path]:
    """Name the files of a network."""
    second = {".param": ".bin", ".prototxt": ".caffemodel"}.get(path.suffix)
    return [path] if second is None else [path, path.with_suffix(second)]


def difference(found: Array, expected: Array) -> float:
    """Measure the worst difference over the largest value; -1 where they do not line up."""
    if found.size != expected.size:
        return -1.0
    a, b = (each.astype(np.float64).reshape(-1) for each in (found, expected))
    largest = float(np.abs(b).max(initial=0.0))
    apart = float(np.abs(a - b).max(initial=0.0))
    return apart if largest == 0 else apart / largest


def own_runtime(path: Path) -> Callable[[list[Array]], list[Array]] | None:
    """Open a file in the runtime that it was made for; None where there is none here."""
    if path.suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def ask(sample: list[Array]) -> list[Array]:
            feeds = {}
            for value, array in zip(session.get_inputs(), sample, strict=True):
                kind = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
                shape = [
                    side if isinstance(side, int) else own
                    for side, own in zip(value.shape, array.shape, strict=True)
                ]
                feeds[value.name] = array.reshape(shape).astype(kind.get(value.type, array.dtype))
            return list(session.run(None, feeds))

        return ask
    if path.suffix == ".tflite":
        from ai_edge_litert import interpreter as litert

        net = litert.Interpreter(
            str(path), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
        )
        net.allocate_tensors()

        def ask_lite(sample: list[Array]) -> list[Array]:
            for detail, array in zip(net.get_input_details(), sample, strict=False):
                given = array
                if array.ndim == 4 and array.shape != tuple(detail["shape"]):
                    given = array.transpose(0, 2, 3, 1)
                scale, zero = detail["quantization"]
                if detail["dtype"] in NARROW and array.dtype == np.float32:
                    limits = np.iinfo(detail["dtype"])
                    given = np.clip(np.round(given / scale) + zero, limits.min, limits.max)
                net.set_tensor(
                    detail["index"], given.astype(detail["dtype"]).reshape(detail["shape"])
                )
            net.invoke()
            found = []
            for detail in net.get_output_details():
                array = net.get_tensor(detail["index"])
                scale, zero = detail["quantization"]
                if array.dtype.type in NARROW and scale:
                    array = (array.astype(np.float32) - zero) * np.float32(scale)
                found.append(array.transpose(0, 3, 1, 2) if array.ndim == 4 else array)
            return found

        return ask_lite
    return None


def measure(path: Path, quick: bool) -> Row:
    """Take a file through everything."""
    row = Row(path.name)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            imported = import_network(
                *sources_of(path), task="none", out=folder / "net.onnx", size=SIZES.get(path.name)
            )
            network = graph.read(imported.path)
            row.imports = "yes"
            program = lower(network)
            shipped = emit(program, "net")
            row.ships = "yes"
        except TatamiError as error:
            if row.imports:
                row.ships = error.reason
            else:
                row.imports = error.reason
            row.seconds = time.perf_counter() - start
            return row
        for file, content in shipped.files.items():
            (folder / file).write_bytes(content)
        row.arena = json.loads((folder / "network.json").read_text()).get("arena")
        (sample,) = samples_of(network, None, 1)
        states = states_of(network)
        sample = [  # a runtime begins with zeros, too
            np.zeros_like(array) if str(value.name) in states else array
            for value, array in zip(network.graph.inputs, sample, strict=True)
        ]
        fitted = [
            array.reshape(program.values[name].shape)
            for array, name in zip(sample, program.inputs, strict=True)
        ]
        expected = run(program, fitted) if is_quantized(network) else graph.run(network, sample)
        with CompiledNetwork(folder, options=FLAGS) as compiled:
            row.c = max(
                difference(a, b) for a, b in zip(compiled.run(fitted), expected, strict=True)
            )
            if not quick:
                times = []
                for _ in range(RUNS):
                    before = compiled.cpu_seconds() or 0.0
                    compiled.run(fitted)
                    times.append((compiled.cpu_seconds() or 0.0) - before)
                row.milliseconds = 1e3 * statistics.median(times)
        row.seconds = time.perf_counter() - start
        print(json.dumps(asdict(row)), flush=True)  # should the runtime crash, this much is known
        try:
            ask = own_runtime(path)
            if ask is not None:
                theirs = ask(sample)
                row.runtime = max(difference(a, b) for a, b in zip(expected, theirs, strict=False))
        except Exception as error:  # a runtime that refuses its own file is not our fault
            print(f"    {path.name}: {type(error).__name__}: {str(error)[:120]}", file=sys.stderr)
    row.seconds = time.perf_counter() - start
    return row


def table(rows: list[Row]) -> str:
    """Lay the rows out as Markdown, refusals below."""

    def number(value: float | None) -> str:
        return "" if value is None else "0" if value == 0 else f"{value:.1e}"

    lines = [
        "| network | imports | ships | to its runtime | C to NumPy | arena | ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.name} | {'yes' if row.imports == 'yes' else 'no'} | "
            f"{'yes' if row.ships == 'yes' else 'no'} | {number(row.runtime)} | {number(row.c)} | "
            f"{'' if row.arena is None else f'{row.arena:,}'} | "
            f"{'' if row.milliseconds is None else f'{row.milliseconds:.2f}'} |"
        )
    lines.append("")
    for row in rows:
        if row.ships != "yes":
            reason = row.ships or row.imports
            lines.append(f"- {row.name}: {reason}")
    done = sum(row.ships == "yes" for row in rows)
    lines += ["", f"{done} of {len(rows)} ship."]
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.one:
        print(json.dumps(asdict(measure(given.paths[0], given.quick))))
        return
    data = Path(os.environ.get("TATAMI_DATA", "../shared/data"))
    paths = given.paths or [data / "networks", data / "weights" / "mlperf-tiny"]
    rows = []
    for path in files_of(paths):
        # A process of its own: a crash of one runtime is a row, and not the end.
        command = [
            sys.executable,
            __file__,
            "--one",
            str(path),
            *(["--quick"] if given.quick else []),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
            row = Row(**json.loads(done.stdout.splitlines()[-1]))
        except (IndexError, ValueError):
            row = Row(path.name, f"crashed: {done.stderr.strip().splitlines()[-1][:160]}")
        except subprocess.TimeoutExpired:
            row = Row(path.name, "took more than 600 s")
        rows.append(row)
        said = row.ships if row.imports == "yes" else row.imports
        print(f"{row.name:40s} {row.imports[:3]:4s} {said[:90]:90s} {row.runtime} {row.c} "
              f"{row.milliseconds} {row.seconds:.1f} s", flush=True)  # fmt: skip
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
