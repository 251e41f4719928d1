"""The structure of detectors in two stages: a network that finds regions, a head that judges them.

Faster R-CNN and Fast R-CNN have two networks, the features of the whole picture and the head, with
region pooling between them; R-CNN has the head alone, which looks at warped parts of the picture.
The rule between the stages is tatami/rules/regions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from tatami.data.selective_search import selective_search
from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.graph.read import read
from tatami.program.join import as_taken
from tatami.program.steps import Program
from tatami.rules.regions import Propose, TwoStageDetector
from tatami.shrink.calibrate import Method, Observation, Range, choose_range, merge
from tatami.shrink.fold import fold
from tatami.tasks.alternating import alternating
from tatami.tasks.proposals import with_proposals
from tatami.tasks.region_training import fit_svms, region_examples
from tatami.tasks.structure import Part, Structure, prepared
from tatami.tasks.training import Training
from tatami.train.run import HEAD, NETWORK, PROPOSALS, Run
from tatami.types import Dataset, Float32, Forward, Picture, Size, TwoStageSpec

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.train.batches import Examples
    from tatami.train.loop import Step

FEATURES: Literal["features"] = "features"
LAST: Literal["head"] = "head"
"""What the two networks are called."""


class TwoStages(Structure):
    """The structure of a detector in two stages."""

    def names(self, spec: TwoStageSpec) -> tuple[str, ...]:
        """Name both networks, or only the head, where regions are warped."""
        return (LAST,) if warps(spec) else (FEATURES, LAST)

    def begins(self, spec: TwoStageSpec) -> bool:
        """Say whether the network looks at whole pictures, or is the only one."""
        return spec.part == FEATURES or warps(spec)

    def regions(self, spec: TwoStageSpec) -> int | None:
        """Say how many regions the head looks at, at most."""
        return spec.decoding.max_regions

    def parts(self, network: Network, file: Path) -> tuple[Part, ...]:
        """Find the head beside the file of the features.

        Raises:
            TatamiError: Where it is not there, and where the two do not belong together.
        """
        spec = cast(TwoStageSpec, network.spec)
        if warps(spec):
            return (Part(LAST, network, file),)
        if spec.part == LAST:
            raise TatamiError(
                "the network is half of a detector in two stages",
                file=file,
                hint="give the folder that holds its network.onnx and its head.onnx",
            )
        files = self.files(file, spec)
        head = read(files[1])
        if not isinstance(head.spec, TwoStageSpec) or head.spec.part != LAST:
            raise TatamiError(
                "not the head of a detector in two stages",
                file=files[1],
                hint="give the run folder that training wrote",
            )
        if replace(head.spec, part=FEATURES, provenance=spec.provenance) != spec:
            raise TatamiError(
                "its two networks are of different detectors",
                file=file.parent,
                hint=f"put the {files[0].name} and the {files[1].name} of one training there",
            )
        return Part(FEATURES, network, files[0]), Part(LAST, head, files[1])

    def files(self, first: Path, spec: TwoStageSpec) -> tuple[Path, ...]:
        """Name the head beside the features: head-int8.onnx beside network-int8.onnx.

        Raises:
            TatamiError: For a name that does not begin with "network".
        """
        return (first,) if warps(spec) else (first, head_beside(first))

    def predictor(
        self, spec: TwoStageSpec, forwards: Sequence[Forward], answer: Size | None = None
    ) -> TwoStageDetector:
        """Put the rule between the stages around both networks."""
        *features, head = forwards
        return TwoStageDetector(spec, features[0] if features else None, head, self.find(spec))

    def find(self, spec: TwoStageSpec) -> Propose | None:
        """Give selective search, for a network that finds no regions itself."""
        return proposer(spec)

    def examples(self, data: Any, run: Run, usual: Callable[[Any, Run], Examples]) -> Examples:
        """Let a network that sees warped regions learn from those, any other from pictures."""
        if warps(cast(TwoStageSpec, run.spec)):
            return region_examples(data, run)
        return usual(data, run)

    def prepare_data(self, data: Dataset, training: Training) -> Dataset:
        """Find regions by selective search, for a network that finds none itself."""
        if cast(TwoStageSpec, training.run.spec).proposals is not None:
            return data
        file = training.folder / PROPOSALS
        return with_proposals(data, file, training.team, training.progress)

    def train(
        self, training: Training, data: Dataset, model: nn.Module, average: nn.Module
    ) -> Generator[Step, bool | None, None]:
        """Train both parts at once, or in turns where the settings ask for it."""
        how = alternating if self.in_turns(training.run) else super().train
        yield from how(training, data, model, average)

    def in_turns(self, run: Run) -> bool:
        """Say whether the settings ask for Faster R-CNN's turns."""
        return bool(run.settings.get("alternating", False))

    def complete(self, training: Training, data: Dataset, model: nn.Module) -> None:
        """Fit the SVMs of R-CNN."""
        if warps(cast(TwoStageSpec, training.run.spec)):
            fit_svms(model, data, training.run, training.progress)

    def forwards(self, model: nn.Module, spec: TwoStageSpec) -> tuple[Forward, ...]:
        """Give the features and the head of a torch model as functions of NumPy arrays."""
        from tatami.models.forward import torch_forward
        from tatami.models.two_stage import Head, TwoStage

        head = torch_forward(Head(cast(TwoStage, model)))
        return (head,) if warps(spec) else (torch_forward(model), head)

    def export(self, model: nn.Module, spec: TwoStageSpec, folder: Path) -> None:
        """Write the features as network.onnx and the head as head.onnx.

        Where regions are warped there is only a head, and it is network.onnx.
        """
        from tatami.graph.write import write
        from tatami.models.export import export_onnx, to_head_network
        from tatami.models.two_stage import Head, TwoStage

        model = cast(TwoStage, model)
        head = to_head_network(Head(model), spec, model.channels)
        if warps(spec):
            write(head, folder / NETWORK)
            return
        export_onnx(model, spec, folder / NETWORK)
        write(head, folder / HEAD)

    def inputs(
        self,
        spec: TwoStageSpec,
        forwards: Sequence[Forward],
        pictures: Sequence[Picture],
        most: int,
    ) -> tuple[list[Float32], ...]:
        """Give the features the pictures, and the head the regions that are found in them."""
        detector = self.predictor(spec, forwards)
        found = (detector.regions_of(picture).sample(most) for picture in pictures)
        regions = [some for some in found if some is not None]
        return (
            (regions,)
            if warps(spec)
            else ([prepared(each, spec.input) for each in pictures], regions)
        )

    def folded(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        """Fold both networks: training writes them with their normalization.

        Raises:
            TatamiError: Where one cannot be folded; it names the file.
        """
        done = []
        for part in parts:
            try:
                network, _ = fold(part.network)
            except TatamiError as error:
                raise error.at(part.file) from error
            done.append(replace(part, network=network))
        return tuple(done)

    def shared(
        self,
        networks: Sequence[Network],
        observed: Sequence[Mapping[str, Observation]],
        method: Method,
    ) -> dict[str, Range]:
        """Choose one range for the feature map and for what regions of it are pooled to.

        Among bytes with one scale the largest is the largest of the numbers, so that nothing is
        rounded between the two networks.
        """
        if len(networks) < 2:
            return {}
        ends = str(networks[0].graph.outputs[0].name), str(networks[1].graph.inputs[0].name)
        both = merge(each[end] for each, end in zip(observed, ends, strict=True))
        return dict.fromkeys(ends, choose_range(both, method))

    def programs(self, programs: Sequence[Program]) -> tuple[Program, ...]:
        """Let the features end in the bytes that the head takes.

        Raises:
            TatamiError: Where the two were quantized apart.
        """
        *features, head = programs
        return (*(as_taken(each, head) for each in features), head)


def warps(spec: TwoStageSpec) -> bool:
    """Say whether regions are warped from the picture, not pooled from a feature map."""
    return spec.decoding.kind == "warp"


def proposer(spec: TwoStageSpec) -> Propose | None:
    """Give selective search, for a network that finds no regions itself."""
    return None if spec.proposals is not None else selective_search


def head_beside(file: Path) -> Path:
    """Say where the head of a detector lies: head-int8.onnx beside network-int8.onnx.

    Raises:
        TatamiError: For a name that does not begin with "network".
    """
    begins = Path(NETWORK).stem
    if not file.name.startswith(begins):
        raise TatamiError(
            "which file is its head cannot be told",
            file=file,
            hint="name the two network-NAME.onnx and head-NAME.onnx",
        )
    return file.with_name(Path(HEAD).stem + file.name.removeprefix(begins))
