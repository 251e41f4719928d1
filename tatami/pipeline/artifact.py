"""Open whatever a stage left behind: a run folder, an ONNX file or a compiled C folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from PIL import Image, ImageOps

from tatami.data.augment import Augmentation
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.graph.network import Network, shape_of
from tatami.graph.read import read
from tatami.models.table import model_named
from tatami.program.forward import numpy_forward
from tatami.see.html import picture_html
from tatami.ship.backend import Running
from tatami.ship.seal import check
from tatami.ship.table import backend_of
from tatami.tasks.base import Predictor, Task
from tatami.tasks.settings import read_settings
from tatami.tasks.structure import Part
from tatami.tasks.table import task_of
from tatami.tasks.training import new_model
from tatami.train.run import NETWORK, SETTINGS, WEIGHTS, load_run
from tatami.types import (
    Mask,
    Picture,
    Size,
    Spec,
)

if TYPE_CHECKING:  # torch is heavy, and absent where only ONNX files are used
    from torch import nn

    from tatami.train.run import Run


class HasPath(Protocol):
    """A result of the pipeline that left something behind."""

    @property
    def path(self) -> Path:
        """The file or folder."""
        ...


Source = str | Path | HasPath
"""Where an artifact is: its path, or the result of what wrote it."""


def path_of(source: Source) -> Path:
    """Give the path of an artifact, or of the result of what wrote it."""
    return Path(source) if isinstance(source, str | Path) else source.path


@dataclass(frozen=True)
class Prediction:
    """What an artifact found in one picture.

    Args:
        drawn: The picture with it drawn, (height, width, 3).
        content: The same as plain values for JSON.
        line: The same in a few words.
        mask: For segmentation the class of each pixel, (height, width); else None.
    """

    drawn: Picture
    content: Mapping[str, Any]
    line: str
    mask: Mask | None = None

    def to_json(self) -> dict[str, Any]:
        """Give what was found as plain values."""
        return dict(self.content)

    def save(self, file: str | Path) -> None:
        """Write the picture with what was found drawn, as the file's suffix says."""
        Image.fromarray(self.drawn).save(file)

    def _repr_html_(self) -> str:
        """Show the drawn picture in a notebook."""
        return picture_html(self.drawn, self.line)


@dataclass(frozen=True)
class Artifact:
    """What a path holds, ready to look at pictures.

    Args:
        path: Where it is.
        task: What it is for.
        spec: Its classes, its input and how its answers are read.
        predictor: What answers for a picture.
    """

    path: Path
    task: Task[Any, Any, Any]
    spec: Spec
    predictor: Predictor

    def predict(
        self, picture: str | Path | Picture | Image.Image, *, min_score: float | None = None
    ) -> Prediction:
        """Find what is in a picture, or in a sound.

        Args:
            picture: A file, a PIL image, or an array (height, width, 3) of uint8 in RGB; for a
                network that hears, a file or an array (n,) of int16; for one of series, a CSV file
                or an array (steps, channels), several of them (n, steps, channels).
            min_score: For detection, boxes below it are left out; None: the network's own
                threshold.

        Raises:
            TatamiError: For a picture that cannot be read.
        """
        if isinstance(picture, str | Path):
            seen = self.task.read(Path(picture), self.spec)
        else:
            seen = as_picture(picture) if self.spec.sees_pictures else np.asarray(picture)
        found = self.task.answer(self.predictor, seen, min_score)
        return Prediction(found.drawn, found.content, found.line, found.mask)


def as_picture(picture: str | Path | Picture | Image.Image) -> Picture:
    """Give a file, a PIL image or an array as a picture: (height, width, 3), uint8, upright, RGB.

    Raises:
        TatamiError: For a file that cannot be read, and for an array of another shape or type.
    """
    if isinstance(picture, str | Path):
        return read_picture(Path(picture))
    if isinstance(picture, Image.Image):
        return np.array(ImageOps.exif_transpose(picture).convert("RGB"), np.uint8)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise TatamiError(
            f"an array {picture.shape} of {picture.dtype} is no picture",
            hint="give (height, width, 3) of uint8, in RGB",
            setting="picture",
        )
    return picture


def open_artifact(path: Source, *, trust: bool = False) -> Artifact:
    """Open what a path holds: a run folder, an ONNX file or a shipped folder.

    Args:
        path: Where it is, or the result of what wrote it.
        trust: Whether to run a shipped folder that this installation did not write.

    Raises:
        TatamiError: For anything that is not an artifact, and for a shipped folder of a stranger.
    """
    place = path_of(path)
    predictor = _predictor(place, trust)
    return Artifact(place, task_of(predictor.spec), predictor.spec, predictor)


def _predictor(path: Path, trust: bool) -> Predictor:
    if (path / SETTINGS).is_file():
        return open_run(path)
    if backend_of(path) is not None:
        _, running = run_shipped(path, trust=trust)
        return cast(Predictor, running.predictor)
    return open_onnx(path)


