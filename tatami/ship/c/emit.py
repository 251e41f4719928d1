"""A program as C: the header and the source of a network, and the files around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tatami.errors import TatamiError
from tatami.program.steps import Apply, Convolution, Program, Step, parameters
from tatami.ship.backend import (
    Files,
    Plan,
    PlannedNetwork,
    Programs,
    Row,
    Shipped,
    Streamed,
)
from tatami.ship.c import states
from tatami.ship.c.files import (
    DESCRIPTION,
    PROOF,
    PROVING,
    alone,
    arrays,
    blob,
    declaration,
    description,
    makefile,
    part_file,
    proof,
)
from tatami.ship.c.general import elementwise
from tatami.ship.c.layout import Addresses, Layout, lay_out
from tatami.ship.c.names import check_name
from tatami.ship.c.operator import DEFAULT, Options, c_type, count
from tatami.ship.c.operators import table as operators
from tatami.ship.c.targets import TARGETS, Target, target_of
from tatami.ship.c.tasks.base import Macro, StructureInC, TaskInC
from tatami.ship.c.text import (
    banner,
    beginning,
    c_string,
    filled,
    in_comment,
    kernel,
    renamed,
    text,
)

ARRAY_LIMIT = 2 * 2**20
"""Bytes of weights up to which ``auto`` writes them as C arrays; see docs/decisions."""

MANY = 2**10
"""Samples from which a loop is worth being compiled for every instruction set."""

_FIRST = ("variant", "threads", "exponential")
"""Kernels that every program has."""
_VARIANTS = frozenset(name for target in TARGETS.values() for name in target.variants)


@dataclass(frozen=True)
class NetworkInC(PlannedNetwork):
    """Hold what becomes of one network in C.

    Args:
        layout: Where its values and constants lie.
        options: How it is written.
        task: What the task adds; None: the bare network, whose program has no spec.
    """

    layout: Layout
    options: Options
    task: TaskInC[Any] | None

    @property
    def as_array(self) -> bool:
        """Say whether its weights are C arrays."""
        fits = target_of(self.options.target).array or self.weights <= ARRAY_LIMIT
        weights = self.options.weights
        return weights == "array" or (weights == "auto" and fits)

    @property
    def weights_file(self) -> str:
        """Name the source that holds its weights."""
        return f"{self.name}_weights.{'c' if self.as_array else 'S'}"


PlanInC = Plan[NetworkInC, Options]


def plan_programs(
    programs: Programs, name: str, options: Options = DEFAULT, task: TaskInC[Any] | None = None
) -> PlanInC:
    """Say what becomes of programs in C.

    Args:
        programs: By part.
        name: Begins every C name and file name, as ``net`` does in kernels/.
        options: How they are written.
        task: What the task adds; None: bare networks.

    Raises:
        TatamiError: For a name that is not a C identifier or is taken by the C library, for a step
            without C, and for a network that C cannot serve as what its spec says.
    """
    check_name(name)
    spec = next((each.spec for each in programs.values() if each.spec is not None), None)
    structure = None if task is None or spec is None else task.structure(spec)
    if structure is not None:
        programs = structure.arranged(programs)
        bare = {
            part: plan_network(replace(program, spec=None), f"{name}_{part}", options)
            for part, program in programs.items()
        }
        # The spec stays with the program, which is what joins the networks.
        networks = {
            part: replace(network, program=programs[part]) for part, network in bare.items()
        }
        return Plan(name, networks, options, structure)
    if set(programs) != {""}:
        raise TatamiError(
            f"nothing joins the networks {', '.join(programs)}", hint="ship each by itself"
        )
    network = plan_network(programs[""], name, options, task)
    return Plan(name, {"": network}, options, network.task)


def plan_network(
    program: Program, name: str, options: Options = DEFAULT, task: TaskInC[Any] | None = None
) -> NetworkInC:
    """Say what becomes of one network; arguments and errors as of ``plan_programs``."""
    check_name(name)
    if task is None or program.spec is None:
        task, program = None, replace(program, spec=None)
    else:
        program = task.arranged(program, program.spec)
        task.check(program, program.spec)
    layout = lay_out(program, options)
    rows = tuple(
        Row(
            step.name,
            type(step).__name__,
            step.output,
            program.values[step.output].shape,
            program.multiply_adds(step),
            parameters(step),
            layout.offsets[step.output],
        )
        for step in program.steps
    )
    plan = layout.plan
    return NetworkInC(
        name, program, rows, plan.size, plan.lower_bound, layout.constant_bytes,
        layout, options, task,
    )  # fmt: skip


def emit(
    program: Program, name: str, options: Options = DEFAULT, task: TaskInC[Any] | None = None
) -> Shipped:
    """Write one program as C, in memory; arguments and errors as of ``plan_programs``."""
    return emit_plan(plan_programs({"": program}, name, options, task))


def emit_plan(plan: PlanInC) -> Shipped:
    """Write the files of a plan."""
    if isinstance(plan.added, StructureInC):
        return _emit_joined(plan, plan.added)
    (network,) = plan.networks.values()
    example = None if network.task is None else f"{plan.name}_{network.task.name}"
    return Shipped(plan.name, Files(_network_files(network)), example)


def _emit_joined(plan: PlanInC, structure: StructureInC) -> Shipped:
    """Write bare networks, and what joins them."""
    example = f"{plan.name}_{structure.name}"
    files: dict[str, bytes | Streamed] = {}
    proofs: dict[str, bytes | Streamed] = {}
    for network in plan.networks.values():
        bare = replace(network, program=replace(network.program, spec=None))
        own = _network_files(bare)
        files |= {file: data for file, data in own.items() if file.startswith(network.name)}
        proofs |= {part_file(network.name, file): own[file] for file in PROVING}
    compiled = [file for file in sorted(files) if file.endswith((".c", ".S"))]
    texts = {
        **structure.files(plan),
        "Makefile": makefile(plan.name, example, [f"{plan.name}.c", *compiled], plan.options),
    }
    joined = {file: content.encode() for file, content in texts.items()}
    return Shipped(plan.name, Files({**files, **proofs, **joined}), example)


def _network_files(network: NetworkInC) -> dict[str, bytes | Streamed]:
    """Write the files of one network."""
    program, layout, name, task = network.program, network.layout, network.name, network.task
    target, weights = target_of(network.options.target), network.weights_file
    texts = {
        f"{name}.h": _header(network),
        f"{name}.c": _source(network),
        weights: arrays(layout, name, target) if network.as_array else kernel("weights.S", name),
        PROOF: alone(proof(program, name, None if task is None else task.proof()), name),
        DESCRIPTION: description(program, layout, name, network.options, network.rows),
    }
    if task is None:
        texts["Makefile"] = makefile(name, None, (f"{name}.c", weights), network.options)
    else:
        sources = (f"{name}.c", weights)
        texts["Makefile"] = makefile(name, f"{name}_{task.name}", sources, network.options)
        texts["main.c"] = alone(renamed(task.example(), name), name)
    encoded: dict[str, bytes | Streamed] = {
        file: content.encode() for file, content in texts.items()
    }
    if not network.as_array:
        encoded[f"{name}_weights.bin"] = blob(layout)
    return encoded


# The header --------------------------------------------------------------------------------------


def _header(network: NetworkInC) -> str:
    program, task = network.program, network.task
    arena = Macro("ARENA", network.memory, "bytes")
    if task is None or program.spec is None:
        macros, functions = [arena], _forward_alone(program)
    else:
        macros = [*task.macros(program, program.spec), arena]
        functions = filled(task.header().rstrip(), forward=_signature(network))
        functions += f"\n{task.frames(program.spec)}".rstrip()
    lines = "\n".join(macro.line() for macro in macros)
    functions += states.declared(program)
    head = filled(text("head.h"), constants=lines, functions=functions)
    return banner() + renamed(head, network.name)


def _forward_alone(program: Program) -> str:
    """Declare the one function of a network without rules for pictures."""
    lines = ["/* Run the network. Every value lies as (rows, columns, channels)."]
    for ends, kind in ((program.inputs, "in"), (program.outputs, "out")):
        for index, value in enumerate(ends):
            lines.append(f" * {kind}{index}: {in_comment(value)}, {_described(program, value)}")
    lines[-1] += "."
    lines.append(" * Not reentrant: one static arena of NET_ARENA bytes serves all calls. */")
    return "\n".join([*lines, _bare_signature(program) + ";"])


def _described(program: Program, name: str) -> str:
    value = program.values[name]
    channels, rows, columns = value.shape
    said = f"{c_type(value)} [{rows}][{columns}][{channels}]"
    if value.quantization is not None:
        said += f" = {value.quantization.scale:.9g} * (byte - {value.quantization.zero_point})"
    return said


def _bare_signature(program: Program) -> str:
    inputs = [f"const {c_type(program.values[v])} *in{i}" for i, v in enumerate(program.inputs)]
    outputs = [f"{c_type(program.values[v])} *out{i}" for i, v in enumerate(program.outputs)]
    return f"void net_forward({', '.join(inputs + outputs)})"


def _signature(network: NetworkInC) -> str:
    if network.task is None:
        return _bare_signature(network.program)
    maps = ", ".join(f"NET_OUTPUT *{name}" for name in network.task.results(network.program))
    return f"void net_forward(const NET_INPUT *images, {maps})"


# The source --------------------------------------------------------------------------------------


def _source(network: NetworkInC) -> str:
    program, layout, name, task = network.program, network.layout, network.name, network.task
    target = target_of(network.options.target)
    spec = program.spec
    needed = (*_FIRST, *(kernel for one in layout.decisions for kernel in one.kernels))
    if task is not None:
        needed = (*needed, *task.kernels(spec))
    kernels = [each for each in dict.fromkeys(needed) if _wanted(each, target)]
    addresses = Addresses(program, layout, network.as_array)
    parts = [
        banner() + renamed(beginning(network.options, target), name),
        renamed(_data(network), name),
    ]
    if task is not None:
        # What the user named is put in as it is.
        classes = ",\n    ".join(c_string(each) for each in task.names(spec))
        if classes:
            names = f"{name}_class_names[{name.upper()}_CLASSES]"
            parts.append(f"const char *const {names} = {{\n    {classes},\n}};\n")
        made = task.input_rules(program, spec, addresses.values)
        rules = task.rules(program, spec, addresses.values)
        parts.append(renamed(f"{made}\n{rules}", name) + "\n")
    parts += [kernel(f"{each}.c", name) for each in kernels]
    parts += [_run(network, addresses), renamed(_forward(network, addresses), name)]
    if task is not None and spec is not None:
        parts += [kernel(file, name) for file in task.input_files(spec)]
        parts += [renamed(each, name) for each in task.source(spec)]
    return "\n".join(parts)


def _wanted(kernel: str, target: Target) -> bool:
    """Say whether a file of kernels/ is of use: only where its processor may be."""
    variant = kernel.rpartition("_")[2]
    return variant not in _VARIANTS or variant in target.variants


def _data(network: NetworkInC) -> str:
    """Declare the weights, which lie in a file of their own, and the arena."""
    if network.as_array:
        constants = network.layout.constants
        weights = "\n".join(f"{declaration(constant)};" for constant in constants)
    else:
        weights = f"extern const unsigned char net_weights[{max(1, network.weights)}];"
    return f"""{weights}

