"""What a network takes of an engine in Verilog, without simulating it: cycles, bytes, frames."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from tatami import graph
from tatami.errors import TatamiError
from tatami.models.table import MODELS
from tatami.pipeline.artifact import Source, onnx_of, path_of
from tatami.pipeline.needs import lowered_model
from tatami.pipeline.ship import integers_of
from tatami.program.lower import lower as lower_network
from tatami.program.steps import Program
from tatami.see.html import result_html
from tatami.ship.rtl.backend import CLOCK
from tatami.ship.rtl.core import core_of
from tatami.ship.rtl.fit import Fit
from tatami.ship.rtl.fit import fit as fit_device
from tatami.ship.rtl.lower import lower
from tatami.ship.rtl.model import FrameTime, frame_time
from tatami.ship.rtl.strips import lower_to_fit
from tatami.train.run import SETTINGS
from tatami.types import Size
from tatami.types.table import Table, numbers, words


@dataclass(frozen=True)
class EngineSummary:
    """Say how long a frame takes on an engine, and what it moves.

    Args:
        network: What was asked for.
        time: What the counters of a frame will say.
        ahead: The same where the picture of the next frame comes in meanwhile; None: it has no
            time to.
        fit: What the engine takes of a device, where it was chosen for one.
    """

    network: str
    time: FrameTime
    ahead: FrameTime | None
    fit: Fit | None = None

    def to_json(self) -> dict[str, Any]:
        """Give all as plain values."""
        ahead = None if self.ahead is None else self.ahead.to_json()
        fit = {} if self.fit is None else {"fit": self.fit.to_json()}
        return {"network": self.network, **self.time.to_json(), "ahead": ahead, **fit}

    def tables(self) -> list[Table]:
        """Lay out a row a layer."""
        time = self.time
        columns = (
            words("layer", flexible=True),
            words("step"),
            *numbers("cycles", "used %", "waits", "DDR bytes", "bytes a cycle"),
        )
        rows = tuple(
            (
                one.name, one.operator, f"{one.cycles:,}",
                f"{100 * one.utilization(time.core):.2f}" if one.products else "",
                f"{one.weights + one.out:,}", f"{one.bytes:,}", f"{one.bytes / one.cycles:.2f}",
            )
            for one in time.layers
        )  # fmt: skip
        total = (
            "all", "", f"{time.cycles:,}", f"{100 * time.utilization:.2f}",
            f"{time.weights + time.maps + time.out:,}", f"{time.bytes:,}",
            f"{time.bytes / time.cycles:.2f}",
        )  # fmt: skip
        return [Table(columns, rows, total=total)]

    def lines(self) -> list[str]:
        """Say the sums in words."""
        lines = [f"engine {self.time.core}", *self.time.lines(CLOCK)]
        if self.fit is not None:
            lines.append(f"on {self.fit.device}: {self.fit.line()}")
        if self.ahead is not None:
            used = self.ahead.products / self.ahead.core.products / self.ahead.cycles
            lines.append(
                f"{self.ahead.cycles:,} cycles where the next picture comes in meanwhile, of whose "
                f"products {100 * used:.2f} % are used: {self.ahead.rate(CLOCK):.1f} a second"
            )
        return lines

    def _repr_html_(self) -> str:
        """Show the table and lines in a notebook."""
        return result_html(self.tables(), self.lines())


def engine_summary(
    network: Source,
    rtl: str = "",
    *,
    fit: str = "",
    size: Size | None = None,
    width: float | None = None,
) -> EngineSummary:
    """Count the cycles of a frame on an engine, and the bytes that it moves, layer by layer.

    Args:
        network: A model's name, which is quantized without having been trained; a quantized ONNX
            file; or a run folder, of which the network in 8 bits is taken.
        rtl: The engine's parameters, as "LANES=16". With MAP, in strips where whole maps need more.
        fit: A device, as "zynq-7020", for which the parameters are chosen instead.
        size: For a model's name, of the input; None: the paper's.
        width: For a model's name, multiplies every layer's channels; None: 1.

    Raises:
        TatamiError: For a network that is not in 8 bits, or that the engine cannot do, and for a
            device that holds no engine for it.
    """
    if rtl and fit:
        raise TatamiError(
            "a device chooses the engine's parameters", hint="leave one out", setting="fit"
        )
    core = core_of(rtl)
    program = _program(network, size, width)
    if fit:
        found = fit_device(fit, program)
        return EngineSummary(str(network), found.time, None, found)
    if core.map:
        return EngineSummary(str(network), frame_time(lower_to_fit(program, core)), None)
    lowered = lower(program, core)
    ahead = None
    with contextlib.suppress(TatamiError):  # a small network, whose picture is most of its time
        ahead = frame_time(lower(program, lowered.core, ahead=True))
    return EngineSummary(str(network), frame_time(lowered), ahead)


def _program(network: Source, size: Size | None, width: float | None) -> Program:
    if isinstance(network, str) and network in MODELS:
        _, programs = lowered_model(network, size, 1.0 if width is None else width)
        if len(programs) > 1:
            raise TatamiError(
                "the engine runs one network", hint="name a detector in one stage", setting="rtl"
            )
        return next(iter(programs.values()))
    for setting, value in (("size", size), ("width", width)):
        if value is not None:
            raise TatamiError(
                "it is for a model's name: a quantized file has its own",
                hint="leave it out",
                setting=setting,
            )
    path = path_of(network)
    if (path / SETTINGS).is_file():
        path = integers_of(path)
    return lower_network(graph.read(onnx_of(path)))
