"""Networks shipped to a temporary folder, compiled, and their time taken side by side."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tatami.graph.network import Network
from tatami.program.lower import lower
from tatami.ship.table import BACKENDS
from tatami.tasks.base import Task
from tatami.tasks.table import task_of
from tatami.types import Picture
from tatami.types.progress import Progress, quiet, tracked


@contextlib.contextmanager
def compiled(networks: Sequence[Network], *, progress: Progress = quiet) -> Iterator[list[Any]]:
    """Compile networks as programs of C for one thread, for the time being.

    Args:
        networks: As they are shipped.
        progress: Takes up how far it is.

    Yields:
        A predictor for each.

    Raises:
        TatamiError: For a network that cannot be shipped, and where there is no compiler.
    """
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tatami-")))
        backend = BACKENDS["c"]
        options = backend.options(threads=1)
        predictors = []
        for index, network in enumerate(tracked(networks, "Compiling", progress)):
            folder = root / str(index)
            folder.mkdir()
            plan = backend.plan({"": lower(network)}, "net", options, _task(network))
            shipped = backend.emit(plan)
            shipped.files.write(folder)
            backend.build(plan, shipped, folder)
            running = stack.enter_context(backend.open(folder, _task(network)))
            predictors.append(running.predictor)
        yield predictors


def milliseconds(
    look: Callable[[Any, Picture], Any],
    predictors: Sequence[Any],
    pictures: Sequence[Picture],
    rounds: int,
    *,
    progress: Progress = quiet,
) -> list[float]:
    """Take the time of each predictor for a picture, from pixels to its answer.

    They take turns, picture by picture, so that whatever else the machine does meets all alike.
    The time is the processor's, of the program alone; where a system has no clock of another
    process it is the wall's.

    Args:
        look: Lets a predictor look at a picture.
        predictors: Compiled programs.
        pictures: What they look at.
        rounds: How many turns each has with every picture.
        progress: Takes up how far it is.

    Returns:
        Milliseconds, the median of all turns, for each predictor.
    """
    spent: list[list[float]] = [[] for _ in predictors]
    for predictor in predictors:  # not measured: the program starts, its memory is touched
        look(predictor, pictures[0])
    for _ in tracked(range(rounds), "Taking the time", progress):
        for picture in pictures:
            for predictor, times in zip(predictors, spent, strict=True):
                before = _clock(predictor)
                look(predictor, picture)
                times.append(_clock(predictor) - before)
    return [1000 * float(np.median(times)) for times in spent]


def _task(network: Network) -> Task[Any, Any, Any]:
    if network.spec is None:
        raise ValueError("a network without a spec looks at no picture")
    return task_of(network.spec)


def _clock(predictor: Any) -> float:
    spent: float | None = predictor.network.cpu_seconds()
    return time.perf_counter() if spent is None else spent
