"""Which engine fits a device, and what binds where none does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.program.lower import lower as program_of
from tatami.program.steps import Program
from tatami.ship.rtl.core import Core
from tatami.ship.rtl.fit import DEVICES, SHARE, XC7, Needs, fit, needs
from tatami.ship.rtl.lower import lower
from tatami.ship.rtl.model import frame_time
from tatami.types import Size


@pytest.fixture
def program(
    tmp_path: Path,
    small_detector: Callable[..., Network],
    small_spec: Callable[..., Any],
    quantized: Callable[[Network], Network],
) -> Callable[[Size], Program]:
    """``program(size)``: the small detector in 8 bits."""
    return lambda size: program_of(
        quantized(small_detector(tmp_path / "n.onnx", small_spec(size), spread=0.3))
    )


def test_what_yosys_counted() -> None:
    """Engines of 144 and 288 products, synthesized whole: test_rtl_synthesis.py has the first."""
    small = Core(lanes=4, bus=4, acc=24, map=1024, ring=9)
    assert needs(small, XC7) == Needs(84, 57, 12_322)
    found = needs(Core(lanes=8, bus=8, acc=26, map=10_240, ring=9), XC7)
    assert (found.multipliers, found.blocks) == (164, 2 * 129)
    assert abs(found.luts - 17_558) < 100


def test_the_fastest_that_fits(program: Callable[[Size], Program]) -> None:
    small = program(Size(64, 32))
    found = fit("zynq-7020", small)
    device = DEVICES["zynq-7020"]
    assert found.core.products == 288  # 576 take 288 multipliers for themselves alone
    assert found.needs == needs(found.core, device.family)
    assert found.needs.multipliers <= device.multipliers
    assert found.needs.blocks <= device.blocks
    assert found.needs.luts <= SHARE * device.luts
    assert found.time == frame_time(found.lowered)
    assert found.rate == pytest.approx(150e6 / found.time.cycles)
    assert found.to_json()["parameters"] == found.core.verilog
    assert fit("kria-k26", small).core.products > found.core.products


def test_strips_where_the_maps_do_not_fit(program: Callable[[Size], Program]) -> None:
    large = program(Size(640, 480))
    found = fit("zynq-7020", large)
    assert lower(large, replace(found.core, map=0)).map_words > found.core.map
    assert found.needs.blocks <= 280


def test_what_binds(program: Callable[[Size], Program], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TatamiError, match="no device is called 'zynq'") as unknown:
        fit("zynq", program(Size(64, 32)))
    assert "kria-k26" in unknown.value.hint
    few = replace(DEVICES["ecp5-85"], multipliers=95)
    monkeypatch.setitem(DEVICES, "few", few)
    with pytest.raises(TatamiError, match=r"multipliers: LANES=4.* takes 96, LFE5U-85F has 95"):
        fit("few", program(Size(64, 32)))
    tiny = replace(DEVICES["zynq-7020"], blocks=40)
    monkeypatch.setitem(DEVICES, "tiny", tiny)
    with pytest.raises(TatamiError, match=r"memory blocks: .* words a bank .* room for 0"):
        fit("tiny", program(Size(64, 32)))
