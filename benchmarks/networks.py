"""Networks of other people: which import and ship, how far from their own runtime, how fast.

    EMX=emx-onnx-cgen ONNX2C=onnx2c python benchmarks/networks.py [FILE OR FOLDER ...]
                                                      [--quick] [--json OUT] [--page OUT]

Without a file, those of TATAMI_DATA (networks, weights/mlperf-tiny). A row says whether the file
imports and ships, the worst difference of NumPy to the file's own runtime (ONNX Runtime or LiteRT,
on random input, over the largest value of each output) and of the compiled C to NumPy, the arena,
and the processor's milliseconds of a run of the C (-O3 -march=native, one thread, the median of
turns). Where EMX and ONNX2C name the commands of emx-onnx-cgen and onnx2c, their C is compiled with
the same flags, and again with -ffast-math, which ours is never; the programs take turns on one core
(generators.py), and a column says Tatami's time over the faster of the two: below 1 Tatami is
faster. They are given the file itself where it is ONNX, else, and where they refuse it, what Tatami
made of it. --quick leaves the timing out; --page writes the tables as a page of the documentation.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import generators
import numpy as np
import onnx
from generators import Ends, Racer, Refused

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.state import states_of
from tatami.pipeline.bare import samples_of
from tatami.pipeline.import_network import import_network
from tatami.program.forward import is_quantized
from tatami.program.interpret import run
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.ship.c.emit import emit
from tatami.ship.c.run.network import CompiledNetwork, native
from tatami.types import Size

SIZES = {"ppocr-cls.onnx": Size(192, 48), "fastestdet.param": Size(352, 352)}
"""Of files that leave their input's sides open."""
FLAGS = ("-O3", "-march=native")
NARROW = (np.int8, np.uint8, np.int16, np.int32)
"""What a quantized value may be stored in."""
OTHER = 0.02
"""From which difference on numbers are others; int8 networks run in float differ by less."""
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
    ratios: dict[str, float] = field(default_factory=dict)
    """Our time over a generator's."""
    apart: dict[str, float] = field(default_factory=dict)
    """The difference of a generator's numbers to ours."""
    refused: dict[str, str] = field(default_factory=dict)
    """What a generator, or the compiler of its C, said instead."""


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
            if path.suffix == ".onnx" and not quick:
                _peers_alone(row, path, folder)
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
            _race(row, path, folder, program, fitted, expected)
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


def _race(
    row: Row,
    path: Path,
    folder: Path,
    program: Program,
    sample: list[Array],
    expected: list[Array],
) -> None:
    """Let our C and that of the generators that are installed take turns."""
    values = [program.values[name] for name in program.inputs]
    own = Ends(
        [
            np.ascontiguousarray(native(array, value).transpose(1, 2, 0))
            for array, value in zip(sample, values, strict=True)
        ],
        [program.values[name].bytes for name in program.outputs],
    )
    weights = next(folder / f"net_weights.{kind}" for kind in "cS"
                   if (folder / f"net_weights.{kind}").exists())  # fmt: skip
    made = {
        "tatami": generators.program(
            folder, "race", "net.h", own, "net_forward", others=["net.c", weights.name]
        )
    }
    ends = {"tatami": own}
    imported = folder / "net.onnx"
    networks = [path, imported] if path.suffix == ".onnx" else [imported]
    for name in generators.installed():
        refusals = []
        for at, network in enumerate(networks):
            try:
                its = _ends_of(network, sample, expected)
                new = generators.programs(name, network, folder / f"{name}{at}", its)
                with Racer(next(iter(new.values())), its) as racer:
                    racer.seconds(1)
                    outputs = racer.outputs()
                row.apart[name] = max(
                    difference(np.frombuffer(one, kind), ours)
                    for one, kind, ours in zip(outputs, _kinds_of(network), expected, strict=True)
                )
            except Refused as refused:
                refusals.append(str(refused))
                continue
            made |= new
            ends |= dict.fromkeys(new, its)
            break
        else:
            row.refused[name] = refusals[0]
    with contextlib.ExitStack() as stack:
        racers = {
            name: stack.enter_context(Racer(program, ends[name])) for name, program in made.items()
        }
        seconds = generators.race(racers)
    row.milliseconds = 1e3 * seconds["tatami"]
    for name in row.apart:
        theirs = min(time for key, time in seconds.items() if key.split("-")[0] == name)
        row.ratios[name] = seconds["tatami"] / theirs


def _peers_alone(row: Row, path: Path, folder: Path) -> None:
    """Ask the generators that are installed for a network that Tatami does not take."""
    for name in generators.installed():
        try:
            generators.generate(name, path, folder / name)
        except Refused as refused:
            row.refused[name] = str(refused)


def _ends_of(network: Path, sample: list[Array], expected: list[Array]) -> Ends:
    """Say what a file's inputs and outputs are in other people's C: ONNX's types and order."""
    model = onnx.load(network, load_external_data=False)
    weights = {one.name for one in model.graph.initializer}
    kinds = [
        onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        for value in model.graph.input
        if value.name not in weights
    ]
    if len(kinds) != len(sample) or len(_kinds_of(network)) != len(expected):
        raise Refused("its inputs or outputs are others than Tatami's")
    return Ends(
        [array.astype(kind) for array, kind in zip(sample, kinds, strict=True)],
        [
            array.size * kind.itemsize
            for array, kind in zip(expected, _kinds_of(network), strict=True)
        ],
    )


def _kinds_of(network: Path) -> list[np.dtype[Any]]:
    """Name the types of a file's outputs."""
    model = onnx.load(network, load_external_data=False)
    return [
        onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        for value in model.graph.output
    ]


def table(rows: list[Row]) -> str:
    """Lay the rows out as Markdown, refusals below."""

    def ratio(row: Row, name: str) -> str:
        if name not in row.ratios:
            return "refuses" if name in row.refused else ""
        # Numbers that are others than ours are no comparison, and said to be so.
        other = "" if row.apart[name] < OTHER else " (other numbers)"
        return f"{row.ratios[name]:.2f}{other}"

    def number(value: float | None) -> str:
        return "" if value is None else "0" if value == 0 else f"{value:.1e}"

    lines = [
        "| network | imports | ships | to its runtime | C to NumPy | arena | ms | emx | onnx2c |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.name} | {'yes' if row.imports == 'yes' else 'no'} | "
            f"{'yes' if row.ships == 'yes' else 'no'} | {number(row.runtime)} | {number(row.c)} | "
            f"{'' if row.arena is None else f'{row.arena:,}'} | "
            f"{'' if row.milliseconds is None else f'{row.milliseconds:.3g}'} | "
            f"{ratio(row, 'emx')} | {ratio(row, 'onnx2c')} |"
        )
    lines.append("")
    for row in rows:
        if row.ships != "yes":
            reason = row.ships or row.imports
            taken = [
                name for name in generators.installed()
                if row.name.endswith(".onnx") and name not in row.refused
            ]  # fmt: skip
            also = f" ({' and '.join(taken)} take it)" if taken else ""
            lines.append(f"- {row.name}: {reason}{also}")
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
