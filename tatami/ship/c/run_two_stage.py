"""A shipped detector in two stages, compiled and run."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata
from tatami.ship.c.build import build
from tatami.ship.c.emit import FORMAT
from tatami.ship.c.two_stage import halves_of
from tatami.two_stage import Propose
from tatami.types import Detections, Picture, TwoStageSpec


def is_two_stage(folder: Path) -> bool:
    """Whether a folder's network.json says that its program has two stages."""
    try:
        content = json.loads((folder / "network.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("stages") == 2


class CompiledTwoStage:
    """Implements ``types.Detector`` with the example program of a folder, which is compiled where
    it is not there.

    propose: finds the regions of a picture, for a program that takes them from its caller.
    Raises TatamiError where there is no such folder or it cannot be compiled.
    """

    def __init__(self, folder: Path, propose: Propose | None = None) -> None:
        self.folder = folder
        self._propose = propose
        path = folder / "network.json"
        try:
            content = json.loads(path.read_bytes())
            self.name, spec = str(content["name"]), from_metadata(content["metadata"])
            if content["format"] != FORMAT or not isinstance(spec, TwoStageSpec):
                raise ValueError
            threads = int(content["threads"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise TatamiError("network.json is damaged", mend="ship again", file=path) from None
        self._spec = spec
        self._program = folder / f"{self.name}_detect"
        if not self._program.is_file():
            temporary = tempfile.mkdtemp(prefix="tatami-")
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)
            self._program = Path(temporary) / "detect"
            build(folder, self.name, self._program, threads=threads, halves=self.parts)

    @property
    def spec(self) -> TwoStageSpec:
        return self._spec

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its networks, for ``CompiledNetwork``."""
        return tuple(f"{self.name}_{half}" for half in halves_of(self._spec))

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Boxes in the pixels of the picture (height, width, 3), best first.

        Raises TatamiError where regions must come from elsewhere and do not.
        """
        height, width = picture.shape[:2]
        pixels = b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(picture).tobytes()
        if self._spec.proposals is None:
            if self._propose is None:
                raise TatamiError(
                    "the program takes its regions from its caller", mend="call it from C",
                    file=self.folder,
                )  # fmt: skip
            regions = np.asarray(self._propose(picture), np.float64).reshape(-1, 4)
            lines = [str(len(regions)), *(" ".join(map(repr, row)) for row in regions.tolist())]
            pixels += "\n".join([*lines, ""]).encode()
        command = [str(self._program.resolve()), "--threshold", repr(float(score_threshold)), "-"]
        try:
            done = subprocess.run(command, input=pixels, capture_output=True, check=False)
        except OSError as error:
            raise TatamiError(
                f"the program cannot be run: {error.strerror}", mend="run `make` there",
                file=self.folder,
            ) from None  # fmt: skip
        rows = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
        if done.returncode != 0 or not rows or int(rows[0][1]) != len(rows) - 1:
            raise TatamiError(
                f"the program refuses a picture of {width}x{height}",
                mend="give a score threshold that is a number, and a smaller picture",
                file=self.folder,
            )
        # Nine digits give every float32 back: float32 first, as the program computed it.
        return Detections.of(
            np.array([row[1:5] for row in rows[1:]], np.float32),
            np.array([row[0] for row in rows[1:]], np.float32),
            [int(row[5]) for row in rows[1:]],
        )
