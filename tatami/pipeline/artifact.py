"""Open whatever a stage left behind: a run folder, an ONNX file or a compiled C folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard, cast

import numpy as np

from tatami.data.augment import Augmentation
from tatami.data.selective_search import selective_search
from tatami.errors import TatamiError
from tatami.rules.classification import ForwardClassifier
from tatami.rules.detection import ForwardDetector
from tatami.rules.regions import Propose, TwoStageDetector
from tatami.rules.segmentation import ForwardSegmenter, over_turns
from tatami.train.run import HEAD, NETWORK
from tatami.types import (
    ClassificationSpec,
    Classifier,
    DetectionSpec,
    Detector,
    Float32,
    Forward,
    RawMaps,
    SegmentationSpec,
    Segmenter,
    Size,
    Spec,
    TwoStageSpec,
    detector_spec,
)

if TYPE_CHECKING:  # torch is heavy, and absent where only ONNX files are used
    from torch import nn

    from tatami.graph.network import Network
    from tatami.program.steps import Program
    from tatami.train.run import Run

Artifact = Detector | Classifier | Segmenter


def open_detector(path: Path) -> Detector:
    """The detector that a path holds. Raises TatamiError for anything that is not one."""
    opened = open_artifact(path)
    if not isinstance(opened.spec, DetectionSpec):
        what = "classifier" if is_classifier(opened) else "segmenter"
        raise TatamiError(
            f"a {what}, which finds no boxes", file=path, hint="give a detector's artifact"
        )
    return opened


def is_classifier(artifact: Artifact) -> TypeGuard[Classifier]:
    """Whether an artifact names pictures, and does not find boxes in them."""
    return isinstance(artifact.spec, ClassificationSpec)


def is_segmenter(artifact: Artifact) -> TypeGuard[Segmenter]:
    """Whether an artifact tells the class of every pixel."""
    return isinstance(artifact.spec, SegmentationSpec)


def check_seen(artifact: Artifact | None, overlap: int | None, *, turned: bool) -> None:
    """Raise TatamiError where what ``seen`` takes is asked of anything but a segmenter."""
    if artifact is not None and is_segmenter(artifact):
        return
    for option, given in (("--overlap", overlap is not None), ("--turned", turned)):
        if given:
            raise TatamiError(f"{option} is for segmenters", hint="leave it out")


def seen(artifact: Segmenter, overlap: int | None, *, turned: bool) -> Segmenter:
    """A segmenter that, where an overlap is given, cuts pictures into tiles in place of resizing
    them, and that looks at them in every turn if asked to. Raises TatamiError for one that cannot.
    """
    if overlap is None and not turned:
        return artifact
    forward = getattr(artifact, "forward", None)
    if forward is None:
        option = "--turned" if overlap is None else "--overlap"
        raise TatamiError(f"this artifact cannot do {option}", hint="leave it out")
    answer = getattr(artifact, "answer", None)
    return ForwardSegmenter(
        artifact.spec, over_turns(forward) if turned else forward, answer, overlap=overlap
    )


def open_artifact(path: Path) -> Artifact:
    """What a path holds. Raises TatamiError for anything that is not an artifact."""
    if (path / "run.json").is_file():
        return open_run(path)
    if (path / "network.json").is_file():
        from tatami.ship.c.run import open_compiled
        from tatami.ship.c.run_two_stage import CompiledTwoStage, is_two_stage

        if is_two_stage(path):
            return CompiledTwoStage(path, selective_search)
        return open_compiled(path)
    if path.is_file():
        return open_onnx(path)
    if (path / HEAD).is_file() and (path / NETWORK).is_file():
        return open_onnx(path / NETWORK)
    if not path.exists():
        raise TatamiError("no such file or folder", file=path, hint="check the path")
    raise TatamiError(
        "neither a run folder, nor an ONNX file, nor a shipped C folder",
        file=path,
        hint="give what `tatami train`, `fold` or `ship` wrote",
    )


@dataclass(frozen=True)
class TwoStageFiles:
    """A detector in two stages as ONNX files.

    spec: the first one's.  files: of the networks, in their order.  features: None of ``warp``,
    which has one network.
    """

    spec: TwoStageSpec
    files: tuple[Path, ...]
    features: Network | None
    head: Network

    def in_numpy(self) -> TwoStageDetector:
        """Run by the executable specification."""
        features = None if self.features is None else numpy_forward(self.features)
        return TwoStageDetector(self.spec, features, numpy_forward(self.head), proposer(self.spec))


def onnx_of(path: Path) -> Path:
    """The ONNX file that an artifact begins with: of a folder its network.onnx, else itself."""
    return path / NETWORK if (path / NETWORK).is_file() else path


def head_beside(file: Path) -> Path:
    """Where the head of a detector in two stages lies: head-int8.onnx beside network-int8.onnx.

    Raises TatamiError for a name that does not begin so.
    """
    begins = Path(NETWORK).stem
    if not file.name.startswith(begins):
        raise TatamiError(
            "which file is its head cannot be told",
            file=file,
            hint="name the two network-NAME.onnx and head-NAME.onnx",
        )
    return file.with_name(Path(HEAD).stem + file.name.removeprefix(begins))


def with_head(network: Network, file: Path) -> TwoStageFiles:
    """The detector in two stages that a file's network is the first of, or all of.

    Raises TatamiError where it is none, where its head is not beside it, and where the two do not
    belong together.
    """
    from tatami.graph.read import read

    spec = network.spec
    if isinstance(spec, TwoStageSpec) and spec.decoding.kind == "warp":
        return TwoStageFiles(spec, (file,), None, network)
    files = file, head_beside(file)
    networks = [network]
    for each, part in zip(files, ("features", "head"), strict=True):
        if each != file:
            networks.append(read(each))
        found = networks[-1].spec
        if not isinstance(found, TwoStageSpec) or found.part != part:
            raise TatamiError(
                f"not the {part} of a detector in two stages",
                file=each,
                hint="give the folder that `tatami train` wrote",
            )
    first, second = (cast(TwoStageSpec, each.spec) for each in networks)
    if replace(second, part="features", provenance=first.provenance) != first:
        raise TatamiError(
            "its two networks are of different detectors",
            file=file.parent,
            hint=f"put the {files[0].name} and the {files[1].name} of one training there",
        )
    return TwoStageFiles(first, files, *networks)


def head_of(network: Network, file: Path) -> Network | None:
    """What looks at the regions that a file's network is the first to see; None of any other.

    Raises TatamiError as ``with_head`` does.
    """
    spec = network.spec
    if isinstance(spec, TwoStageSpec) and spec.part == "features":
        return with_head(network, file).head
    return None


def proposer(spec: TwoStageSpec) -> Propose | None:
    """Selective search, for a network that finds no regions itself."""
    return None if spec.proposals is not None else selective_search


def numpy_forward(network: Network) -> Forward:
    """The executable specification as a function; of a quantized network its integers."""
    from tatami.graph.run import run
    from tatami.program.lower import lower

    if is_quantized(network):
        program = lower(network)
        return lambda images: run_program(program, images)
    return lambda images: run(network, images)


Ruled = ForwardDetector | ForwardClassifier | ForwardSegmenter | TwoStageDetector
"""A function from images to outputs, with its rules around it."""


def open_onnx(path: Path) -> Ruled:
    """An ONNX file of Tatami's, run by the executable specification in NumPy.

    A quantized one is run as the program of integers that it means, not as float arithmetic.
    """
    from tatami.graph.network import shape_of
    from tatami.graph.read import read

    network = read(path)
    if network.spec is None:
        raise TatamiError(
            "no tatami metadata: classes, input and decoding are unknown",
            file=path,
            hint="export it with `tatami train`",
        )
    spec = network.spec
    if isinstance(spec, TwoStageSpec) and (spec.part == "features" or spec.decoding.kind == "warp"):
        return with_head(network, path).in_numpy()
    shape = shape_of(network.graph.outputs[0])
    return with_rules(network.spec, numpy_forward(network), shape)


def with_rules(spec: Spec, forward: Forward, shape: tuple[int, ...] | None = None) -> Ruled:
    """A function from images to outputs as what its spec says it is.

    shape: of the first output, where it is known; a segmenter else finds it out by a run.

    Raises TatamiError for one that is not whole by itself.
    """
    if isinstance(spec, ClassificationSpec):
        return ForwardClassifier(spec, forward)
    if isinstance(spec, SegmentationSpec):
        return ForwardSegmenter(spec, forward, None if shape is None else Size(shape[3], shape[2]))
    return ForwardDetector(detector_spec(spec), forward)


def network_file(path: Path) -> Path:
    """The ONNX file that a path stands for: itself, or of a run folder its network.onnx, which of
    a detector in two stages is the first.

    Raises TatamiError for a run that is not over, and where there is nothing.
    """
    if (path / "run.json").is_file():
        file = path / "network.onnx"
        if not file.is_file():
            raise TatamiError(
                "the run is not over: it has no network yet",
                file=path,
                hint=f"go on with `tatami train --resume {path}`",
            )
        return file
    if not path.exists():
        raise TatamiError("no such file or folder", file=path, hint="check the path")
    if not path.is_file():
        raise TatamiError(
            "neither a run folder nor an ONNX file",
            file=path,
            hint="give what `tatami train`, `fold` or `quantize` wrote",
        )
    return path


def is_quantized(network: Network) -> bool:
    """Whether a network holds integers, in the form of QDQ."""
    return any(node.op_type == "QuantizeLinear" for node in network.graph)


def run_program(program: Program, images: Float32) -> RawMaps:
    """The raw maps of images (n, 3, H, W), picture after picture."""
    from tatami.program import interpret

    found = [interpret.run(program, [image]) for image in images]
    return tuple(np.stack(maps) for maps in zip(*found, strict=True))


def open_run(folder: Path) -> Ruled:
    """The trained network of a run folder, run by torch."""
    from tatami.train.checkpoint import load_weights
    from tatami.train.run import WEIGHTS

    run = read_run(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise TatamiError(
            "the run is not over: it has no weights yet",
            file=folder,
            hint=f"go on with `tatami train --resume {folder}`",
        )
    model = build_model(run)
    load_weights(model, weights)
    return torch_artifact(model, run.spec)


def torch_artifact(model: nn.Module, spec: Spec) -> Ruled:
    """A model in torch as what its spec says it is."""
    if isinstance(spec, TwoStageSpec):
        from tatami.models.two_stage import Head, TwoStage

        assert isinstance(model, TwoStage)
        features = None if spec.decoding.kind == "warp" else torch_forward(model)
        return TwoStageDetector(spec, features, torch_forward(Head(model)), proposer(spec))
    return with_rules(spec, torch_forward(model))


def read_run(folder: Path) -> Run:
    """A run folder's run.json, held to the models and augmentations that there are.

    Raises TatamiError, naming the file.
    """
    from tatami.train.run import SETTINGS, load_run

    run = load_run(folder)
    try:
        check_model(run.model)
        Augmentation(**run.augmentation)
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=folder / SETTINGS) from error
    except (TypeError, ValueError) as error:
        raise TatamiError(
            f"not an augmentation: {error}",
            hint="restore it, or train again",
            file=folder / SETTINGS,
        ) from error
    return run


def torch_forward(model: nn.Module) -> Forward:
    """A torch model as a function of NumPy arrays, in float32; the model is put in evaluation mode
    each time."""
    import torch

    from tatami.models.detector import as_maps

    device = next(model.parameters()).device

    def forward(images: Float32) -> RawMaps:
        with torch.inference_mode():
            raw = model.eval()(torch.from_numpy(np.ascontiguousarray(images)).to(device))
        return tuple(np.asarray(one.cpu().numpy(), np.float32) for one in as_maps(raw))

    return forward


def build_model(run: Run, more: int = 0) -> nn.Module:
    """A new model of a run, with its classes (and so many more), decoding and width.

    Raises TatamiError.
    """
    from tatami.models import CLASSIFIERS, DETECTORS, SEGMENTERS, TWO_STAGE

    check_model(run.model)
    classes = len(run.spec.classes) + more
    if isinstance(run.spec, TwoStageSpec):
        if run.model not in TWO_STAGE:
            raise TatamiError(f"'{run.model}' has no two stages", hint="restore the run")
        kind, backbone = TWO_STAGE[run.model]
        return kind(classes, run.spec.proposals, run.spec.decoding, run.width, backbone)
    if isinstance(run.spec, DetectionSpec):
        if run.model not in DETECTORS:
            raise TatamiError(f"'{run.model}' is no detector", hint="restore the run")
        return DETECTORS[run.model](classes, run.spec.decoding, run.width)
    classifies = isinstance(run.spec, ClassificationSpec)
    table: dict[str, Callable[..., nn.Module]] = {**(CLASSIFIERS if classifies else SEGMENTERS)}
    if run.model not in table:
        what = "classifier" if classifies else "segmenter"
        raise TatamiError(f"'{run.model}' is no {what}", hint="restore the run")
    return table[run.model](classes, width=run.width)


def check_model(name: str) -> None:
    """Raise TatamiError, naming those that there are, for a model that there is not."""
    from tatami.models import CLASSIFIERS, DETECTORS, SEGMENTERS, TWO_STAGE

    names = (*sorted(DETECTORS), *sorted(TWO_STAGE), *sorted(CLASSIFIERS), *sorted(SEGMENTERS))
    if name not in names:
        known = ", ".join(names)
        raise TatamiError(f"no model '{name}'", hint=f"the models are {known}")
