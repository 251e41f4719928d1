"""A run folder: everything needed to repeat a training, and what came of it.

RUN/run.json              what was asked: model, recipe, settings, data and fingerprint, versions
RUN/log.jsonl             a line a step: losses, learning rate, gradient norm
RUN/evaluations.jsonl     a line an evaluation while training
RUN/checkpoints/          the last two states, to go on from
RUN/initial.safetensors   the weights that a fine-tuning began from
RUN/best.safetensors      where pictures validate: the averaged weights that were best on them
RUN/tensorboard/          on demand: the same rows for TensorBoard
RUN/end                   who makes it ends the training with the epoch that goes on
RUN/weights.safetensors   the averaged weights, when the run is over or stopped; or the best ones
RUN/network.onnx          the network itself: what every later stage takes
RUN/head.onnx             of a detector in two stages: the network that looks at regions
RUN/decoder.onnx          of a translator: a step of its decoder, network.onnx being its encoder
RUN/proposals.npz         of one that finds no regions itself: those of the training pictures
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.graph.metadata import from_metadata, to_metadata
from tatami.train.recipe import Recipe
from tatami.types import Spec

SETTINGS, LOG, EVALUATIONS = "run.json", "log.jsonl", "evaluations.jsonl"
CHECKPOINTS, WEIGHTS, NETWORK = "checkpoints", "weights.safetensors", "network.onnx"
INITIAL, HEAD, PROPOSALS = "initial.safetensors", "head.onnx", "proposals.npz"
BEST, EVENTS, DECODER = "best.safetensors", "tensorboard", "decoder.onnx"
END = "end"


@dataclass(frozen=True)
class DataSource:
    """Say what was trained on.

    Args:
        root: The labeled set.
        split: The split that was learned from.
        format: The set's format; None: it is recognized.
        skip: Kinds of problems that were left out.
        fingerprint: Of the split's pictures and labels.
        test_split: The split that is evaluated on, if there is one.
        hold_out: How many pictures of the only split are evaluated on, as "10000".
        validate: The pictures by which the best weights are chosen: a split, or a part of the
            split that is learned from, as "0.1"; None: the last weights are kept.
    """

    root: str
    split: str
    format: str | None
    skip: tuple[str, ...]
    fingerprint: str
    test_split: str | None
    hold_out: str | None = None
    validate: str | None = None


@dataclass(frozen=True)
class Run:
    """Say what was asked of a training, as RUN/run.json holds it.

    Args:
        model: The network's name.
        width: Multiplies every layer's channels.
        spec: What the network is for.
        recipe: How to train, with every number decided.
        settings: The fields of the task's settings, as JSON has them.
        data: What is learned from.
        augmentation: The fields of the augmentation.
        device: "cpu" or "cuda".
        processes: How many train as one.
        threads: Of torch, in each process.
        versions: Of Tatami and of what its numbers depend on.
        lengthened: Where the run was given more epochs: (steps that were over, epochs before).
    """

    model: str
    width: float
    spec: Spec
    recipe: Recipe
    settings: Mapping[str, Any]
    data: DataSource
    augmentation: Mapping[str, Any]
    device: str
    processes: int
    threads: int
    versions: Mapping[str, str]
    lengthened: tuple[tuple[int, int], ...] = ()

    def save(self, folder: Path) -> None:
        """Write RUN/run.json, whole or not at all."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["spec"] = to_metadata(self.spec)
        values["recipe"] = self.recipe.to_json()
        values["data"] = asdict(self.data)
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        # Bytes of a folder's name that are no Unicode become JSON's own escapes.
        write_atomically(folder / SETTINGS, text.encode(errors="backslashreplace"))


