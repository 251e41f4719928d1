"""Checkpoints: whole or absent, checksummed, the previous one kept, no pickle.

    RUN/checkpoints/step-00001200/{state.safetensors, state.json}

The JSON holds the step and the tensors' SHA-256. The folder is written under another name and
renamed, so a kill leaves either the old checkpoints or the old ones and a new one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.files import folder_written_atomically, write_atomically
from tatami.train.run import Pace

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """Hold the state of a training between two steps.

    Args:
        step: How many steps are over.
        tensors: Under the names "model.*", "average.*" and "momentum.*".
    """

    step: int
    tensors: dict[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """Give the tensors of one part, under their own names."""
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): tensor
            for key, tensor in self.tensors.items()
            if key.startswith(prefix)
        }


def save(folder: Path, checkpoint: Checkpoint, pace: Pace | None = None) -> None:
    """Write a checkpoint, then remove all but the last two, and what a killed writer left.

    One process writes to a folder at a time.

    Args:
        folder: Of the checkpoints.
        checkpoint: The state.
        pace: How fast the training was until then, for whoever watches it.

    Raises:
        OSError: Where it cannot be written; nothing is lost then.
    """
    tensors = {key: tensor.contiguous() for key, tensor in checkpoint.tensors.items()}
    content = safetensors.torch.save(tensors)
    state: dict[str, Any] = {
        "step": checkpoint.step,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    state |= {} if pace is None else asdict(pace)
    with folder_written_atomically(folder / _name(checkpoint.step)) as temporary:
        write_atomically(temporary / "state.safetensors", content)
        write_atomically(temporary / "state.json", json.dumps(state))
    for old in [*_folders(folder)[:-KEPT], *folder.glob(".step-*")]:
        shutil.rmtree(old)


def load_latest(folder: Path) -> Checkpoint | None:
    """Read the newest checkpoint; None where there is none yet.

    Raises:
        TatamiError: Where the newest is damaged; it names the file, and its hint the older one.
    """
    folders = _folders(folder)
    return load(folders[-1]) if folders else None


def steps_done(folder: Path) -> int:
    """Say how many steps were over at the newest checkpoint, without reading it; 0 for none."""
    folders = _folders(folder)
    return int(folders[-1].name.removeprefix("step-")) if folders else 0


def load(folder: Path) -> Checkpoint:
    """Read one checkpoint, and check it against its checksum.

    Raises:
        TatamiError: Where it is damaged.
    """
    file = folder / "state.safetensors"
    hint = f"remove {folder} to go on from the checkpoint before it"
    try:
        state = json.loads((folder / "state.json").read_text())
        step, checksum = int(state["step"]), str(state["sha256"])
        content = file.read_bytes()
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise TatamiError(f"damaged checkpoint: {error!r}", file=folder, hint=hint) from error
    if folder.name != _name(step):
        raise TatamiError(f"state.json says step {step}", file=folder, hint=hint)
    if hashlib.sha256(content).hexdigest() != checksum:
        raise TatamiError("checkpoint does not match its checksum", file=file, hint=hint)
    return Checkpoint(step, _tensors(content, file, hint))


def save_weights(
    path: Path, tensors: dict[str, Tensor], about: Mapping[str, str] | None = None
) -> None:
    """Write weights alone, as one safetensors file.

    Args:
        path: The file.
        tensors: The weights by their names.
        about: What the file's metadata say of them.
    """
    contiguous = {key: tensor.contiguous() for key, tensor in tensors.items()}
    # One entry: safetensors writes several in an order that differs from time to time.
    metadata = {"about": json.dumps(dict(about))} if about else None
    write_atomically(path, safetensors.torch.save(contiguous, metadata))


def read_about(path: Path) -> dict[str, str]:
    """Read what the metadata of a safetensors file say of its weights.

    Raises:
        TatamiError: For a file that is not whole.
        OSError: Where there is no such file.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            return dict(json.loads((file.metadata() or {})["about"]))
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        raise TatamiError(
            f"not a whole safetensors file: {error}", file=path, hint="remove it, and resume"
        ) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file.

    Raises:
        TatamiError: For a file that is not whole.
        OSError: Where there is no such file.
    """
    return _tensors(path.read_bytes(), path, "give a safetensors file or a run folder")


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill a model from a safetensors file.

    Raises:
        TatamiError: For names or shapes that differ, and for numbers that are not finite.
        OSError: Where there is no such file.
    """
    fill(model, _tensors(path.read_bytes(), path, "copy or train it again"), path)


def fill(model: nn.Module, tensors: dict[str, Tensor], file: Path) -> None:
    """Fill a model with tensors that were read from ``file``.

    Raises:
        TatamiError: As ``load_weights`` does.
    """
    wanted = model.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        mine, theirs = wanted.get(name), tensors.get(name)
        if mine is None or theirs is None or mine.shape != theirs.shape:
            raise TatamiError(
                f"weight '{name}' is {_shape(theirs)} in the file and {_shape(mine)} in the model",
                file=file,
                hint="load it into the model that it was trained as",
            )
        if not theirs.isfinite().all():
            raise TatamiError(
                f"weight '{name}' holds numbers that are not finite",
                file=file,
                hint="train it again, at a lower learning rate",
            )
    model.load_state_dict(tensors)


def _tensors(content: bytes, file: Path, hint: str) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        reason = f"not a whole safetensors file: {error}"
        raise TatamiError(reason, file=file, hint=hint) from error


def _shape(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else str(tuple(tensor.shape))


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _folders(folder: Path) -> list[Path]:
    """List the checkpoints, oldest first; leftovers of a killed write begin with a dot."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())
