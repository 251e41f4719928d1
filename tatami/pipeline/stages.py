"""What a path holds, as a stage of the ledger: a run folder, an ONNX file or a shipped folder of C.

``tatami prove`` holds each to the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.ops.fixed_point import dequantize
from tatami.pipeline.artifact import Ruled, is_quantized, onnx_of, open_artifact, with_head
from tatami.pipeline.ledger import Array, Stage
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Program, Value
from tatami.rules.classification import ForwardClassifier
from tatami.rules.detection import ForwardDetector
from tatami.rules.regions import TwoStageDetector
from tatami.rules.segmentation import ForwardSegmenter
from tatami.ship.c.run import (
    HOST,
    PROOF,
    CompiledClassifier,
    CompiledDetector,
    CompiledNetwork,
    CompiledSegmenter,
    describe,
    open_compiled,
)
from tatami.ship.c.run_two_stage import CompiledTwoStage
from tatami.ship.c.targets import variants_for
from tatami.ship.c.two_stage import as_taken, halves_of
from tatami.types import Detector, Float32, Forward, RawMaps, TwoStageSpec


def stages_of(artifact: Path) -> list[Path]:
    """An artifact itself; of a run folder, itself and what later stages left in it, in order."""
    if not (artifact / "run.json").is_file():
        return [artifact]
    files = sorted(artifact.glob("*.onnx"), key=lambda file: (len(file.stem), file.stem))
    networks = {file: graph.read(file) for file in files}
    files = [file for file in files if not _is_second(networks[file])]
    files.sort(key=lambda file: is_quantized(networks[file]))  # integers come of floats
    folders = sorted(file.parent for file in artifact.glob("*/network.json"))
    return [artifact, *files, *folders]


def _is_second(network: Network) -> bool:
    """Whether a file is the head beside another, with which it is one detector."""
    spec = network.spec
    return isinstance(spec, TwoStageSpec) and (spec.part, spec.decoding.kind) == ("head", "pool")


def open_stage(path: Path) -> Stage:
    """A run folder, an ONNX file or a shipped C folder as a stage of the ledger."""
    name = path.resolve().stem
    detector = open_artifact(path)
    in_c = "C" if name == "c" else f"C {name.removeprefix('c-')}"
    if isinstance(detector, CompiledTwoStage):
        return compiled_two_stage(detector, in_c)
    if isinstance(detector, CompiledDetector | CompiledClassifier | CompiledSegmenter):
        return compiled_stage(detector, in_c)
    if isinstance(detector, TwoStageDetector):
        return _two_stage(path, name, detector)
    assert isinstance(detector, ForwardDetector | ForwardClassifier | ForwardSegmenter)
    if path.is_dir():
        weights = path / "weights.safetensors"
        size = weights.stat().st_size if weights.is_file() else 0
        return Stage("torch", detector.spec, detector, detector.forward, None, None, size)
    network = graph.read(path)
    size = path.stat().st_size
    if is_quantized(network):
        return integer_stage(name, detector, detector.forward, lower(network), size)
    return _float_stage(name, detector, detector.forward, network, size)


def _float_stage(
    name: str, detector: Ruled, forward: Forward, network: Network, size: int
) -> Stage:
    """A float network, run by the executable specification."""

    def values(images: Float32) -> dict[str, Float32]:
        return graph.values(network, images)

    unpools = any(node.op_type == "MaxUnpool" for node in network.graph)
    return Stage(name, detector.spec, detector, forward, values, None, size, unpools=unpools)


def _two_stage(path: Path, name: str, detector: TwoStageDetector) -> Stage:
    """A detector in two stages in torch, or of ONNX files."""
    forwards = [one for one in (detector.features, detector.head) if one is not None]
    halves = halves_of(detector.spec)
    if (path / "run.json").is_file():
        weights = path / "weights.safetensors"
        parts = [
            Stage(f"{half} of torch", detector.spec, detector, forward, None, None, 0)
            for half, forward in zip(halves, forwards, strict=True)
        ]
        return _of_parts("torch", detector, parts, weights.stat().st_size)
    two = with_head(graph.read(onnx_of(path)), onnx_of(path))
    networks = [one for one in (two.features, two.head) if one is not None]
    integers = any(is_quantized(network) for network in networks)
    programs = [lower(network) for network in networks] if integers else []
    if len(programs) > 1:
        programs[0] = as_taken(*programs)
    parts = []
    for index, (half, forward) in enumerate(zip(halves, forwards, strict=True)):
        called, size = f"{half} of {name}", two.files[index].stat().st_size
        if integers:
            parts.append(integer_stage(called, detector, forward, programs[index], size))
        else:
            parts.append(_float_stage(called, detector, forward, networks[index], size))
    return _of_parts(name, detector, parts, sum(part.size for part in parts))


def _of_parts(
    name: str, detector: Detector, parts: Sequence[Stage], size: int, compiled: bool = False
) -> Stage:
    last = parts[-1]
    return Stage(
        name,
        detector.spec,
        detector,
        last.forward,
        None,
        None,
        size,
        last.integers,
        compiled=compiled,
        parts=tuple(parts),
    )


def compiled_two_stage(
    detector: CompiledTwoStage, name: str, *, variant: str | None = None, target: str = HOST
) -> Stage:
    """A shipped folder with both networks, compiled: each by itself, too, with those kernels and
    on that machine. Raises TatamiError where these are not there."""
    parts = []
    for half, part in zip(halves_of(detector.spec), detector.parts, strict=True):
        network = CompiledNetwork(detector.folder, part=part, variant=variant, target=target)
        if variant is not None:
            network.check()
        parts.append(_compiled_part(detector, network, part, f"{half} of {name}"))
    size = _source_size(detector.folder, detector.name)
    return _of_parts(name, detector, parts, size, compiled=True)


def _compiled_part(
    detector: CompiledTwoStage, network: CompiledNetwork, part: str, name: str
) -> Stage:
    """One network of a shipped folder that holds two."""
    known = network.description.values

    def integers(images: Float32) -> dict[str, Array]:
        return _stacked([network.values([image]) for image in images])

    def forward(images: Float32) -> RawMaps:
        found = [network.run([image]) for image in images]
        maps = [np.stack(each) for each in zip(*found, strict=True)]
        outputs = network.description.outputs
        return tuple(_real(each, known[key]) for key, each in zip(outputs, maps, strict=True))

    return Stage(
        name,
        detector.spec,
        detector,
        forward,
        _in_reals(integers, known),
        None,
        _source_size(detector.folder, part),
        integers if any(value.quantized for value in known.values()) else None,
        compiled=True,
    )


def integer_stage(
    name: str, detector: Ruled, forward: Forward, program: Program, size: int
) -> Stage:
    """An integer network, run by the interpreter."""

    def integers(images: Float32) -> dict[str, Array]:
        return _stacked([interpret.values(program, [image]) for image in images])

    return Stage(
        name,
        detector.spec,
        detector,
        forward,
        _in_reals(integers, program.values),
        None,
        size,
        integers,
        rounded=program.rounded(),
    )


def compiled_stage(
    detector: CompiledDetector | CompiledClassifier | CompiledSegmenter, name: str
) -> Stage:
    """A shipped folder, compiled."""
    source = _source_size(detector.folder, detector.name)
    known = detector.network.description.values
    quantized = any(value.quantized for value in known.values())
    return Stage(
        name,
        detector.spec,
        detector,
        detector.forward,
        _in_reals(detector.values, known),
        detector.prepare,
        source,
        detector.values if quantized else None,
        compiled=True,
    )


def each_variant(folder: Path) -> list[Stage]:
    """The C of a folder with each kind of kernels that its program and this processor have."""
    stages = []
    for variant in reversed(variants_for(describe(folder).target, "any")):
        detector = open_compiled(folder, variant=variant)
        try:
            stages.append(compiled_stage(detector, f"C {detector.network.kernels}"))
        except TatamiError:  # this processor lacks it
            detector.close()
    return stages


def _source_size(folder: Path, name: str) -> int:
    """Bytes of the C and the weights of a network."""
    return sum(
        file.stat().st_size
        for file in folder.iterdir()
        if file.name.startswith(name)
        and file.suffix in (".c", ".h", ".S", ".bin")
        and not file.name.endswith(f"_{PROOF}")
    )


def _stacked(found: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """What is known of each image, of all of them in one array (n, ...) a name."""
    return {key: np.stack([one[key] for one in found]) for key in found[0]}


def _in_reals(
    values: Callable[[Float32], Mapping[str, Array]], known: Mapping[str, Value]
) -> Callable[[Float32], dict[str, Float32]]:
    """The same values in float32, whatever type each has."""
    return lambda images: {key: _real(each, known[key]) for key, each in values(images).items()}


def _real(array: Array, value: Value) -> Float32:
    """What a value stands for, in float32."""
    quantization = value.quantization
    if quantization is None:
        return array
    return dequantize(array, quantization.scale, quantization.zero_point)
