"""What a path holds, as a stage of the ledger: a run folder, an ONNX file or a shipped folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.ops.fixed_point import dequantize
from tatami.pipeline.artifact import load_model, read_parts, run_shipped, spec_of
from tatami.pipeline.bare import BareForm, form_of_network, form_of_program, form_of_running
from tatami.pipeline.ledger import Array, Stage
from tatami.program import interpret
from tatami.program.forward import is_quantized, numpy_forward
from tatami.program.lower import lower
from tatami.program.steps import Program, Value
from tatami.ship.backend import Running, RunningNetwork
from tatami.ship.rtl.core import core_of
from tatami.ship.rtl.run import running, simulated
from tatami.ship.table import backend_of
from tatami.tasks.table import task_of
from tatami.train.run import SETTINGS, WEIGHTS
from tatami.types import Float32, Forward, Spec


def stages_of(artifact: Path) -> list[Path]:
    """List an artifact and, where it is a run folder, what later stages left in it, in order."""
    if not (artifact / SETTINGS).is_file():
        return [artifact]
    files = sorted(artifact.glob("*.onnx"), key=lambda file: (len(file.stem), file.stem))
    networks = {file: graph.read(file) for file in files}
    files = [file for file in files if _begins(networks[file].spec)]
    files.sort(key=lambda file: is_quantized(networks[file]))  # integers come of floats
    folders = sorted(path for path in artifact.iterdir() if path.is_dir() and backend_of(path))
    return [artifact, *files, *folders]


def _begins(spec: Spec | None) -> bool:
    """Say whether a file is the first, or the only one, of those that belong together."""
    return spec is None or task_of(spec).structure(spec).begins(spec)


def open_stage(path: Path, *, trust: bool = False) -> Stage:
    """Open a run folder, an ONNX file or a shipped folder as a stage of the ledger.

    Args:
        path: Where it is.
        trust: Whether to run a shipped folder that this installation did not write.

    Raises:
        TatamiError: For anything else, and for a shipped folder of a stranger.
    """
    name = path.resolve().stem
    backend = backend_of(path)
    if backend is not None:
        kind = backend.name.upper()
        called = kind if name == backend.name else f"{kind} {name.removeprefix(f'{backend.name}-')}"
        return shipped_stage(*run_shipped(path, trust=trust), called)
    if (path / SETTINGS).is_file():
        return _torch_stage(path)
    return _onnx_stage(path, name)


def _torch_stage(folder: Path) -> Stage:
    """Open a run folder, run by torch: of its values only the raw maps are known."""
    model, spec = load_model(folder)
    structure = task_of(spec).structure(spec)
    forwards = structure.forwards(model, spec)
    predictor = structure.predictor(spec, forwards)

    def stage(part: str, forward: Forward) -> Stage:
        name = f"{part} of torch" if part else "torch"
        return Stage(name, task_of(spec), spec, predictor, forward, None, None, 0)

    size = (folder / WEIGHTS).stat().st_size
    names = structure.names(spec)
    if len(forwards) < len(names):  # the model as a whole: it is compared by its answers
        return replace(stage("", forwards[0]), size=size)
    parts = [stage(*each) for each in zip(names, forwards, strict=True)]
    return _whole("torch", parts, size)


def _onnx_stage(path: Path, name: str) -> Stage:
    """Open an ONNX file, and those that belong to it, run by the executable specification.

    A float network's values are of graph/run, a quantized one's of program/interpret.
    """
    parts = read_parts(path)
    spec = spec_of(parts[0].network, path)
    structure = task_of(spec).structure(spec)
    forwards = [numpy_forward(part.network) for part in parts]
    predictor = structure.predictor(spec, forwards)
    programs: tuple[Program, ...] = ()
    if any(is_quantized(part.network) for part in parts):
        programs = structure.programs([lower(part.network) for part in parts])
    stages = []
    for place, (part, forward) in enumerate(zip(parts, forwards, strict=True)):
        called = f"{part.name} of {name}" if part.name else name
        size = part.file.stat().st_size
        if spec.several_calls:
            form = (
                form_of_program(called, programs[place], size)
                if programs
                else form_of_network(called, part.network, size)
            )
            stages.append(_called(form, spec, predictor))
        elif programs:
            stages.append(_integer_stage(called, spec, predictor, forward, programs[place], size))
        else:
            stages.append(_float_stage(called, spec, predictor, forward, part.network, size))
    return _whole(name, stages, sum(stage.size for stage in stages))


def _called(form: BareForm, spec: Spec, predictor: Any) -> Stage:
    """Take a form that is given calls as a part of a stage."""
    return Stage(
        form.name,
        task_of(spec),
        spec,
        predictor,
        cast(Any, form.forward),
        cast(Any, form.values),
        None,
        form.size,
        cast(Any, form.integers),
        form.compiled,
        form.rounded,
    )


def _float_stage(
    name: str, spec: Spec, predictor: Any, forward: Forward, network: Network, size: int
) -> Stage:
    def values(images: Float32) -> dict[str, Float32]:
        return graph.values(network, images)

    unpools = any(node.op_type == "MaxUnpool" for node in network.graph)
    task = task_of(spec)
    return Stage(name, task, spec, predictor, forward, values, None, size, unpools=unpools)


def _integer_stage(
    name: str, spec: Spec, predictor: Any, forward: Forward, program: Program, size: int
) -> Stage:
    def integers(images: Float32) -> dict[str, Array]:
        found = [interpret.values(program, [image]) for image in images]
        return {key: np.stack([one[key] for one in found]) for key in found[0]}

    return Stage(
        name,
        task_of(spec),
        spec,
        predictor,
        forward,
        _in_reals(integers, program.values),
        None,
        size,
        integers,
        rounded=program.rounded(),
    )


def shipped_stage(spec: Spec, running: Running, name: str) -> Stage:
    """Take a shipped folder that runs as a stage.

    Args:
        spec: What it is for.
        running: The folder.
        name: What the ledger calls it.
    """
    stages = [
        _shipped_part(spec, running, network, f"{part} of {name}" if part else name)
        for part, network in running.networks.items()
    ]
    return _whole(name, stages, running.size)


def simulated_stage(paths: Sequence[Path], parameters: str) -> Stage:
    """Simulate the last network in 8 bits among some paths on an engine in Verilog.

    Args:
        paths: ONNX files, and others.
        parameters: Of the engine, as "LANES=16".

    Raises:
        TatamiError: Where none is in 8 bits, and for one that the engine cannot do.
    """
    core = core_of(parameters)
    files = [path for path in paths if path.suffix == ".onnx" and is_quantized(graph.read(path))]
    if not files:
        raise TatamiError(
            "there is no network in 8 bits, and the engine runs no other",
            hint="quantize it first",
            file=paths[0],
            setting="rtl",
        )
    parts = read_parts(files[-1])
    spec = spec_of(parts[0].network, files[-1])
    if len(parts) > 1:
        raise TatamiError("the engine runs one network", hint="prove it in C", setting="rtl")
    network = simulated(lower(parts[0].network), core)
    return shipped_stage(spec, running(spec, network, task_of(spec)), f"RTL {network.kernels}")


def _shipped_part(spec: Spec, running: Running, network: RunningNetwork, name: str) -> Stage:
    known = network.known
    if spec.several_calls:
        return _called(form_of_running(name, network, network.size), spec, running.predictor)
    first = known[network.inputs[0]]

    def forward(images: Float32) -> tuple[Float32, ...]:
        maps = network.forward(images)
        return tuple(
            _real(each, known[key]) for key, each in zip(network.outputs, maps, strict=True)
        )

    return Stage(
        name,
        task_of(spec),
        spec,
        running.predictor,
        forward,
        _in_reals(network.stacked, known),
        running.prepare,
        network.size,
        network.stacked if network.quantized else None,
        compiled=True,
        taken=lambda image: interpret.quantize(image, first.quantization),
    )


def _whole(name: str, parts: Sequence[Stage], size: int) -> Stage:
    """Put a predictor's parts together: the only one is the stage, several are parts of one."""
    last = parts[-1]
    if last.name == name:
        return replace(last, size=size)
    return replace(last, name=name, values=None, prepare=None, size=size, parts=tuple(parts))


def _in_reals(
    values: Callable[[Float32], Mapping[str, Array]], known: Mapping[str, Value]
) -> Callable[[Float32], dict[str, Float32]]:
    """Give the same values in float32, whatever type each has."""
    return lambda images: {key: _real(each, known[key]) for key, each in values(images).items()}


def _real(array: Array, value: Value) -> Float32:
    """Give what a value stands for, in float32."""
    quantization = value.quantization
    if quantization is None:
        return array
    return dequantize(array, quantization.scale, quantization.zero_point)