/* All values and scratch, where the plan by lifetime puts them. */
#ifndef NET_ARENA_ATTRIBUTE
#define NET_ARENA_ATTRIBUTE
#endif
NET_ALIGNED NET_ARENA_ATTRIBUTE static uint8_t net_arena[{max(1, network.memory)}];
"""


def _run(network: NetworkInC, addresses: Addresses) -> str:
    """Write the function that runs the steps: each a comment, a call, and the hook of the proof.

    It gives 0; where something beside the processor computes steps and fails, another number.
    """
    program, name = network.program, network.name
    lines = [
        "static int net_run(void)",
        "{",
        "    if (net_variant == NET_UNKNOWN) net_kernels(NULL);",
        "    NET_BARRIER();",
    ]
    lines += states.begun(program)
    lines = [renamed(line, name) for line in lines]
    steps: list[str] = []
    apart: list[str] = []
    for index, step in enumerate(program.steps):
        call = operators.emit(program, step, addresses.of_step(index), network.options)
        if _is_long_loop(program, step, network.layout.decisions[index].kernels):
            begin = f"NET_ALWAYS_INLINE void net_step{index}_body(void)\n{{\n    "
            end = f"\n}}\n\nNET_IN_VARIANTS(net_step{index}, (void), ())\n"
            apart.append(renamed(begin + call + end, name))
            call = f"net_step{index}();"
        value = addresses.values[step.output]
        after = f"NET_BARRIER();\n    NET_TRACE({index}, {value}, {_bytes(program, step.output)});"
        steps += [
            f"    /* {index}. {_comment(program, step)} */",
            "    " + renamed(call, name),
            "    " + renamed(after, name),
        ]
    lines += [*steps, *(renamed(line, name) for line in states.kept(program, addresses.values))]
    reset = renamed(states.defined(program, addresses.values), name)
    return "\n".join([reset, *apart, *lines, "    return 0;", "}", ""])


def _is_long_loop(program: Program, step: Step, kernels: Sequence[str]) -> bool:
    """Say whether a step is a loop of its own over samples, no call of a kernel, and a long one."""
    if not isinstance(step, Apply):
        return False
    if step.node.op_type == "MatMul":
        return not kernels and step.products >= MANY
    known = step.node.op_type in (*elementwise.ROWS, "Where")
    return known and count(program.values[step.output].shape) >= MANY


def _forward(network: NetworkInC, addresses: Addresses) -> str:
    """Write net_forward: from the caller's memory to the arena, and back."""
    program = network.program
    inputs: Mapping[str, str]
    if network.task is not None:
        inputs, outputs = {"images": program.inputs[0]}, network.task.results(program)
    else:
        inputs = {f"in{i}": name for i, name in enumerate(program.inputs)}
        outputs = {f"out{i}": name for i, name in enumerate(program.outputs)}
    copies = [
        f"    memcpy({addresses.values[value]}, {parameter}, {_bytes(program, value)});"
        for parameter, value in inputs.items()
    ]
    results = [
        f"    memcpy({parameter}, {addresses.values[value]}, {_bytes(program, value)});"
        for parameter, value in outputs.items()
    ]
    return "\n".join([_signature(network), "{", *copies, "    net_run();", *results, "}", ""])


def _comment(program: Program, step: Step) -> str:
    """Describe a step: ``conv1: Conv 3x416x416 -> 16x416x416, 3x3, 74.8 M multiply-adds``."""
    shapes = [program.values[name].shape for name in (*step.inputs, step.output)]
    *sources, result = ["x".join(map(str, shape)) for shape in shapes]
    said = f"{step.name}: {type(step).__name__} {', '.join(sources)} -> {result}"
    if isinstance(step, Convolution):
        said += f", {step.weights.shape[2]}x{step.weights.shape[3]}"
        said += f", {program.multiply_adds(step) / 1e6:.4g} M multiply-adds"
    return in_comment(said)


def _bytes(program: Program, name: str) -> str:
    """Write the size of a value as C: ``3 * 32 * 64 * sizeof(float)`` as a size_t."""
    value = program.values[name]
    return f"{count(value.shape)} * sizeof({c_type(value)})"
