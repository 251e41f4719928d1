"""Proofs of what waits: FIFOs, bursts and the ring never over- or underrun, and order is kept.

A proof's statements are put into the module that they are about, and hold by induction: in every
state that follows the statements, not only in those that some steps from a reset reach. Of a mutant
a reset and a few steps show where it breaks one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tatami.ship.rtl.core import MODULES
from tatami.ship.rtl.yosys import Ran, has_yosys, run

pytestmark = pytest.mark.skipif(not has_yosys(), reason="needs pyosys")

STATEMENTS = Path(__file__).parent / "rtl_formal"
BROKEN = "SAT temporal induction proof finished - model found for base case: FAIL!"


@dataclass(frozen=True)
class Claim:
    """A module with statements inside.

    Args:
        parameters: Of the module: small.
        uses: Modules in it.
        steps: After which a mutant has failed.
    """

    parameters: Mapping[str, int]
    uses: tuple[str, ...] = ()
    steps: int = 12


CLAIMS = {
    "axi_blocks": Claim({"BUS": 4, "BURST": 4}, steps=8),
    "axi_fifo": Claim({"W": 2, "DEPTH": 2}),
    "axi_reader": Claim({"BUS": 4, "BURST": 4, "DEPTH": 2}, ("axi_blocks", "axi_fifo")),
    "axi_program": Claim({"BUS": 8}),
    "axi_read_port": Claim({"BUS": 4}, steps=20),
    "axi_write_port": Claim({"BUS": 4, "BURST": 4, "DEPTH": 2}, ("axi_blocks", "axi_fifo"), 14),
    "axi_registers": Claim({"COUNTERS": 1}, steps=6),
    "ring": Claim({"LANES": 1, "BUS": 18, "DEPTH": 1}, steps=8),
    "sequencer": Claim({"FIFO": 2}, ("walk", "thirds", "mod9"), 12),
}


def prove(name: str, folder: Path, change: tuple[str, str] = ("", "")) -> Ran:
    """Prove a module's statements; with a change of it, look for a trace that breaks one."""
    claim = CLAIMS[name]
    text = (MODULES / f"{name}.v").read_text("utf-8")
    old, new = change
    assert old in text
    text = text.replace(old, new, 1) if old else text
    statements = (STATEMENTS / f"{name}.sv").read_text("utf-8")
    (folder / f"{name}.sv").write_text(text.replace("endmodule", f"{statements}endmodule"), "utf-8")
    files = [folder / f"{name}.sv", *(MODULES / f"{use}.v" for use in claim.uses)]
    chosen = "".join(f" -chparam {key} {value}" for key, value in claim.parameters.items())
    how = f"-tempinduct-baseonly -maxsteps {claim.steps}" if old else "-tempinduct -maxsteps 3"
    return run(
        [
            f"read_verilog -formal -sv {' '.join(map(str, files))}",
            f"hierarchy -check -top {name}{chosen}",
            *("proc", "flatten", "memory", "opt_expr", "opt_clean"),
            *("async2sync", "chformal -lower", "opt_clean"),
            f"sat {how} -seq 1 -prove-asserts -set-assumes -verify",
        ]
    )


@pytest.mark.parametrize("name", CLAIMS)
def test_proved(name: str, tmp_path: Path) -> None:
    ran = prove(name, tmp_path)
    assert ran.finished, ran.log[-3000:]


MUTANTS = {
    "axi_blocks": [
        # 4 KiB; a burst's length; a block that goes on; the next block; the end
        ("{4'b0, capped} > page_beats ? page_beats[8:0] : capped", "capped"),
        ("left_beats > MOST ? MOST[8:0]", "left_beats > MOST + 1 ? MOST[8:0]"),
        ("left <= left - length", "left <= left"),
        ("begin_at <= begin_at + step", "begin_at <= at + step"),
        ("block_ends && more == 32'd0", "block_ends"),
    ],
    "axi_fifo": [
        ("visible <= pushed;", "visible <= push ? pushed + 1'b1 : pushed;"),
        ("out <= entries[next[DEPTH-1:0]]", "out <= entries[popped[DEPTH-1:0]]"),
    ],
    "axi_reader": [
        ("room_wide >= beats_wide", "room_wide != 0"),
        ("(taken ? beats_wide : {UP{1'b0}})", "{{(UP-1){1'b0}}, push}"),
    ],
    "axi_program": [
        # a wrapper's word to the core; a word twice; words of a transfer changed over; no bounds
        ("(state == HEAD && !ours)", "state == HEAD"),
        ("place == LAST[WD-1:0] ? {WD{1'b0}} : place + 1'b1", "{WD{1'b0}}"),
        ("left == 8'd2 : left == 8'd4) t_address", "left == 8'd1 : left == 8'd4) t_address"),
        ("t_bytes != 32'd0 && ", ""),
        ("(t_ready & kind) != 3'b000", "t_ready != 3'b000"),
    ],
    "axi_read_port": [
        ("!under_way[D] && ", ""),
        ("owner[asked[D-1:0]] <= chosen", "owner[answered[D-1:0]] <= chosen"),
        ("free = !asking || arready", "free = 1'b1"),
        ("rvalid && rlast", "rvalid"),
    ],
    "axi_write_port": [
        (" && whole", ""),
        (" && left == 9'd0 && !under_way", " && !under_way"),
        ("!telling && left", "left"),
        ("wlast = left == 9'd1", "wlast = left == 9'd2"),
        ("i_ready = !held[DEPTH]", "i_ready = 1'b1"),
    ],
    "axi_registers": [
        ("awvalid && wvalid && !bvalid", "awvalid && wvalid"),
        ("arvalid && !rvalid", "arvalid"),
        ("if (!busy) base_low", "base_low"),
        ("wdata[0] && !busy && !wdata[1]", "wdata[0] && !wdata[1]"),
        ("if (rready) rvalid", "rvalid"),
    ],
    "ring": [
        ("w_ready = !held[DEPTH]", "w_ready = 1'b1"),
        ("written <= filled;", "written <= filled + 1'b1;"),
        ("take && beat == B[BD-1:0]", "take"),
        ("rows[filled[DEPTH-1:0]] <= w_data", "rows[written[DEPTH-1:0]] <= w_data"),
    ],
    "sequencer": [
        ("room} >= {24'd0, results}", "room} != 32'd0"),
        ("+ {31'd0, popped}", "+ {31'd0, result_left}"),
    ],
}


def refuted(name: str, number: int, folder: Path) -> None:
    ran = prove(name, folder, MUTANTS[name][number])
    assert not ran.finished
    assert BROKEN in ran.log, ran.log[-3000:]


@pytest.mark.parametrize("name", MUTANTS)
def test_refuted(name: str, tmp_path: Path) -> None:
    refuted(name, -1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name in MUTANTS for number in range(len(MUTANTS[name]) - 1)],
)
def test_all_refuted(name: str, number: int, tmp_path: Path) -> None:
    refuted(name, number, tmp_path)
