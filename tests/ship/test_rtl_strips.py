"""Strips: a map memory that is too small for the first maps gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.program import interpret
from tatami.program.lower import lower as program_of
from tatami.program.steps import Program
from tatami.ship.rtl.commands import Load
from tatami.ship.rtl.core import core_with
from tatami.ship.rtl.engine import Engine
from tatami.ship.rtl.lower import lower
from tatami.ship.rtl.model import frame_time
from tatami.ship.rtl.simulate import Bench
from tatami.ship.rtl.strips import lower_in_strips
from tatami.ship.rtl.yosys import has_yosys
from tatami.types import Size

SMALL = {"lanes": 4, "bus": 4, "rq": 4, "ring": 9}


@pytest.fixture
def program(
    tmp_path: Path,
    small_detector: Callable[..., Network],
    small_spec: Callable[..., Any],
    quantized: Callable[[Network], Network],
) -> Program:
    detector = small_detector(tmp_path / "n.onnx", small_spec(Size(72, 88)), spread=0.3)
    return program_of(quantized(detector))


@pytest.mark.skipif(not has_yosys(), reason="needs the extra rtl")
@pytest.mark.parametrize("words", [600, 350])
def test_strips_give_the_same(program: Program, words: int) -> None:
    """With half of the memory or a third, and any stall."""
    whole = lower(program, core_with(SMALL))
    assert whole.map_words == 1080
    lowered = lower_in_strips(program, core_with({**SMALL, "map": words}))
    assert lowered.map_words <= words
    loads = [command for command in lowered.commands if isinstance(command, Load)]
    assert len(loads) > 2
    assert sum(load.rows for load in loads) > 88  # some come twice
    shape = program.values[program.inputs[0]].shape
    given = np.random.default_rng(7).integers(0, 256, shape, np.uint8)
    expected = interpret.values(program, [given])
    with Bench(lowered.core, level="-O0") as bench:
        engine = Engine(lowered, bench)
        for stall in (0, 300):
            values, counters = engine.made([given], stall=stall, seed=3)
            (output,) = program.outputs
            np.testing.assert_array_equal(values[output], expected[output])
            if stall == 0:
                time = frame_time(lowered)
                # what is loaded gives way to what a layer writes: that wait is no model's
                assert counters.maps >= time.maps
                assert counters.cycles - counters.maps == time.cycles - time.maps
                assert counters.run == time.run
                assert counters.bytes_in == time.read
                assert counters.bytes_constants == time.constants


def test_whole_where_it_fits_and_refused_where_nothing_does(program: Program) -> None:
    whole = lower(program, core_with(SMALL))
    core = core_with({**SMALL, "map": whole.map_words})
    assert lower_in_strips(program, core).commands == lower(program, core).commands
    with pytest.raises(TatamiError, match="and no strips of the first 4 layers fit"):
        lower_in_strips(program, core_with({**SMALL, "map": 60}))
