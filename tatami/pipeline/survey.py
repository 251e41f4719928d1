"""A run's labeled set from all sides: counts, faults, places, doubles, variations, a map."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tatami import graph
from tatami.data.alike import from_afar, near_duplicates
from tatami.data.augment import Augmentation
from tatami.data.labels import is_picture_name
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.pipeline.anchors import Anchors, anchors
from tatami.pipeline.artifact import Source, path_of, read_run
from tatami.pipeline.evaluate import open_split
from tatami.pipeline.inspect import Inspection, inspect
from tatami.see.draw import draw_fitted, fit
from tatami.tasks.table import task_of
from tatami.types import Boxes, Float64, Picture, Size
from tatami.types.progress import Progress, quiet

LOOKED_AT = 1000
"""Pictures that are decoded for places and doubles, evenly over the set."""
MAPPED = 300
"""Pictures on the map, evenly over the set."""
PAIRS = 24
PLACES = 24
"""Rows and columns of the map of places."""
INTO = Size(480, 480)
"""As pictures are drawn."""


@dataclass(frozen=True)
class Embedded:
    """Pictures as points, by what a layer makes of them.

    Args:
        pictures: Their numbers.
        labels: The class of each, by its first label; -1: it has none.
        points: (n, 2), in the two directions in which they differ most.
        share: Of all differences that are in each direction.
    """

    pictures: Sequence[int]
    labels: Sequence[int]
    points: Float64
    share: tuple[float, float]


class Survey:
    """The labeled set that a run learned from. One thread looks at a time.

    Args:
        run: The run folder.
        progress: Takes up how far the reading of the set is.

    Raises:
        TatamiError: For anything else, and where the set is not there any more.
    """

    def __init__(self, run: Source, progress: Progress = quiet) -> None:
        self.folder = path_of(run)
        self.run = read_run(self.folder)
        known = self.run.data
        self.task = task_of(self.run.spec)
        self.inspection: Inspection = inspect(
            known.root, format=known.format, skip=known.skip, progress=progress
        )
        self.cells = self.inspection.found.cells()
        self.classes = self.inspection.found.classes
        self._lock = threading.Lock()

    @cached_property
    def looked(self) -> list[tuple[int, str, Boxes, Size, Float64]]:
        """Decode some pictures: number, name, labels, size, and the picture from afar."""
        found = []
        for number in spread(len(self.cells), LOOKED_AT):
            name, picture, boxes = self.cells[number]()
            size = Size(picture.shape[1], picture.shape[0])
            found.append((number, name, boxes, size, from_afar(picture)))
        return found

    def places(self) -> dict[str, Any]:
        """Count how many boxes lie over each place of their pictures, all and by class.

        A map has PLACES rows and columns over a picture of any size.
        """
        counts = np.zeros((len(self.classes), PLACES, PLACES), np.int64)
        for _, _, boxes, size, _ in self.looked:
            scale = PLACES / np.array([size.width, size.height] * 2)
            ends = (boxes.xyxy * scale).clip(0, PLACES)
            for label, (x1, y1, x2, y2) in zip(boxes.labels.tolist(), ends.tolist(), strict=True):
                rows, columns = (
                    slice(int(low), max(int(np.ceil(high)), int(low) + 1))
                    for low, high in ((y1, y2), (x1, x2))
                )
                counts[label, rows, columns] += 1
        return {
            "all": counts.sum(axis=0).tolist(),
            "classes": dict(zip(self.classes, counts.tolist(), strict=True)),
        }

    def doubles(self) -> list[dict[str, Any]]:
        """List the pictures that are most alike, in pairs."""
        pairs = near_duplicates([view for *_, view in self.looked], PAIRS)
        return [
            {
                "pictures": [self.looked[at][0] for at in pair],
                "names": [self.looked[at][1] for at in pair],
                "alike": alike,
            }
            for *pair, alike in pairs
        ]

    def to_json(self) -> dict[str, Any]:
        """Give the counts and faults, as ``inspect`` does, the places and the doubles."""
        content = self.inspection.to_json()
        root = str(content.pop("root"))
        for number, fault in enumerate(content["problems"]):
            fault["file"] = fault["file"].removeprefix(root).lstrip("/")
            fault["drawn"] = self._pictured(number) is not None
        with self._lock:
            return {
                **content,
                "name": Path(root).name,
                "total": len(self.cells),
                "looked_at": len(self.looked),
                "places": self.places(),
                "doubles": self.doubles(),
            }

    def labeled(self, number: int) -> Picture:
        """Draw a picture with its labels.

        Raises:
            TatamiError: For a number that there is not.
        """
        if not 0 <= number < len(self.cells):
            raise TatamiError("no such picture", hint=f"give a number below {len(self.cells)}")
        _, picture, boxes = self.cells[number]()
        return draw_fitted(picture, boxes, self.classes, INTO)

    def fault(self, number: int) -> Picture:
        """Draw the picture that a fault is in.

        Raises:
            TatamiError: Where it has none that can be read.
        """
        found = self._pictured(number)
        if found is None:
            raise TatamiError("this fault is of no picture", hint="see its file")
        return fit(read_picture(found), INTO)[0]

    def _pictured(self, number: int) -> Path | None:
        """Find the picture of a fault: its file, or that of the same name beside its labels."""
        problems = self.inspection.found.problems
        if not 0 <= number < len(problems) or problems[number].kind == "unreadable-picture":
            return None
        file = problems[number].file
        if is_picture_name(file) and file.is_file():
            return file
        if not file.is_file():
            return None
        folders = (file.parent, *(one for one in file.parent.parent.iterdir() if one.is_dir()))
        beside = (one for folder in folders for one in sorted(folder.glob(f"{file.stem}.*")))
        return next((one for one in beside if is_picture_name(one)), None)

    def varied(self, picture: int, draw: int, size: Size = Size(320, 240)) -> Picture:
        """Draw a picture that is learned from as training varies it.

        Args:
            picture: Its place in the split that is learned from.
            draw: Of the random numbers; 0: as it is.
            size: Of the drawing.

        Raises:
            TatamiError: For a picture that there is not, and a task that varies none.
        """
        if not 0 <= picture < len(self.learned):
            raise TatamiError("no such picture", hint=f"give a number below {len(self.learned)}")
        usual = Augmentation(**self.run.augmentation)
        options = usual if draw else Augmentation.none(usual.pad)
        rng = np.random.default_rng([picture, draw])
        canvas, boxes = self.task.varied(self.learned, picture, size, options, rng)
        return draw_fitted(canvas, boxes, self.classes, size)

    @cached_property
    def learned(self) -> Any:
        """The split that is learned from."""
        known = self.run.data
        return open_split(
            self.task, Path(known.root), split=known.split, format=known.format, skip=known.skip
        ).data

    @cached_property
    def anchors(self) -> Anchors:
        """How the boxes fit the detector's anchors.

        Raises:
            TatamiError: For a network without anchors.
        """
        known = self.run.data
        return anchors(
            self.folder, known.root, split=known.split, format=known.format, skip=known.skip
        )

    def embedded(self, network: Network, value: str) -> Embedded:
        """Place pictures by what a layer makes of them, its maps averaged over the picture.

        Args:
            network: The network.
            value: What the layer makes, by its name.

        Raises:
            TatamiError: Where there are fewer than three pictures.
        """
        numbers, labels, features = [], [], []
        with self._lock:
            for number in spread(len(self.cells), MAPPED):
                _, picture, boxes = self.cells[number]()
                found = graph.values(network, self.task.image(picture, self.run.spec))[value][0]
                features.append(found.reshape(found.shape[0], -1).mean(axis=1, dtype=np.float64))
                numbers.append(number)
                labels.append(int(boxes.labels[0]) if len(boxes) else -1)
        if len(features) < 3:
            raise TatamiError("too few pictures for a map", hint="add some")
        points, share = principal(np.stack(features))
        return Embedded(numbers, labels, points, share)


def spread(count: int, most: int) -> list[int]:
    """Choose numbers evenly: all of them, or ``most``."""
    return [at * count // min(count, most) for at in range(min(count, most))]


def principal(features: Float64) -> tuple[Float64, tuple[float, float]]:
    """Project onto the two directions of the largest variance (principal component analysis).

    The sign of a direction is such that its largest part is positive, so that one set has one map.

    Args:
        features: (n, channels).

    Returns:
        (n, 2), and the share of the variance that lies in each direction.

    Source:
        Pearson 1901, "On lines and planes of closest fit to systems of points in space".
    """
    centered = features - features.mean(axis=0)
    left, sizes, right = np.linalg.svd(centered, full_matrices=False)
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    points = np.zeros((len(features), 2))
    share = np.zeros(2)
    kept = min(2, len(sizes))
    points[:, :kept] = (left * sizes * np.where(signs == 0, 1, signs))[:, :kept]
    total = float((sizes**2).sum())
    share[:kept] = (sizes[:kept] ** 2) / total if total > 0 else 0
    return points, (float(share[0]), float(share[1]))
