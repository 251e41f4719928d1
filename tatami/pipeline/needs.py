"""Say what a network will need of a device, before it is trained.

Neither the bytes of a program nor its memory depend on what the weights are. A network with random
weights is folded, in 8 bits quantized with the same range for every value, without a picture, and
planned as C.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tatami import graph
from tatami.graph.network import Network, shape_of
from tatami.models.table import model_named
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.ship.table import backend_named
from tatami.shrink.calibrate import BINS, Observation
from tatami.shrink.fold import fold
from tatami.shrink.quantize import quantize
from tatami.tasks.base import Task
from tatami.tasks.table import task_named
from tatami.train.run import NETWORK
from tatami.types import Size

TARGET = "cortex-m7"
"""The machine for which code is measured unless another is named."""


@dataclass(frozen=True)
class Needs:
    """What a network needs.

    Args:
        parameters: Numbers that training changes, as papers count them.
        multiply_adds: Of a picture: at most, where regions are looked at.
        arena: Bytes of the program's memory for values.
        weights: Bytes of its constants.
        ram: The arena with tables and variables.
        flash: The weights with the code.
    """

    parameters: int
    multiply_adds: int
    arena: int
    weights: int
    ram: int
    flash: int


def needs(
    name: str,
    size: Size | None = None,
    width: float = 1.0,
    *,
    classes: int | None = None,
    bits: int = 8,
    target: str = TARGET,
) -> Needs:
    """Plan a network that is not trained yet as C.

    Args:
        name: Of a network in MODELS.
        size: Of its input; None: the paper's.
        width: Multiplies every layer's channels.
        classes: How many it tells apart; None: as many as in the paper.
        bits: 8, or 32 for floats.
        target: The machine for which code is measured.

    Raises:
        TatamiError: For a name that there is not, and a size or width that the network refuses.
    """
    from tatami.pipeline.summary import summary

    counted = summary(name, size=size, width=width, classes=classes)
    task, programs = lowered_model(name, size, width, classes=classes, bits=bits)
    backend = backend_named("c")
    options = backend.options(target=target, weights="binary")
    plan = backend.plan(programs, "network", options, task)
    needed = {need.name: need.amount for need in
              backend.footprint(plan, backend.emit(plan)).needs}  # fmt: skip
    return Needs(
        sum(part.learned or part.total.parameters for part in counted.parts),
        counted.multiply_adds,
        sum(one.memory for one in plan.networks.values()),
        sum(one.weights for one in plan.networks.values()),
        needed["RAM"],
        needed["flash"],
    )


def lowered_model(
    name: str,
    size: Size | None = None,
    width: float = 1.0,
    *,
    classes: int | None = None,
    bits: int = 8,
) -> tuple[Task[Any, Any, Any], dict[str, Program]]:
    """Lower a network that is not trained yet.

    Args:
        name: Of a network in MODELS.
        size: Of its input; None: the paper's.
        width: Multiplies every layer's channels.
        classes: How many it tells apart; None: as many as in the paper.
        bits: 8, or 32 for floats.

    Returns:
        Its task, and its programs by part.

    Raises:
        TatamiError: For a name that there is not, and a size or width that the network refuses.
    """
    model = model_named(name)
    task = task_named(model.task)
    spec = model.spec([f"class {index}" for index in range(classes or model.classes)], size)
    structure = task.structure(spec)
    module = model.build(spec, width)
    module.eval()
    with tempfile.TemporaryDirectory(prefix="tatami-") as folder:
        file = Path(folder) / NETWORK
        structure.export(module, spec, file.parent)
        del module
        parts = structure.parts(graph.read(file), file)
        folded = [fold(part.network)[0] for part in parts]
        if bits == 32:
            return task, {
                part.name: lower(network) for part, network in zip(parts, folded, strict=True)
            }
        observed = [_same_for_all(network) for network in folded]
        shared = structure.shared(folded, observed, "minmax")
        programs = {
            part.name: lower(
                quantize(network, seen, method="minmax", bias_correction=False, shared=shared)
            )
            for part, network, seen in zip(parts, folded, observed, strict=True)
        }
    return task, programs


def _same_for_all(network: Network) -> dict[str, Observation]:
    """Give every value of a network the range -1 to 1."""
    values = [*network.graph.inputs, *(out for node in network.graph for out in node.outputs)]
    found = {}
    for value in values:
        shape = shape_of(value)
        channels = shape[1] if len(shape) > 1 else 1
        counts = np.ones(BINS, np.int64)
        found[str(value.name)] = Observation(-1.0, 1.0, counts, np.zeros(channels))
    return found
