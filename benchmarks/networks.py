"""Networks of other people: which import and ship, how far from their own runtime, how fast.

    python benchmarks/networks.py [FILE OR FOLDER ...] [--quick] [--keep FOLDER]
                                  [--json JSON] [--page PAGE] [--again NAME ...]

Without a file, those of TATAMI_DATA (networks, weights/mlperf-tiny). A row says whether the file
imports and ships; the worst difference of NumPy to the file's own runtime (ONNX Runtime or LiteRT,
on random input, over the largest value of each output) and of the compiled C to NumPy; the bytes of
its arena, and of its code and constants on this processor; and the milliseconds of a run of the C.
Where emx-onnx-cgen and onnx2c are installed (generators.py says how they are found), their C is
compiled with the same flags and takes turns with ours on one core; a column says Tatami's time over
theirs: below 1 Tatami is faster. They are given the file itself where it is ONNX, else, and where
they refuse it, what Tatami made of it.

--quick leaves the timing out. --keep keeps the other programs from run to run, which take most of
the time. --json holds what was measured, a row at a time; --again measures only rows of these names
(or parts of names) anew and keeps the others. --page writes it as a page of the documentation:

    python benchmarks/networks.py ../shared/data/networks ../shared/data/weights/mlperf-tiny \\
        ARCHITECTURES --json benchmarks/networks.json --page docs/networks.md

where ARCHITECTURES has what ../shared/tools/export_architectures.py wrote.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import platform
import shutil
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
NARROW = (np.int8, np.uint8, np.int16, np.int32)
"""What a quantized value may be stored in."""
OTHER = 0.02
"""From which difference on numbers are others; int8 networks run in float differ by less."""
SECONDS = 1800
"""What a file may take."""
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
    flash: int | None = None
    """Bytes of code and constants as compiled for this processor."""
    products: int = 0
    """Multiply-adds of a run."""
    milliseconds: float | None = None
    seconds: float = 0.0
    ratios: dict[str, float] = field(default_factory=dict)
    """Our time over a generator's."""
    apart: dict[str, float] = field(default_factory=dict)
    """The difference of a generator's numbers to ours."""
    refused: dict[str, str] = field(default_factory=dict)
    """What a generator, or the compiler of its C, said instead."""
    second: list[str] = field(default_factory=list)
    """The generators that do not read the file and take what Tatami made of it."""


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


def measure(path: Path, quick: bool, keep: Path | None = None) -> Row:
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
        row.products = sum(map(program.multiply_adds, program.steps))
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
        with CompiledNetwork(folder, options=generators.FLAGS) as compiled:
            row.c = max(
                difference(a, b) for a, b in zip(compiled.run(fitted), expected, strict=True)
            )
        if not quick:
            _race(row, path, folder, program, fitted, expected, keep or folder)
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
    keep: Path,
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
    compiled, row.flash = generators.objects(folder, ["net.c", weights.name])
    mine = generators.program(folder, "race", "net.h", own, "net_forward", others=compiled)
    made = {"tatami": (mine, own)}
    imported = folder / "net.onnx"
    networks = [path, imported] if path.suffix == ".onnx" else [imported]
    for name in generators.installed():
        refusals = []
        for network in networks:
            try:
                its = _ends_of(network, sample, expected)
                other = _other(name, network, keep, its)
                with Racer(other, its) as racer:
                    racer.seconds(1)
                    outputs = racer.outputs()
                row.apart[name] = max(
                    difference(np.frombuffer(one, kind), ours)
                    for one, kind, ours in zip(outputs, _kinds_of(network), expected, strict=True)
                )
            except Refused as refused:
                refusals.append(str(refused))
                continue
            made[name] = other, its
            if network == imported:
                row.second.append(name)
            if refusals:
                row.refused[name] = refusals[0]
            break
        else:
            row.refused[name] = refusals[0]
    with contextlib.ExitStack() as stack:
        racers = {
            name: stack.enter_context(Racer(program, its)) for name, (program, its) in made.items()
        }
        seconds = generators.race(racers)
    row.milliseconds = 1e3 * seconds["tatami"]
    row.ratios = {name: seconds["tatami"] / seconds[name] for name in row.apart}