def load_run(folder: Path) -> Run:
    """Read RUN/run.json, of this version or of 0.1.

    Raises:
        TatamiError: Where it is absent, or is not what ``save`` wrote.
    """
    file = folder / SETTINGS
    if not file.is_file():
        raise TatamiError("no run.json: not a run folder", file=folder, hint="name a run's folder")
    try:
        values = _as_now(json.loads(file.read_bytes()))
        spec = from_metadata(values["spec"])
        if spec is None:
            raise KeyError("spec")
        data = values["data"]
        texts = [data["root"], data["split"], data["fingerprint"], *data["skip"]]
        optional = data["format"], data["test_split"], data.get("hold_out"), data.get("validate")
        texts += [text for text in optional if text is not None]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("the data are not named in text")
        return Run(
            model=str(values["model"]),
            width=float(values["width"]),
            spec=spec,
            recipe=Recipe.from_json(values["recipe"], file),
            settings=dict(values["settings"]),
            data=DataSource(**{**values["data"], "skip": tuple(values["data"]["skip"])}),
            augmentation=dict(values["augmentation"]),
            device=str(values.get("device", "cpu")),
            processes=int(values.get("processes", 1)),
            threads=int(values["threads"]),
            versions=dict(values["versions"]),
            lengthened=tuple((int(at), int(was)) for at, was in values.get("lengthened", ())),
        )
    except TatamiError as error:  # of the recipe or the spec, which know no file
        raise TatamiError(error.reason, hint="restore it, or train again", file=file) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TatamiError(
            f"not as it was written: {error!r}", file=file, hint="restore it, or train again"
        ) from error


@dataclass(frozen=True)
class Pace:
    """Say how fast a training is, as a checkpoint keeps it.

    Args:
        total: How many steps there will be.
        seconds_a_step: The mean since the checkpoint before, with what was done between steps.
    """

    total: int
    seconds_a_step: float


def pace_of(folder: Path) -> tuple[Pace, float] | None:
    """Read how fast a training was until its newest checkpoint.

    Returns:
        The pace, and when the checkpoint was written, in seconds of Unix; None where none tells it.
    """
    states = sorted((folder / CHECKPOINTS).glob("step-*/state.json"))
    try:
        content = json.loads(states[-1].read_text())
        pace = Pace(int(content["total"]), float(content["seconds_a_step"]))
        return pace, states[-1].stat().st_mtime
    except (IndexError, OSError, ValueError, KeyError, TypeError):
        return None  # none yet, one of an older version, or one that a newer one just replaced


MOVED = ("label_smoothing", "class_weights", "alternating")
"""Keys of a recipe of version 0.1 that are settings of a task now."""


def _as_now(values: dict[str, Any]) -> dict[str, Any]:
    """Give a run.json of version 0.1 as it is written now.

    Its recipe held settings of tasks, each its nothing where the task has no such setting, and the
    stride, which the model knows.
    """
    if "settings" in values:
        return values
    before = values["recipe"]
    settings = {name: before[name] for name in MOVED if before.get(name)}
    recipe = {name: each for name, each in before.items() if name not in (*MOVED, "stride")}
    return {**values, "recipe": recipe, "settings": settings}


def is_held(folder: Path) -> bool:
    """Say whether a process trains in a run folder."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a run folder to this process, and remove the half-written files of one that was killed.

    The system ends the hold with the process, however that ends.

    Raises:
        TatamiError: Where another process holds the folder.
    """
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TatamiError(
                "another process is training in it", file=folder, hint="let it end, or end it"
            ) from None
        names = (
            SETTINGS,
            LOG,
            EVALUATIONS,
            INITIAL,
            PROPOSALS,
            BEST,
            WEIGHTS,
            NETWORK,
            HEAD,
            DECODER,
        )
        for name in names:
            for left in folder.glob(f".{name}.*"):
                shutil.rmtree(left)
        yield
    finally:
        os.close(handle)


def read_rows(file: Path) -> list[dict[str, float]]:
    """Read the rows of a log, oldest first; none where there is no file yet.

    Raises:
        TatamiError: For a line that is no row.
    """
    if not file.exists():
        return []
    rows = []
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            rows.append({str(key): float(value) for key, value in json.loads(line).items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise TatamiError(
                f"not a log row: {error}", file=file, line=number, hint="remove the line"
            ) from error
    return rows
