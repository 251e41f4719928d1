"""Faster R-CNN's four-step alternating training (Ren et al. 2015, section 3.2).

1. The region proposal network is trained alone. 2. So is, from the same beginning, a detector, on
the regions that the first proposes. 3. The proposal network is trained again on the detector's
trunk, which stays as it is. 4. So is what is the detector's alone, on the regions of the third.
Each step is a training of its own in RUN/step-1 to step-4, that goes on where it was interrupted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from tatami.data.pictures import read_picture
from tatami.rules.picture import prepare
from tatami.rules.regions import proposed_regions
from tatami.tasks.proposals import joined, read_proposals, write_proposals
from tatami.tasks.training import Training, new_model, sent
from tatami.types import Dataset, Float32, Forward, Size, TwoStageSpec
from tatami.types.progress import tracked

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import Tensor, nn

    from tatami.models.faster_rcnn import FasterRCNN
    from tatami.train.loop import Step


@dataclasses.dataclass(frozen=True)
class Turn:
    """Say what learns in one of the four turns, and whether the trunk stays as it is."""

    learning: Literal["proposals", "regions"]
    trunk_stays: bool


TURNS = (
    Turn("proposals", False),
    Turn("regions", False),
    Turn("proposals", True),
    Turn("regions", True),
)


def alternating(
    training: Training, dataset: Dataset, model: nn.Module, average: nn.Module
) -> Generator[Step, bool | None, None]:
    """Train a Faster R-CNN in four turns, and yield every step; a True sent back stops it there.

    Args:
        training: The training.
        dataset: The split.
        model: Says how the first two turns begin, and becomes what came of the last.
        average: Becomes the same.

    Raises:
        TatamiError: As the training loop does.
    """
    from tatami.train.loop import train

    run, team = training.run, training.team
    beginning = _copy(model)
    trunk = tuple(f"backbone.{part}" for part in cast("FasterRCNN", model).backbone.trunk_parts)
    after: list[dict[str, Tensor]] = []  # each turn
    for number, turn in enumerate(TURNS):
        place = training.folder / f"step-{number + 1}"
        place.mkdir(exist_ok=True)
        learner = cast("FasterRCNN", new_model(run)).to(run.device)
        learner.load_state_dict(_start(beginning, after))
        learner.learning = turn.learning
        pictures = dataset
        if turn.learning == "regions":
            average.load_state_dict(after[-1])
            pictures = _proposed(average, training, dataset, place / "proposals.npz")
        stays = (*trunk, "rpn") if turn.learning == "regions" else (*trunk, "regions")
        recipe = dataclasses.replace(
            run.recipe, freeze=(*run.recipe.freeze, *(stays if turn.trunk_stays else ()))
        )
        batches = training.batches(pictures, recipe)
        steps, stop = train(learner, average, batches, recipe, place, team), False
        while step := sent(steps, stop):
            done, total = step.done + number * batches.steps, len(TURNS) * batches.steps
            stop = bool((yield dataclasses.replace(step, done=done, total=total)))
        if stop:
            return
        after.append(_copy(average))
    model.load_state_dict(after[-1])


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _start(beginning: dict[str, Tensor], after: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Say what the next turn begins from.

    The first two begin from the same weights, the third from the detector with the first's proposal
    network, the fourth from the third.
    """
    if len(after) < 2:
        return beginning
    if len(after) == 3:
        return after[2]
    of_rpn = {name: tensor for name, tensor in after[0].items() if name.startswith("rpn.")}
    return after[1] | of_rpn


def _proposed(model: nn.Module, training: Training, dataset: Dataset, file: Path) -> Dataset:
    """Give the set with the regions that a network proposes in each picture."""
    from tatami.models.forward import torch_forward

    if file.exists():
        return joined(dataset, read_proposals(file, len(dataset)))
    forward, spec = torch_forward(model), cast(TwoStageSpec, training.run.spec)
    found = [
        network_proposals(forward, spec, sample.path)
        for sample in tracked(dataset.samples, "Proposing regions", training.progress)
    ]
    if training.team.leads:
        write_proposals(file, found)
    return joined(dataset, found)


def network_proposals(forward: Forward, spec: TwoStageSpec, path: Path) -> Float32:
    """Give the regions (n, 4) that a network proposes in a picture, in the picture's pixels."""
    assert spec.proposals is not None
    picture = read_picture(path)
    image, placement = prepare(picture, spec.input)
    maps = [one[0] for one in forward(image[None])[1:]]
    # To learn from, more than are looked at later: section 3.3, 2,000.
    decoding = dataclasses.replace(spec.decoding, max_regions=2000)
    regions = proposed_regions(maps, spec.proposals, decoding, spec.input.size)
    size = Size(picture.shape[1], picture.shape[0])
    inside = placement.to_picture(regions.astype(np.float64), size)
    return inside.clip(0, (size.width, size.height, size.width, size.height)).astype(np.float32)
