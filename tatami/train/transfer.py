"""Begin from other weights: another training's, or the first layers of another network.

Where the classes are others, the head is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from itertools import groupby
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from tatami.errors import TatamiError


def head_of(model: nn.Module, other: nn.Module) -> frozenset[str]:
    """Name the weights that depend on how many classes there are, a layer's all together.

    Args:
        model: The network.
        other: The same for one class more: the shapes of its head are others.
    """
    theirs = other.state_dict()
    differing = {n for n, mine in model.state_dict().items() if mine.shape != theirs[n].shape}
    layers = {name.rpartition(".")[0] for name in differing}
    return frozenset(n for n in theirs if n in differing or n.rpartition(".")[0] in layers)


def transferred(
    model: nn.Module, tensors: Mapping[str, Tensor], head: Set[str], file: Path, *, anew: bool
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Give the weights that a model begins with, from those of another training.

    Counts of batches, which files of older programs lack and nothing depends on, are the model's
    where the file has none.

    Args:
        model: The network.
        tensors: What ``file`` holds.
        head: The names of the weights that depend on how many classes there are.
        file: What an error names.
        anew: Whether the head is left as the model has it, even where the file's would fit, for
            its classes are others.

    Returns:
        All weights, and the names of those that are new.

    Raises:
        TatamiError: For any other weight that lacks, is too many, has another shape or holds
            numbers that are not finite.
    """
    wanted = model.state_dict()
    counts = {n: t for n, t in wanted.items() if n.endswith(".num_batches_tracked")}
    given = {**counts, **tensors}
    fits = all(n in tensors and tensors[n].shape == wanted[n].shape for n in head)
    made = frozenset() if fits and not anew else head
    for name in sorted(wanted.keys() | given.keys()):
        if name in made:
            continue
        mine, theirs = wanted.get(name), given.get(name)
        if mine is None or theirs is None or mine.shape != theirs.shape:
            said = ["absent" if t is None else str(tuple(t.shape)) for t in (theirs, mine)]
            raise TatamiError(
                f"weight '{name}' is {said[0]} in the file and {said[1]} in the model",
                file=file,
                hint="begin from weights of the same network and width",
            )
        _check_finite(name, theirs, file)
    start = {name: wanted[name] if name in made else given[name] for name in wanted}
    return start, tuple(name for name in wanted if name in made)


def leading_layers(
    model: nn.Module, theirs: Mapping[str, Tensor], file: Path
) -> tuple[dict[str, Tensor], str]:
    """Give the weights that a model begins with, the first layers from another network.

    Layers are taken as long as their weights have the same shapes, whatever they are called, as
    darknet's ``partial`` has it.

    Args:
        model: The network.
        theirs: The other network's weights in the order of its layers.
        file: What holds them.

    Returns:
        All weights, and the name of the last layer that was taken.

    Raises:
        TatamiError: Where not even the first layer fits, or it holds numbers that are not finite.
    """
    start, last = model.state_dict(), ""
    for mine, other in zip(_layers(start), _layers(theirs), strict=False):
        if {end: start[name].shape for end, name in mine.items()} != {
            end: theirs[name].shape for end, name in other.items()
        }:
            break
        for end, name in mine.items():
            start[name] = theirs[other[end]]
            _check_finite(name, start[name], file)
            last = name.rpartition(".")[0]
    if not last:
        raise TatamiError(
            "not even the first layer has the same shape",
            file=file,
            hint="begin from a network with the same first layers and width",
        )
    return start, last