def run_shipped(
    folder: Path, *, variant: str | None = None, target: str | None = None, trust: bool = False
) -> tuple[Spec, Running]:
    """Run a shipped folder, and say what it is for.

    Args:
        folder: What shipping wrote.
        variant: The kind of kernels; None: the best.
        target: The machine, emulated or simulated; None: this one.
        trust: Whether to run it whoever wrote it.

    Raises:
        TatamiError: For a folder that this installation did not write, is damaged or holds a bare
            network, and where kernels, a compiler or an emulator are missing.
    """
    backend = backend_of(folder)
    if backend is None:
        raise TatamiError("not a shipped folder", file=folder, hint="give what shipping wrote")
    spec = backend.spec(folder)
    if spec is None:
        raise TatamiError(
            "the folder holds a network without rules for pictures and boxes",
            hint="run it as a network",
            file=folder,
        )
    built = trust or check(folder)
    task = task_of(spec)
    find = task.structure(spec).find(spec)
    return spec, backend.open(folder, task, variant=variant, target=target, find=find, built=built)


def open_onnx(file: Path) -> Predictor:
    """Open an ONNX file of Tatami's, to be run by the executable specification in NumPy.

    A quantized one is run as the program of integers that it means, not as float arithmetic.

    Raises:
        TatamiError: For a file that does not say what it is for, or is only half of a predictor.
    """
    parts = read_parts(file)
    spec = spec_of(parts[0].network, file)
    shape = shape_of(parts[0].network.graph.outputs[0])
    answer = Size(shape[3], shape[2]) if len(shape) == 4 else None
    forwards = [numpy_forward(part.network) for part in parts]
    structure = task_of(spec).structure(spec)
    return cast(Predictor, structure.predictor(spec, forwards, answer))


def spec_of(network: Network, file: Path) -> Spec:
    """Give what a network is for.

    Raises:
        TatamiError: Where its file does not say it.
    """
    if network.spec is None:
        raise TatamiError(
            "no tatami metadata: classes, input and decoding are unknown",
            file=file,
            hint="give a file that training or importing wrote",
        )
    return network.spec


def read_parts(path: Path) -> tuple[Part, ...]:
    """Read the networks that belong to an ONNX file, or to the folder that holds it.

    Raises:
        TatamiError: Where one is missing, damaged or of another training, or says not what it is
            for.
    """
    file = onnx_of(path)
    if not file.exists():
        raise TatamiError("no such file or folder", file=path, hint="check the path")
    if not file.is_file():
        raise _nothing(path)
    network = read(file)
    spec = spec_of(network, file)
    parts = task_of(spec).structure(spec).parts(network, file)
    if path.is_dir() and len(parts) == 1 and not (path / SETTINGS).is_file():
        raise _nothing(path)  # what is left of a run folder, perhaps
    return parts


def _nothing(path: Path) -> TatamiError:
    return TatamiError(
        "neither a run folder, nor an ONNX file, nor a shipped folder",
        file=path,
        hint="give what training, folding or shipping wrote",
    )


def onnx_of(path: Path) -> Path:
    """Name the ONNX file that an artifact begins with: in a folder its network.onnx."""
    return path / NETWORK if (path / NETWORK).is_file() else path


def network_file(path: Path) -> Path:
    """Name the ONNX file that a path stands for: itself, or in a run folder its network.onnx.

    Raises:
        TatamiError: For a run that is not over, and where there is nothing.
    """
    if (path / SETTINGS).is_file():
        file = path / NETWORK
        if not file.is_file():
            raise _unfinished(path, "network")
        return file
    if not path.exists():
        raise TatamiError("no such file or folder", file=path, hint="check the path")
    if not path.is_file():
        raise TatamiError(
            "neither a run folder nor an ONNX file",
            file=path,
            hint="give what training, folding or quantizing wrote",
        )
    return path


def open_run(folder: Path) -> Predictor:
    """Open the trained network of a run folder, to be run by torch.

    Raises:
        TatamiError: For a run that is not over, or is damaged.
    """
    model, spec = load_model(folder)
    return cast(Predictor, torch_predictor(model, spec))


def load_model(folder: Path) -> tuple[nn.Module, Spec]:
    """Load the trained model of a run folder, and say what it is for.

    Raises:
        TatamiError: For a run that is not over, or is damaged.
    """
    from tatami.train.checkpoint import load_weights

    run = read_run(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise _unfinished(folder, "weights")
    model = new_model(run)
    load_weights(model, weights)
    return model, run.spec


def _unfinished(folder: Path, what: str) -> TatamiError:
    return TatamiError(
        f"the run is not over: it has no {what} yet", file=folder, hint="resume its training"
    )


def torch_predictor(model: nn.Module, spec: Spec) -> Any:
    """Put the written rules around a model in torch."""
    structure = task_of(spec).structure(spec)
    return structure.predictor(spec, structure.forwards(model, spec))


def read_run(folder: Path) -> Run:
    """Read a run folder's run.json, and check it against the models and augmentations there are.

    Raises:
        TatamiError: It names the file.
    """
    run = load_run(folder)
    try:
        model_named(run.model)
        read_settings(task_of(run.spec).settings, run.settings)
        Augmentation(**run.augmentation)
    except TatamiError as error:
        raise error.at(folder / SETTINGS) from error
    except (TypeError, ValueError) as error:
        raise TatamiError(
            f"not an augmentation: {error}",
            hint="restore it, or train again",
            file=folder / SETTINGS,
        ) from error
    return run
