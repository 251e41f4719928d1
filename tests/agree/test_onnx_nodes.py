"""The official node tests of ONNX: in NumPy and in C.

Every case of the installed package either passes or is refused by name; a wrong number fails. What
is refused, and why, is written in docs/operators.md, which this file writes anew when it is run as
a program (some minutes); tests hold the page to what happens.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.operators import OPERATORS
from tatami.graph.read import OPSETS
from tatami.program.lower import lower
from tatami.ship.c.emit import emit
from tatami.ship.c.run.network import CompiledNetwork

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operators.md"
TOLERANCE = 1e-5  # of float32 where a case asks for equality
NO_TENSOR = "takes or gives sequences, maps or optional values"
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """A case of ONNX's."""

    name: str
    operators: tuple[str, ...]
    model: onnx.ModelProto
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    rtol: float


@cache
def cases() -> dict[str, Case | None]:
    """Every case by name; None for one whose inputs or outputs are no arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the references of some operators overflow on purpose
        from onnx.backend.test.case.node import collect_testcases

        collected = collect_testcases(None)
    found: dict[str, Case | None] = {}
    for case in collected:
        given, expected = (
            [numpy_helper.to_array(e) if isinstance(e, onnx.TensorProto) else e for e in each]
            for each in case.data_sets[0]
        )
        names = tuple(sorted({node.op_type for node in case.model.graph.node} - {"Constant"}))
        if not all(isinstance(each, np.ndarray | np.generic) for each in (*given, *expected)):
            found[case.name] = None
            continue
        inputs, outputs = (tuple(np.asarray(e) for e in each) for each in (given, expected))
        found[case.name] = Case(case.name, names, case.model, inputs, outputs, case.rtol)
    return found


def ways(case: Case) -> Iterator[tuple[onnx.ModelProto, list[Array]]]:
    """Write a case as networks are: settings are constants, and what is computed is an input.

    ONNX gives every input of a node at run time. A network has the first as its input and the rest
    as constants, or all real numbers as inputs, or all of them.
    """
    kinds = [array.dtype.kind for array in case.inputs]
    first = [place == 0 for place in range(len(kinds))]
    real = [kind == "f" for kind in kinds]
    every = [True] * len(kinds)
    for kept in dict.fromkeys(map(tuple, (first, real, every))):
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        for opset in model.opset_import:
            opset.version = min(opset.version, OPSETS.stop - 1)
        given = []
        values = list(model.graph.input)
        for value, array, stays in zip(values, case.inputs, kept, strict=True):
            if stays:
                given.append(array)
                continue
            model.graph.initializer.append(numpy_helper.from_array(array, value.name))
            model.graph.input.remove(value)
        yield model, given


def near(found: Array, expected: Array, rtol: float) -> None:
    if expected.dtype.name == "bfloat16":  # computed in float32 here: two steps of its eight bits
        rtol = max(rtol, 2**-6)
    assert found.size == expected.size
    np.testing.assert_allclose(
        found.reshape(expected.shape).astype(np.float64),
        expected.astype(np.float64),
        rtol=rtol,
        atol=TOLERANCE,
    )


def in_numpy(model: onnx.ModelProto, given: list[Array], case: Case) -> graph.Network:
    """Run a network of a case. Raises TatamiError where it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "node.onnx"
        onnx.save(model, path)
        network = graph.read(path)
    found = graph.run(network, given)
    assert len(found) == len(case.outputs)
    for ours, theirs in zip(found, case.outputs, strict=True):
        near(ours, theirs, case.rtol)
    return network


def outcome(case: Case | None) -> tuple[str, str]:
    """("C", ""), or ("NumPy", why it is not shipped), or ("", why it is not read)."""
    if case is None:
        return "", NO_TENSOR
    reached, reasons = "", []
    for model, given in ways(case):
        try:
            network = in_numpy(model, given, case)
        except TatamiError as error:
            reasons.append(error.reason)
            continue
        try:
            emit(lower(network), "net")
        except TatamiError as error:
            if not reached:
                reached, reasons = "NumPy", [error.reason]
            continue
        return "C", ""
    return reached, reasons[0]


@cache
def outcomes() -> dict[str, tuple[str, str]]:
    return {name: outcome(case) for name, case in cases().items()}