def _other(name: str, network: Path, keep: Path, ends: Ends) -> Path:
    """Make the program of a generator, or find it where it was made of the same file before.

    Raises:
        Refused: Where the generator, or the compiler, does not take it.
    """
    told = hashlib.sha256(network.read_bytes()).hexdigest()[:16]
    folder = keep / f"{name}-{told}"
    said = folder / "refused.txt"
    if said.exists():
        raise Refused(said.read_text())
    if (folder / name).exists():
        return folder / name
    shutil.rmtree(folder, ignore_errors=True)
    try:
        made = generators.other_program(name, network, folder, ends)
    except Refused as refused:
        said.write_text(str(refused))
        raise
    (folder / "model.c").unlink()  # of megabytes, and compiled
    return made


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


# The page ----------------------------------------------------------------------------------------


def said_of(row: Row, name: str) -> str:
    """Write Tatami's time over a generator's, and where its numbers are others than ours."""
    if name not in row.ratios:
        return "refuses" if name in row.refused else ""
    ratio = f"{row.ratios[name]:.2f}" + ("*" if name in row.second else "")
    return ratio if row.apart[name] < OTHER else f"{ratio} (other numbers: {row.apart[name]:.1e})"


def number(value: float | None) -> str:
    """Write a difference."""
    return "" if value is None else "0" if value == 0 else f"{value:.1e}"


def table(rows: list[Row]) -> str:
    """Lay the rows out as Markdown, refusals below."""
    names = list(generators.GENERATORS)
    lines = [
        f"| network | imports | ships | to its runtime | C to NumPy | arena | flash | ms | "
        f"{' | '.join(names)} |",
        "|---|---|---|---|---|---|---|---|" + "---|" * len(names),
    ]
    for row in rows:
        bytes_of = ["" if one is None else f"{one:,}" for one in (row.arena, row.flash)]
        lines.append(
            f"| {row.name} | {'yes' if row.imports == 'yes' else 'no'} | "
            f"{'yes' if row.ships == 'yes' else 'no'} | {number(row.runtime)} | {number(row.c)} | "
            f"{' | '.join(bytes_of)} | "
            f"{'' if row.milliseconds is None else f'{row.milliseconds:.3g}'} | "
            f"{' | '.join(said_of(row, name) for name in names)} |"
        )
    refusals = [f"- {row.name}: {row.ships or row.imports}" for row in rows if row.ships != "yes"]
    if refusals:
        lines += ["", *refusals]
    return "\n".join(lines)


def summary(rows: list[Row]) -> str:
    """Count what the table says."""
    lines = [f"{sum(row.ships == 'yes' for row in rows)} of {len(rows)} networks ship."]
    for name in generators.GENERATORS:
        same = [row for row in rows if name in row.ratios and row.apart[name] < OTHER]
        other = [row for row in rows if name in row.ratios and row.apart[name] >= OTHER]
        if not same:
            continue
        ratios = sorted(row.ratios[name] for row in same)
        slower = [row for row in same if row.ratios[name] > 1]
        own = sum(name not in row.second for row in same)
        lines.append(
            f"{name} takes {own} of them as they are and {len(same) - own} more in the form that "
            f"Tatami gives them; {len(other)} give other numbers. Of those with the same numbers "
            f"Tatami's C takes {ratios[len(ratios) // 2]:.2f} of the time at the median, "
            f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
            + (
                "."
                if not slower
                else "; it is slower on " + ", ".join(row.name for row in slower) + "."
            )
        )
    return "\n".join(lines)


