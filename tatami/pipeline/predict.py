"""Find what is in pictures, draw it, and write it down."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tatami.data.labels import is_picture_name
from tatami.data.masks import usual_colors
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError, printable
from tatami.files import folder_written_atomically, write_atomically
from tatami.pipeline.artifact import Artifact, Source, open_artifact
from tatami.pipeline.drawings import check_replaceable, free_name, save_picture
from tatami.see.html import picture_html
from tatami.see.overlay import palette
from tatami.tasks.base import Answer
from tatami.tasks.table import TASKS
from tatami.tasks.walk import check_share, walk
from tatami.types import Picture
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table, numbers, words

SHOWN = 12
"""Pictures that a notebook shows of a result."""


@dataclass(frozen=True)
class Predicted:
    """What was found in one picture file.

    Args:
        picture: The file.
        content: What was found, as plain values.
        line: The same in a few words.
        seconds: Time in the network alone.
        names: What was written of it: the names of its files in the result's folder, or as they
            would be.
        drawn: The picture with it drawn, (height, width, 3); None where it was written.
    """

    picture: Path
    content: Mapping[str, Any]
    line: str
    seconds: float
    names: Mapping[str, str]
    drawn: Picture | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the file and what was found in it as plain values."""
        return {"picture": str(self.picture), **self.names, **self.content}