def shipped_on_the_page() -> list[str]:
    """The cases that the page says are shipped: all that it does not name as refused."""
    named = set(re.findall(r"\w+", PAGE.read_text("utf-8").partition("## Refused")[2]))
    tensors = [name for name, case in cases().items() if case is not None]
    return sorted(name for name in tensors if name.removeprefix("test_") not in named)


SHIPPED = shipped_on_the_page()
seen: Counter[str] = Counter()
FEW = []  # two cases of each operator: the rest is for when there is time
for each in SHIPPED:
    its = cases()[each]
    operators = () if its is None else its.operators
    if any(seen[operator] < 2 for operator in operators) and not each.endswith("_expanded"):
        FEW.append(each)
        seen.update(operators)


def test_the_claim() -> None:
    """The figures that docs/operators.md begins with."""
    total = Counter(where for where, _ in outcomes().values())
    assert total["C"] == len(SHIPPED) >= 1200
    assert total["C"] + total["NumPy"] >= 1300


def test_the_page_is_true() -> None:
    assert PAGE.read_text("utf-8") == page()


def compiled(name: str, folder: Path) -> None:
    """Compile a case and compare its answer."""
    case = cases()[name]
    assert case is not None
    for model, given in ways(case):
        try:
            program = lower(in_numpy(model, given, case))
            files = emit(program, "net").files
        except TatamiError:
            continue
        for file, content in files.items():
            (folder / file).write_bytes(content)
        fitted = [
            array.reshape(program.values[value].shape)
            for array, value in zip(given, program.inputs, strict=True)
        ]
        with CompiledNetwork(folder, options=("-O1",)) as network:
            for ours, theirs in zip(network.run(fitted), case.outputs, strict=True):
                near(ours, theirs, case.rtol)
        return
    raise AssertionError(f"{name} is not shipped")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("name", FEW)
def test_in_c(name: str, tmp_path: Path) -> None:
    compiled(name, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("name", sorted(set(SHIPPED) - set(FEW)))
def test_the_rest_in_c(name: str, tmp_path: Path) -> None:
    compiled(name, tmp_path)


def page() -> str:
    """docs/operators.md."""
    count: dict[str, Counter[str]] = {operator: Counter() for operator in sorted(OPERATORS)}
    refused: dict[str, list[str]] = {}
    for name, (where, why) in outcomes().items():
        case = cases()[name]
        for operator in () if case is None else case.operators:
            row = {"all": 1, "NumPy": int(where != ""), "C": int(where == "C")}
            count.setdefault(operator, Counter()).update(row)
        if why:
            reason = re.sub(r"'[^']*'", "...", why)
            refused.setdefault(f"{'not shipped' if where else 'not read'}: {reason}", []).append(
                name
            )
    total = Counter(where for where, _ in outcomes().values())
    lines = [
        "# Operators",
        "",
        f"ONNX {onnx.__version__} has {total.total()} node tests. "
        f"**{total['NumPy'] + total['C']} pass in NumPy and {total['C']} in the C that"
        " is shipped.**",
        "The rest is refused by name, before anything runs or is written; the list below says why.",
        "`tests/agree/test_onnx_nodes.py` runs them all and holds this page to the result; run",
        "as a program, it writes the page. An operator with a row of its own is in **bold**; one",
        "without is read as what ONNX says it is made of, where all of that has rows.",
        "",
        "| operator | in 8 bits | derivative | tests | NumPy | C |",
        "|---|---|---|---|---|---|",
    ]
    for operator, one in sorted(count.items()):
        row = OPERATORS.get(operator)
        if row is None and not one["NumPy"]:
            continue  # named below
        called = f"**{operator}**" if row is not None else operator
        role = "" if row is None else row.role
        derivative = "yes" if row is not None and row.backward is not None else ""
        lines.append(
            f"| {called} | {role} | {derivative} | {one['all']} | {one['NumPy']} | {one['C']} |"
        )
    lines += [
        "",
        "In 8 bits: *sum*, products with int8 weights; *joins*, part of the sum before it;",
        "*orders* and *moves*, samples in other places; *steps*, an integer form with a range of",
        "its own; *float*, it stays float, and `quantize` says so; *name*, a second name;",
        "*storage*, how a value is stored.",
        "",
        "## Refused",
        "",
    ]
    for why, names in sorted(refused.items()):
        lines.append(f"- {why}")
        lines.append(f"  ({', '.join(name.removeprefix('test_') for name in sorted(names))})")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
