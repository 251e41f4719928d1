"""Max unpooling in C: kernels/float32/max_unpool.c, kernels/int8/max_unpool.c."""

from __future__ import annotations

from tatami.program.steps import MaxUnpool, Program
from tatami.ship.c.operator import Decision, Options, Places, structure, window_rows


def decide(program: Program, step: MaxUnpool, options: Options) -> Decision:
    """Ask for the kernel alone."""
    kind = "float32" if program.values[step.output].quantization is None else "int8"
    return Decision(kernels=("window", f"{kind}/max_unpool"))


def emit(program: Program, step: MaxUnpool, places: Places, options: Options) -> str:
    """Write the call of the kernel; the window is that of the pool, whose input the result is."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    window = structure("net_window", window_rows(step.window, result.shape, source.shape))
    samples, taps = (places.values[name] for name in step.inputs)
    ends = f"{samples}, {taps}, {places.values[step.output]}"
    if result.quantization is None:
        return f"net_max_unpool({window},\n        {ends});"
    return f"net_max_unpool_u8({window},\n        {result.quantization.zero_point}, {ends});"
