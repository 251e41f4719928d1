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
from tatami.rules.regions import Propose
from tatami.ship.c.build import build_for
from tatami.ship.c.emit import FORMAT
from tatami.ship.c.run import HOST
from tatami.ship.c.targets import target_of
from tatami.ship.c.two_stage import halves_of
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
    target: "host", or one of ship/c/targets.py, whose program runs in its emulator.
    Raises TatamiError where there is no such folder, where it cannot be compiled or its emulator is
    missing, and for a board, whose program reads no pictures: its networks run by themselves.
    """

    def __init__(self, folder: Path, propose: Propose | None = None, *, target: str = HOST) -> None:
        self.folder = folder
        self.target = target
        self._propose = propose
        path = folder / "network.json"
        try:
            content = json.loads(path.read_bytes())
            self.name, spec = str(content["name"]), from_metadata(content["metadata"])
            if content["format"] != FORMAT or not isinstance(spec, TwoStageSpec):
                raise ValueError
            self._threads = int(content["threads"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise TatamiError("network.json is damaged", hint="ship again", file=path) from None
        self._spec = spec
        self._command = self._compiled()

    def _compiled(self) -> list[str]:
        """The command that runs the program of the folder on its machine."""
        shipped = self.folder / f"{self.name}_detect"
        if self.target == HOST and shipped.is_file():
            return [str(shipped.resolve())]
        machine = target_of("any" if self.target == HOST else self.target)
        if machine.board:
            raise TatamiError(
                f"a {machine.name} reads no pictures here", hint="run its networks by themselves"
            )
        temporary = tempfile.mkdtemp(prefix="tatami-")
        weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)
        program = Path(temporary) / "detect"
        build_for(
            machine, self.folder, self.name, program, threads=self._threads, halves=self.parts
        )
        return [*machine.runner, str(program)]

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
                    "the program takes its regions from its caller", hint="call it from C",
                    file=self.folder,
                )  # fmt: skip
            regions = np.asarray(self._propose(picture), np.float64).reshape(-1, 4)
            lines = [str(len(regions)), *(" ".join(map(repr, row)) for row in regions.tolist())]
            pixels += "\n".join([*lines, ""]).encode()
        command = [*self._command, "--threshold", repr(float(score_threshold)), "-"]
        try:
            done = subprocess.run(command, input=pixels, capture_output=True, check=False)
        except OSError as error:
            raise TatamiError(
                f"the program cannot be run: {error.strerror}", hint="run `make` there",
                file=self.folder,
            ) from None  # fmt: skip
        rows = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
        if done.returncode != 0 or not rows or int(rows[0][1]) != len(rows) - 1:
            raise TatamiError(
                f"the program refuses a picture of {width}x{height}",
                hint="give a score threshold that is a number, and a smaller picture",
                file=self.folder,
            )
        # Nine digits give every float32 back: float32 first, as the program computed it.
        return Detections.of(
            np.array([row[1:5] for row in rows[1:]], np.float32),
            np.array([row[0] for row in rows[1:]], np.float32),
            [int(row[5]) for row in rows[1:]],
        )