PAGE = """# Networks of other people

Which files import and ship, how far they are from their own runtime, and how fast their C is.
`benchmarks/networks.py` measured and wrote this page; its rows lie in `benchmarks/networks.json`.

{when}

- *to its runtime*: the worst difference of Tatami's NumPy to ONNX Runtime or LiteRT (its reference
  kernels), on random input, over the largest value of each output. Empty: a format without a
  runtime here, or one whose runtime refuses the file.
- *C to NumPy*: the same of the compiled C to NumPy. Integers are equal: 0.
- *arena*: bytes of working memory. *flash*: bytes of code and constants as compiled here, with the
  kernels for every kind of this processor.
- *ms*: milliseconds of a run of the C, one thread.
- *{names}*: Tatami's time over theirs; below 1 Tatami is faster.
  `*`: they do not read the file itself and take what `tatami import` made of it. *refuses*: they,
  or the compiler of their C, take neither. Where their numbers differ from ours by more than
  {other:.0%}, that is said.

{summary}

{table}
"""


def page(held: dict[str, Any]) -> str:
    """Write the page of what was measured."""
    rows = [Row(**one) for one in held["rows"]]
    return PAGE.format(
        when=held["when"],
        names=", ".join(generators.GENERATORS),
        other=OTHER,
        summary=summary(rows),
        table=table(rows),
    )


def when() -> str:
    """Say when, on what and by which compiler something is measured."""
    compiler = subprocess.run(
        [*generators.compiler(), "--version"], check=True, capture_output=True, text=True
    )
    return (
        f"Measured on {datetime.date.today():%Y-%m-%d} on {_processor()}, one core. All C was "
        f"compiled by `{compiler.stdout.splitlines()[0]}` with `{' '.join(generators.FLAGS)}`; the "
        "programs took turns on one core, pinned; times are the thread's processor time, medians "
        f"of up to {generators.TURNS} turns. Others worked on the machine meanwhile: read ratios, "
        "not milliseconds."
    )


def _processor() -> str:
    """Name the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    has = [flag for flag in ("avx2", "avx512f", "avx512_vnni") if flag in named.get("flags", "")]
    return f"{named.get('model name', platform.processor())} ({', '.join(has)})"


def measured(path: Path, given: argparse.Namespace) -> Row:
    """Measure in a process of its own: a crash of one runtime is a row, and not the end."""
    keep = ["--keep", str(given.keep.resolve())] if given.keep else []
    quick = ["--quick"] if given.quick else []
    command = [sys.executable, __file__, "--alone", str(path), *quick, *keep]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        return Row(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError):
        return Row(path.name, f"crashed: {done.stderr.strip().splitlines()[-1][:160]}")
    except subprocess.TimeoutExpired:
        return Row(path.name, f"took more than {SECONDS} s")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--again", nargs="*")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.keep:
        given.keep.mkdir(exist_ok=True)
    if given.alone:
        print(json.dumps(asdict(measure(given.paths[0], given.quick, given.keep))))
        return
    data = Path(os.environ.get("TATAMI_DATA", "../shared/data"))
    paths = given.paths or [data / "networks", data / "weights" / "mlperf-tiny"]
    before = {}
    if given.again is not None:
        before = {one["name"]: one for one in json.loads(given.json.read_text())["rows"]}
    held: dict[str, Any] = {"when": when(), "rows": []}
    for path in files_of(paths):
        if path.name in before and not any(part in path.name for part in given.again):
            held["rows"].append(before[path.name])
            continue
        row = measured(path, given)
        held["rows"].append(asdict(row))
        said = row.ships if row.imports == "yes" else row.imports
        print(f"{row.name:34s} {said[:60]:20s} {number(row.runtime):8s} {number(row.c):8s} "
              f"{row.milliseconds or 0:9.4g} ms {said_of(row, 'emx-onnx-cgen'):8s} "
              f"{said_of(row, 'onnx2c'):8s} {row.seconds:.1f} s", flush=True)  # fmt: skip
        if given.json and not before:
            given.json.write_text(json.dumps(held, indent=1) + "\n")
    if given.json:
        given.json.write_text(json.dumps(held, indent=1) + "\n")
    text = page(held)
    print(text)
    if given.page:
        given.page.write_text(text)


if __name__ == "__main__":
    main()