@dataclass(frozen=True)
class PredictResult:
    """What an artifact found in pictures.

    Args:
        artifact: Where the network is.
        heading: What its answers need to be read: the classes.
        pictures: What was found, in the order of the pictures.
        unreadable: Pictures that could not be read, where that was accepted.
        path: The folder that was written; None where none was asked for.
        file: The name of the JSON in it.
    """

    artifact: Path
    heading: Mapping[str, Any]
    pictures: tuple[Predicted, ...]
    unreadable: tuple[Path, ...]
    path: Path | None
    file: str

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many problems of each accepted kind were left out."""
        return {"unreadable-picture": len(self.unreadable)} if self.unreadable else {}

    def to_json(self) -> dict[str, Any]:
        """Give everything that was found as plain values."""
        return {
            "artefact": str(self.artifact),  # the key of older files, which stay readable
            **self.heading,
            "unreadable": [str(path) for path in self.unreadable],
            "pictures": [one.to_json() for one in self.pictures],
        }

    def tables(self) -> list[Table]:
        """Lay out what was found: a row a picture."""
        rows = tuple(
            (
                printable(one.picture.name),
                str(one.content["size"]),
                f"{1000 * one.seconds:.1f}",
                one.line,
            )
            for one in self.pictures
        )
        found = words("found", flexible=True)
        return [Table((words("picture", flexible=True), *numbers("size", "ms"), found), rows)]

    def lines(self) -> list[str]:
        """Say what was written."""
        if self.path is None:
            return []
        return [f"wrote {printable(self.path)}: {len(self.pictures)} pictures, {self.file}"]

    def _repr_html_(self) -> str:
        """Show the first drawn pictures in a notebook."""
        shown = [self._figure(one) for one in self.pictures[:SHOWN]]
        rest = len(self.pictures) - len(shown)
        return "".join(shown) + (f"<p>and {rest} more</p>" if rest else "")

    def _figure(self, one: Predicted) -> str:
        drawn = one.drawn
        if drawn is None and self.path is not None:
            drawn = read_picture(self.path / one.names["drawn"])
        assert drawn is not None
        return picture_html(drawn, f"{one.picture.name}: {one.line}")


def predict(
    artifact: Source | Artifact,
    pictures: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    min_score: float | None = None,
    tiling: int | None = None,
    tta: bool = False,
    beam: int | None = None,
    penalty: float | None = None,
    skip: Collection[str] = (),
    trust: bool = False,
    progress: Progress = quiet,
) -> PredictResult:
    """Find what is in pictures.

    Args:
        artifact: A run folder, an ONNX file or a shipped folder.
        pictures: Picture files, and folders of them.
        out: A folder for the drawn pictures and a JSON; None: nothing is written, and the result
            holds the drawn pictures. One that an older prediction wrote is replaced.
        min_score: For detection, boxes below it are left out; None: the network's own threshold.
        tiling: For segmentation, run in tiles at full resolution, overlapping by this many pixels.
        tta: For segmentation, average over flips and 90-degree rotations.
        beam: For translation, hypotheses that are followed at once; None: as the network says.
        penalty: For translation, how much longer ones are favored; None: as the network says.
        skip: Kinds of problems to leave out: unreadable-picture.
        trust: Whether to run a shipped folder that this installation did not write.
        progress: Takes up how far it is.

    Raises:
        TatamiError: For a bad artifact or picture, for an option of another task, and where the
            folder holds anything else.
    """
    if min_score is not None:
        check_share("min_score", min_score)
    for kind in skip:
        if kind != "unreadable-picture":
            raise TatamiError(
                f"'{kind}' cannot be skipped here",
                hint="only unreadable-picture can",
                setting="skip",
            )
    network = open_artifact(artifact, trust=trust)
    task = network.task
    predictor = task.searching(task.adapted(network.predictor, tiling, tta), beam, penalty)
    paths = listed([pictures] if isinstance(pictures, str | Path) else pictures, task.is_input)
    folder = None if out is None else Path(out)
    if folder is not None:
        lists = {each.answers_file: _drawn_before for each in TASKS}
        check_replaceable(folder, lists, "older prediction")
    unreadable: list[Path] = []

    def answers() -> Iterator[tuple[Path, Answer]]:
        for one in walk(
            lambda picture: task.answer(predictor, picture, min_score),
            paths,
            lambda path: task.read(path, network.spec),
            unreadable,
            file=paths[0],
            skip=skip,
            stage=task.doing,
            progress=progress,
        ):
            yield one.item, one.found

    def result(found: list[Predicted]) -> PredictResult:
        heading = task.heading(predictor.spec, min_score)
        return PredictResult(
            network.path, heading, tuple(found), tuple(unreadable), folder, task.answers_file
        )

    taken: set[str] = set()
    names = {path: free_name(path.stem, taken) for path in paths}
    if folder is None:
        return result(
            [
                Predicted(
                    path, one.content, one.line, one.seconds, {"drawn": names[path]}, one.drawn
                )
                for path, one in answers()
            ]
        )
    colors = palette(usual_colors(len(network.spec.classes)))
    found = []
    # Everything is written beside OUT and moved there at the end: an error leaves nothing behind.
    with folder_written_atomically(folder) as workshop:
        for path, one in answers():
            written = {"drawn": names[path]}
            save_picture(one.drawn, workshop / names[path], folder)
            if one.mask is not None:
                written["mask"] = free_name(f"{path.stem}-mask", taken)
                save_picture(one.mask, workshop / written["mask"], folder, colors)
            found.append(Predicted(path, one.content, one.line, one.seconds, written))
        told = result(found)
        content = json.dumps(told.to_json(), indent=1, allow_nan=False) + "\n"
        write_atomically(workshop / task.answers_file, content)
    return told


def listed(
    inputs: Sequence[str | Path], is_input: Callable[[Path], bool] = is_picture_name
) -> list[Path]:
    """Name the pictures given, and those directly in the folders given, each once, in order.

    Args:
        inputs: Files and folders.
        is_input: Tells which files of a folder are meant, by their names.

    Raises:
        TatamiError: For a path that is not there, and for a folder without pictures.
    """
    found: dict[Path, None] = {}
    for path in map(Path, inputs):
        if path.is_dir():
            inside = sorted(filter(is_input, path.iterdir()))
            if not inside:
                raise TatamiError(
                    "no picture in this folder", hint="name the folder that holds them", file=path
                )
            found.update(dict.fromkeys(inside))
        elif path.exists():
            found[path] = None
        else:
            raise TatamiError("no such picture or folder", hint="check the path", file=path)
    if not found:
        raise TatamiError("no picture is given", hint="name one", setting="pictures")
    return list(found)


def _drawn_before(older: Any) -> list[str]:
    """Name the pictures that an older list tells of."""
    return [entry[key] for entry in older["pictures"] for key in ("drawn", "mask") if key in entry]
