"""Max pool in C, of float32 or of bytes: kernels/float32/max_pool.c, kernels/int8/max_pool.c."""

from __future__ import annotations

from tatami.program.steps import MaxPool, Program
from tatami.ship.c.operator import Decision, Options, Places, structure, window_rows


def decide(program: Program, step: MaxPool, options: Options) -> Decision:
    """Ask for the kernel alone."""
    kind = "float32" if program.values[step.output].quantization is None else "int8"
    return Decision(kernels=("window", f"{kind}/max_pool"))


def emit(program: Program, step: MaxPool, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    window = structure("net_window", window_rows(step.window, source.shape, result.shape))
    name = "net_max_pool" if result.quantization is None else "net_max_pool_u8"
    return (
        f"{name}({window},\n        {places.values[step.inputs[0]]}, {places.values[step.output]});"
    )
