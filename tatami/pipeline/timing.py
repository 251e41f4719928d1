"""Networks shipped to a temporary folder, compiled, and their time taken side by side."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tatami.graph.network import Network
from tatami.program.lower import lower
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.run import CompiledDetector
from tatami.tasks.walk import shown_progress
from tatami.types import Picture


@contextlib.contextmanager
def compiled(
    networks: Sequence[Network], *, title: str | None = None
) -> Iterator[list[CompiledDetector]]:
    """The networks as the programs that ``tatami ship`` writes for one thread, compiled for the
    time being; with a progress bar where a title is given.

    Raises TatamiError for a network that cannot be shipped, and where there is no compiler.
    """
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tatami-")))
        detectors = []
        for index, network in enumerate(shown_progress(networks, title)):
            folder = root / str(index)
            folder.mkdir()
            shipped = emit(lower(network), "net", "auto", Options("any", 1))
            for file, content in shipped.files.items():
                (folder / file).write_bytes(content)
            detector = stack.enter_context(CompiledDetector(folder))
            detector.network.example()
            detectors.append(detector)
        yield detectors


def milliseconds(
    detectors: Sequence[CompiledDetector],
    pictures: Sequence[Picture],
    rounds: int,
    *,
    title: str | None = None,
) -> list[float]:
    """What each detector takes for a picture, from pixels to boxes: the median of all its turns.

    They take turns, picture by picture, so that whatever else the machine does meets all alike.
    The time is the processor's, of the program alone; where a system has no clock of another
    process it is the wall's.
    """
    spent: list[list[float]] = [[] for _ in detectors]
    for detector in detectors:  # not measured: the program starts, its memory is touched
        detector.detect(pictures[0], detector.spec.decoding.score_threshold)
    for _ in shown_progress(range(rounds), title):
        for picture in pictures:
            for detector, times in zip(detectors, spent, strict=True):
                before = _clock(detector)
                detector.detect(picture, detector.spec.decoding.score_threshold)
                times.append(_clock(detector) - before)
    return [1000 * float(np.median(times)) for times in spent]


def _clock(detector: CompiledDetector) -> float:
    spent = detector.network.cpu_seconds()
    return time.perf_counter() if spent is None else spent
