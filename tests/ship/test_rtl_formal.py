"""Proofs of the Verilog by yosys' SAT: every claim holds, and of a mutant it is refuted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tatami.ship.rtl.core import MODULES
from tatami.ship.rtl.yosys import Ran, has_yosys, run

pytestmark = pytest.mark.skipif(not has_yosys(), reason="needs pyosys")

STATEMENTS = Path(__file__).parent / "rtl_formal"
PROVED = "SAT proof finished - no model found: SUCCESS!"
REFUTED = "SAT proof finished - model found: FAIL!"


@dataclass(frozen=True)
class Claim:
    """A module full of ``assert``.

    Args:
        top: Its name, and its file's.
        modules: What it is about.
        parameters: Of the top; it is proved for each.
        how: Options of yosys' ``sat``.
    """

    top: str
    modules: tuple[str, ...]
    parameters: Sequence[Mapping[str, int]] = ({},)
    how: str = ""

    def passes(self, folder: Path) -> list[str]:
        """What yosys must run, with the modules that lie in a folder."""
        files = [STATEMENTS / f"{self.top}.sv", *(folder / f"{name}.v" for name in self.modules)]
        passes = [f"read_verilog -formal -sv {' '.join(map(str, files))}", "design -save read"]
        for parameters in self.parameters:
            chosen = "".join(f" -chparam {name} {value}" for name, value in parameters.items())
            passes += ["design -load read", f"hierarchy -check -top {self.top}{chosen}"]
            passes += ["proc", "flatten", "memory", "opt", "chformal -lower", "opt"]
            passes += [f"sat -prove-asserts -set-assumes {self.how} -verify"]
        return passes


def prove(claim: Claim, folder: Path = MODULES) -> Ran:
    return run(claim.passes(folder))


ROUND = ("shift_and_hold", "round_and_clamp")
UNIT = ("requantize", "optional_register", *ROUND)
SHIFTS = range(1, 63)
BYTES = (0, 1, 127, 128, 255)
QUICK = {
    "every shift": Claim("round_proof", ROUND, [{"SHIFT": shift} for shift in SHIFTS]),
    "registers": Claim("requantize_proof", UNIT, how="-seq 4 -prove-skip 3"),
    "order of bytes": Claim("order_proof", ROUND, [{"SHIFT": shift} for shift in (1, 31, 62)]),
    "order of sums": Claim("sum_order_proof", (), [{"S": 4, "M": 4}]),
    "25 by 18 bits": Claim(
        "pack_proof", ("packed_product",), [{"MODE": 25, "X": 255}], "-seq 2 -prove-skip 1"
    ),
    "18 by 18 bits": Claim(
        "pack_proof", ("packed_product",), [{"MODE": 18, "X": 255}], "-seq 2 -prove-skip 1"
    ),
}
SLOW = {
    "narrow sums": Claim("round_proof", ROUND, [{"SHIFT": s, "P": 49} for s in SHIFTS]),
    "five registers": Claim(
        "requantize_proof", UNIT, [{"REGISTERS": 5, "A": 3}], "-seq 6 -prove-skip 5"
    ),
    "order of bytes": Claim("order_proof", ROUND, [{"SHIFT": shift} for shift in SHIFTS]),
    "order of sums": Claim("sum_order_proof", (), [{"S": 5, "M": 6}]),
    **{
        f"mode {mode}": Claim(
            "pack_proof",
            ("packed_product",),
            [{"MODE": mode, "X": x} for x in range(256)],
            "-seq 2 -prove-skip 1",
        )
        for mode in (0, 18, 25)
    },
}


def check(claim: Claim) -> None:
    ran = prove(claim)
    assert ran.finished, ran.log[-3000:]
    assert ran.log.count(PROVED) == len(claim.parameters)


@pytest.mark.parametrize("name", QUICK)
def test_proved(name: str) -> None:
    check(QUICK[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_proved_in_full(name: str) -> None:
    check(SLOW[name])


ANY = Claim("round_proof", ROUND, [{"SHIFT": 37}])
WIRED = QUICK["registers"]
PACKED = QUICK["25 by 18 bits"]
OVER = QUICK["18 by 18 bits"]
ORDERED = Claim("order_proof", ROUND, [{"SHIFT": 31}])
MUTANTS = [
    # a shift too many; no rounding; half away from zero; held one bit too early; the wrong bound
    (ANY, "shift_and_hold", "(shift - 6'd1)", "shift"),
    (ANY, "round_and_clamp", "{9'b0, held[0]}", "10'b0"),
    (ANY, "round_and_clamp", "{9'b0, held[0]}", "{9'b0, held[0] && !held[9]}"),
    (ANY, "shift_and_hold", "whole[P-1:9] == {(P-9)", "whole[P-1:10] == {(P-10)"),
    (ANY, "round_and_clamp", "placed > $signed({3'b0, high}) ? high", "placed > 255 ? high"),
    (ANY, "shift_and_hold", "product >>>", "product >>"),
    # the factors changed over; a bit of the product lost; a shift of the result before
    (WIRED, "requantize", "m_neg : m_pos", "m_pos : m_neg"),
    (WIRED, "requantize", "{upper_2, 17'b0}", "{upper_2, 16'b0}"),
    (WIRED, "requantize", "product, shift_2, valid_2", "product, shift_1, valid_2"),
    # what p0 took from p1; the overlap
    (PACKED, "packed_product", "+ {15'b0, product[15]}", ""),
    (OVER, "packed_product", "{7{w1[6]}} & {x[0], 6'b0}", "7'b0"),
    (OVER, "packed_product", "+ {8'b0, clear[15]}", ""),
    # a byte that wraps is not in order
    (ORDERED, "shift_and_hold", "fits ? whole[9:0]", "1'b1 ? whole[9:0]"),
]


@pytest.mark.parametrize("number", range(len(MUTANTS)))
def test_refuted(number: int, tmp_path: Path) -> None:
    claim, module, old, new = MUTANTS[number]
    for name in claim.modules:
        text = (MODULES / f"{name}.v").read_text("utf-8")
        if name == module:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / f"{name}.v").write_text(text, "utf-8")
    ran = prove(claim, tmp_path)
    assert not ran.finished
    assert REFUTED in ran.log, ran.log[-3000:]
