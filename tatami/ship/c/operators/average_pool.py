"""Average pool in C: kernels/float32/average_pool.c, int8/average_pool.c and _whole.c."""

from __future__ import annotations

from tatami.program.steps import AveragePool, Program, QuantizedAveragePool, WholeAveragePool
from tatami.ship.c.operator import (
    Decision,
    Options,
    Places,
    quantization_of,
    structure,
    window_rows,
)

Pool = AveragePool | QuantizedAveragePool | WholeAveragePool


def decide(program: Program, step: Pool, options: Options) -> Decision:
    """Ask for the kernel; for bytes, with sums of a place for each thread, an int32 a channel."""
    if isinstance(step, AveragePool):
        return Decision(kernels=("window", "float32/average_pool"))
    sums = 4 * program.values[step.output].shape[0]
    if isinstance(step, WholeAveragePool):
        return Decision(kernels=("window", "int8/average_pool_whole"), scratch=sums)
    return Decision(
        kernels=("window", "int8/average_pool"),
        scratch=sums * options.threads,
        constants={"multiplier": step.multiplier},
    )


def emit(program: Program, step: Pool, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    window = structure("net_window", window_rows(step.window, source.shape, result.shape))
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    if isinstance(step, AveragePool):
        return f"net_average_pool({window},\n        {int(step.count_padding)}, {ends});"
    if isinstance(step, WholeAveragePool):
        return f"net_average_pool_whole({window},\n        (int32_t *){places.scratch}, {ends});"
    return (
        f"net_average_pool_u8({window},\n"
        f"        {int(step.count_padding)}, {places.constants['multiplier']}, {step.shift},\n"
        f"        {quantization_of(source).zero_point}, {quantization_of(result).zero_point},\n"
        f"        (int32_t *){places.scratch}, {ends});"
    )
