"""``tatami train --from``: the weights that a training begins with, from another one's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tatami.errors import TatamiError
from tatami.importers.torch_state import is_state, read_state
from tatami.pipeline.artifact import build_model
from tatami.pipeline.plan import console

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from tatami.train.run import Run


def initial_weights(run: Run, source: Path, *, partial: bool = False) -> bytes:
    """A safetensors file's content: the weights of ``source``, a run folder, a safetensors file or
    a state_dict that torch saved, with a new head where the classes are others, which is said.

    partial: of another network's, the first layers that fit, and all others new.
    Raises TatamiError where anything else does not match.
    """
    import torch

    from tatami.models.classifier import Classifier
    from tatami.models.two_stage import TwoStage
    from tatami.train.checkpoint import read_weights
    from tatami.train.run import WEIGHTS, load_run
    from tatami.train.transfer import (
        as_part,
        head_of,
        leading_layers,
        to_bytes,
        transferred,
    )

    theirs = load_run(source) if (source / "run.json").is_file() else None
    file = source if theirs is None else source / WEIGHTS
    if not file.is_file():
        raise TatamiError(
            "no weights there", file=file, hint="give a run, a safetensors or a .pth file"
        )
    torch.manual_seed(run.recipe.seed)
    model = build_model(run)
    if is_state(file):
        tensors = {name: torch.from_numpy(array) for name, array in read_state(file).items()}
    else:
        tensors = read_weights(file)
    if partial:
        if theirs is not None:  # safetensors files keep no order
            tensors = {name: tensors[name] for name in build_model(theirs).state_dict()}
        elif not is_state(file):
            raise TatamiError(
                "the file does not say which layer comes first",
                file=file,
                hint="give the run folder that it is of, or a .pth file",
            )
        start, last = leading_layers(model, tensors, file)
        console.print(f"begins from {file} up to layer {last}; the rest is new", markup=False)
        return to_bytes(start)
    if isinstance(model, Classifier):
        tensors = {model.current_name(name): tensor for name, tensor in tensors.items()}
    if isinstance(model, TwoStage):
        tensors = dict(as_part(model, model.part, tensors))
    head = head_of(model, build_model(run, more=1))
    anew = theirs is not None and theirs.spec.classes != run.spec.classes
    start, made = transferred(model, tensors, head, file, anew=anew)
    said = f"the head is new: {', '.join(made)}" if made else "the head too"
    console.print(f"begins from {file}: {len(start) - len(made)} weights; {said}", markup=False)
    return to_bytes(start)
