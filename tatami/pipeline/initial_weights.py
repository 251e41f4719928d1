"""The weights that a training begins with, from another one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tatami.errors import TatamiError
from tatami.graph.attributes import integer, real, weight
from tatami.graph.network import Network
from tatami.graph.read import read
from tatami.importers.torch_state import is_state, read_state, without_prefix
from tatami.tasks.training import new_model
from tatami.types.progress import Progress, quiet

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from tatami.train.run import Run


def initial_weights(
    run: Run, source: Path, *, partial: bool = False, progress: Progress = quiet
) -> bytes:
    """Give the weights that a run begins with, from those of another network.

    Args:
        run: The run that is to begin.
        source: A run folder, a safetensors file, a state_dict that torch saved, or an ONNX file of
            another program's network with the same layers in the same order, as ``import`` writes.
        partial: Whether to take only the first layers that fit, of another network.
        progress: Takes up the remark which weights are new, as those of the head are where the
            classes are others.

    Returns:
        A safetensors file's content.

    Raises:
        TatamiError: Where anything but the head does not match.
    """
    import torch

    from tatami.train.checkpoint import read_weights
    from tatami.train.run import WEIGHTS, load_run
    from tatami.train.transfer import (
        as_part,
        head_of,
        in_order,
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
    model = new_model(run)
    if file.suffix == ".onnx":
        network = read(file)
        spec = network.spec
        start, made = in_order(
            model,
            _layers_of(network),
            head_of(model, new_model(run, more=1)),
            file,
            anew=spec is not None and spec.classes != run.spec.classes,
        )
        progress(_said(file, start, made), 0, 0)
        return to_bytes(start)
    if is_state(file):
        tensors = {name: torch.from_numpy(array) for name, array in read_state(file).items()}
    else:
        tensors = read_weights(file)
    if partial:
        if theirs is not None:  # safetensors files keep no order
            tensors = {name: tensors[name] for name in new_model(theirs).state_dict()}
        elif not is_state(file):
            raise TatamiError(
                "the file does not say which layer comes first",
                file=file,
                hint="give the run folder that it is of, or a .pth file",
            )
        start, last = leading_layers(model, tensors, file)
        progress(f"begins from {file} up to layer {last}; the rest is new", 0, 0)
        return to_bytes(start)
    rename = getattr(model, "current_name", str)
    known = model.state_dict()
    own = without_prefix(list(tensors), lambda name: rename(name) in known)
    tensors = {rename(own[name]): tensor for name, tensor in tensors.items()}
    if (part := getattr(model, "part", None)) is not None:
        tensors = dict(as_part(model, part, tensors))
    head = head_of(model, new_model(run, more=1))
    anew = theirs is not None and theirs.spec.classes != run.spec.classes
    start, made = transferred(model, tensors, head, file, anew=anew)
    progress(_said(file, start, made), 0, 0)
    return to_bytes(start)


def _said(file: Path, start: Mapping[str, Any], made: Sequence[str]) -> str:
    """Say how much was taken, and what is new."""
    said = f"the head is new: {', '.join(made)}" if made else "the head too"
    return f"begins from {file}: {len(start) - len(made)} weights; {said}"


_PARTS = {
    "Conv": ("", "weight", "bias"),
    "Gemm": ("", "weight", "bias"),
    "BatchNormalization": ("", "weight", "bias", "running_mean", "running_var"),
}
"""What torch calls the inputs of a layer with weights."""


def _layers_of(network: Network) -> list[dict[str, Any]]:
    """List the layers of a network with weights, in the order in which they run, as tensors."""
    import torch

    found = []
    for node in network.graph:
        names = _PARTS.get(node.op_type, ())
        layer: dict[str, Any] = {}
        for place, name in enumerate(names):
            array = weight(node, place) if name else None
            if array is not None:
                layer[name] = torch.from_numpy(np.array(array))
        if node.op_type == "Gemm" and not integer(node, "transB", 0) and layer:
            layer["weight"] = layer["weight"].T.contiguous()
        if node.op_type == "BatchNormalization":
            layer["epsilon"] = torch.tensor(real(node, "epsilon", 1e-5))
        if layer:
            found.append(layer)
    return found
