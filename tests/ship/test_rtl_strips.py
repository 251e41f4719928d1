"""Strips: a map memory that is too small for the first maps gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
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
from tatami.ship.rtl.core import LARGEST_MAP, core_with
from tatami.ship.rtl.engine import Engine
from tatami.ship.rtl.lower import Lowered, lower
from tatami.ship.rtl.model import frame_time
from tatami.ship.rtl.simulate import QUICK, Bench, has_verilator
from tatami.ship.rtl.strips import lower_to_fit, lower_twice
from tatami.types import Size
from tests.ship.rtl_random import KINDS, random_program, yolov2_tiny

pytestmark = pytest.mark.skipif(not has_verilator(), reason="needs Verilator and a C++ compiler")
ENGINE = core_with({"lanes": 4, "map": 8192, "ring": 11, "acc": 32})
"""That of test_rtl.py. Programs are lowered for one with fewer words, of which it has enough."""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(ENGINE, level=QUICK) as made:
        yield made


@pytest.fixture
def program(
    tmp_path: Path,
    small_detector: Callable[..., Network],
    small_spec: Callable[..., Any],
    quantized: Callable[[Network], Network],
) -> Program:
    detector = small_detector(tmp_path / "n.onnx", small_spec(Size(72, 88)), spread=0.3)
    return program_of(quantized(detector))


def loads_of(lowered: Lowered) -> list[Load]:
    return [command for command in lowered.commands if isinstance(command, Load)]


@pytest.mark.parametrize("words", [600, 350])
def test_strips_give_the_same(program: Program, bench: Bench, words: int) -> None:
    """With half of the memory or a third, and any stall; every layer's bytes, too."""
    whole = lower(program, ENGINE)
    assert whole.map_words == 1080
    lowered, trace = lower_twice(program, replace(ENGINE, map=words))
    assert max(lowered.map_words, trace.map_words) <= words
    assert len(loads_of(lowered)) > 2
    assert sum(load.rows for load in loads_of(lowered)) > 88  # some come twice
    shape = program.values[program.inputs[0]].shape
    given = np.random.default_rng(7).integers(0, 256, shape, np.uint8)
    expected = interpret.values(program, [given])
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
    values, _ = Engine(trace, bench).made([given], stall=100)
    assert {*values} == {*trace.made}
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_random_programs_in_strips(bench: Bench) -> None:
    """First layers of every kind, in two thirds of the memory; every value that is written."""
    done = 0
    for seed in range(800):
        program, inputs = random_program(seed, [*KINDS][seed % len(KINDS)], more=4)
        try:
            whole = lower(program, ENGINE)
            words = 2 * whole.map_words // 3
            lowered = lower_to_fit(program, replace(ENGINE, map=words), observe=True)
        except TatamiError as error:
            if "strips" not in error.reason and "lie in different ways" not in error.reason:
                raise
            continue
        assert len(loads_of(lowered)) > 1
        assert lowered.map_words <= words
        found, _ = Engine(lowered, bench).values(inputs, stall=100 * (seed % 3), seed=seed)
        expected = interpret.values(lowered.program, inputs)
        assert {*program.outputs} <= {*found}
        for name, value in found.items():
            np.testing.assert_array_equal(value, expected[name], err_msg=f"{seed} {name}")
        done += 1
    assert done > 40


@pytest.mark.slow
def test_a_whole_frame(bench: Bench) -> None:
    """YOLOv2-tiny at 352x288 on 144 multipliers, its first layers in strips."""
    rng = np.random.default_rng(0)
    program = yolov2_tiny(rng, (288, 352))
    lowered = lower_to_fit(program, ENGINE)
    assert len(loads_of(lowered)) > 1
    picture = rng.integers(0, 256, (3, 288, 352)).astype(np.uint8)
    found, counters = Engine(lowered, bench).values([picture])
    time = frame_time(lowered)
    assert counters.cycles - counters.maps == time.cycles - time.maps
    assert time.bytes < 1.15 * (4 * 352 * 288 + 15_771_592 + 4 * 40 * 99)
    (output,) = program.outputs
    np.testing.assert_array_equal(found[output], interpret.values(program, [picture])[output])


def test_whole_where_it_fits_and_refused_where_nothing_does(
    program: Program, tmp_path: Path, small_detector: Any, small_spec: Any, quantized: Any
) -> None:
    whole = lower(program, ENGINE)
    for words in (0, whole.map_words):
        core = replace(ENGINE, map=words)
        assert lower_to_fit(program, core).commands == lower(program, core).commands
    with pytest.raises(TatamiError, match="and no strips of the first 4 layers fit"):
        lower_to_fit(program, replace(ENGINE, map=60))
    large = small_detector(tmp_path / "large.onnx", small_spec(Size(816, 656)), spread=0.3)
    lowered = lower_to_fit(program_of(quantized(large)), core_with({"lanes": 8}))
    assert lowered.core.map == LARGEST_MAP >= lowered.map_words  # more, no address reaches
    assert len(loads_of(lowered)) > 1