def in_order(
    model: nn.Module,
    theirs: Sequence[Mapping[str, Tensor]],
    head: Set[str],
    file: Path,
    *,
    anew: bool,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Give the weights that a model begins with, from another program's layers in their order.

    A normalization that the other program has folded into its convolution becomes one that changes
    nothing but adds the convolution's bias. Another epsilon than the model's goes into the
    variance.

    Args:
        model: The network.
        theirs: The layers in the order in which they run: of each ``weight`` and ``bias``, and of a
            normalization ``running_mean``, ``running_var`` and ``epsilon``, too.
        head: The names of the weights that depend on how many classes there are.
        file: What holds them.
        anew: Whether the head is left as the model has it, even where the file's would fit.

    Returns:
        All weights, and the names of those that are new.

    Raises:
        TatamiError: Where the layers are not those of the model.
    """
    start = model.state_dict()
    epsilons = {
        name: float(part.eps)
        for name, part in model.named_modules()
        if isinstance(getattr(part, "eps", None), float)
    }
    left = list(theirs)
    made: list[str] = []
    shift: Tensor | None = None
    for mine in _layers(start):
        layer = next(iter(mine.values())).rpartition(".")[0]
        if "running_mean" in mine and (not left or "running_mean" not in left[0]):
            left.insert(0, _folded_away(start, mine, epsilons[layer], shift))
        given = dict(left.pop(0)) if left else {}
        if "running_var" in given:
            given["running_var"] = given["running_var"] + given.pop("epsilon") - epsilons[layer]
        elif "bias" not in mine:
            shift = given.pop("bias", None)  # the normalization behind adds it
        fits = {end: start[name].shape for end, name in mine.items()} == {
            end: tensor.shape for end, tensor in given.items()
        }
        if (anew or not fits) and set(mine.values()) <= head:
            made += mine.values()
            continue
        if not fits:
            said = [
                ", ".join(f"{end} {tuple(t.shape)}" for end, t in one.items()) or "no layer"
                for one in (given, {end: start[name] for end, name in mine.items()})
            ]
            raise TatamiError(
                f"layer '{layer}' is {said[0]} in the file and {said[1]} in the model",
                file=file,
                hint="begin from a network of the same layers and width",
            )
        for end, name in mine.items():
            _check_finite(name, given[end], file)
            start[name] = given[end]
    if left:
        raise TatamiError(
            f"the file has {len(left)} layers more than the model",
            file=file,
            hint="begin from a network of the same layers",
        )
    return start, tuple(made)


def _folded_away(
    start: Mapping[str, Tensor], mine: Mapping[str, str], epsilon: float, shift: Tensor | None
) -> dict[str, Tensor]:
    """Make a normalization that adds a shift, and changes nothing else."""
    one = torch.ones_like(start[mine["running_var"]])
    zero = torch.zeros_like(one)
    return {
        "weight": one,
        "bias": zero if shift is None else shift,
        "running_mean": zero,
        "running_var": one - epsilon,
        "epsilon": torch.tensor(epsilon),
    }


def _layers(tensors: Mapping[str, Tensor]) -> list[dict[str, str]]:
    """List the names of each layer's weights by what they are in it, as ``weight``, in order.

    The counts of batches are left out: nothing depends on them.
    """
    names = [name for name in tensors if not name.endswith(".num_batches_tracked")]
    return [
        {name.rpartition(".")[2]: name for name in layer}
        for _, layer in groupby(names, lambda name: name.rpartition(".")[0])
    ]


def _check_finite(name: str, tensor: Tensor, file: Path) -> None:
    if not tensor.isfinite().all():
        raise TatamiError(
            f"weight '{name}' holds numbers that are not finite",
            file=file,
            hint="begin from another file",
        )


def as_part(model: nn.Module, part: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Give the weights of a network that a part of a model is made of as the model's own.

    Args:
        model: The network.
        part: The name of the part.
        tensors: The other network's weights, or the model's as a whole, which stay as they are.
    """
    wanted, prefix = model.state_dict(), f"{part}."
    if any(name.startswith(prefix) for name in tensors):
        return tensors
    own = {f"{prefix}{name}": tensor for name, tensor in tensors.items()}
    rest = {name: tensor for name, tensor in wanted.items() if not name.startswith(prefix)}
    return rest | {name: tensor for name, tensor in own.items() if name in wanted}


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Write tensors as a safetensors file's content."""
    return safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()})
