"""Which tap of a max pool's window won, in C: kernels/float32/max_tap.c, kernels/int8/max_tap.c."""

from __future__ import annotations

from tatami.program.steps import MaxTap, Program
from tatami.ship.c.operator import Decision, Options, Places, structure, window_rows


def decide(program: Program, step: MaxTap, options: Options) -> Decision:
    """Ask for the kernel alone."""
    kind = "float32" if program.values[step.inputs[0]].quantization is None else "int8"
    return Decision(kernels=("window", f"{kind}/max_tap"))


def emit(program: Program, step: MaxTap, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    window = structure("net_window", window_rows(step.window, source.shape, result.shape))
    name = "net_max_tap" if source.quantization is None else "net_max_tap_u8"
    return (
        f"{name}({window},\n        {places.values[step.inputs[0]]}, {places.values[step.output]});"
    )
