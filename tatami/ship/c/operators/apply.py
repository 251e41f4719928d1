"""An operator as ONNX defines it in C: the loops that ship/c/general writes."""

from __future__ import annotations

from dataclasses import replace

from tatami.errors import TatamiError
from tatami.graph.attributes import place
from tatami.program.steps import Apply, Program
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import general_of, indented
from tatami.ship.c.general.table import LOOPS
from tatami.ship.c.operator import Decision, Options, Places


def _loops_of(step: Apply) -> Loops:
    loops = LOOPS.get(step.node.op_type)
    if loops is None:
        raise TatamiError(
            f"{place(step.node)} has no C for its axes and kinds",
            hint="ship a network without it, or add a row to ship/c/general",
        )
    return loops


def decide(program: Program, step: Apply, options: Options) -> Decision:
    """Ask for what the operator's row names.

    Raises:
        TatamiError: For an operator without C, naming it.
    """
    loops, general = _loops_of(step), general_of(program, step)
    result = general.result
    rank = len(result.sides)
    # Only a value of as many bytes can give its place to the result.
    same = all(
        one.spread(rank).strides == result.spread(rank).strides and one.kind == result.kind
        for name, one in zip(step.inputs, general.operands.values(), strict=True)
        if program.values[name].bytes == program.values[step.output].bytes
    )
    kernels = loops.kernels(general) if callable(loops.kernels) else loops.kernels
    return Decision(
        kernels, loops.scratch(general), loops.in_place and same, loops.constants(general)
    )


def emit(program: Program, step: Apply, places: Places, options: Options) -> str:
    """Write the loops, in a block of their own."""
    tables = {key: f"({place})" for key, place in places.constants.items()}  # they are indexed
    general = replace(general_of(program, step), scratch=places.scratch, constants=tables)
    lines = [
        f"const {one.kind} *const {one.name} = {places.values[name]};"
        for one, name in zip(general.operands.values(), step.inputs, strict=True)
    ]
    loops = _loops_of(step)
    kept = "" if loops.in_place else "restrict "  # nothing else lies where it is written
    lines.append(f"{general.result.kind} *const {kept}y = {places.values[step.output]};")
    body = loops.emit(general)
    return "{\n    " + indented("\n".join([*lines, "", body])).replace("\n", "\n    ") + "\n    }"
