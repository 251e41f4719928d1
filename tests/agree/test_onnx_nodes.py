"""The official node tests of ONNX, for every operator that Tatami claims: in NumPy and in C.

A case either passes or is refused by name. What is refused, and why, is written in
docs/operators.md, which this file writes anew when it is run as a program; a test holds the page to
what happens.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


@dataclass(frozen=True)
class Case:
    """A network with one input; all that a case gives beside it has become constants."""

    name: str
    operators: tuple[str, ...]
    model: onnx.ModelProto
    image: np.ndarray
    expected: np.ndarray
    rtol: float


@cache
def cases() -> dict[str, Case]:
    """Every case whose operators are all claimed, whose first input and output are arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the references of other operators overflow on purpose
        from onnx.backend.test.case.node import collect_testcases

        collected = collect_testcases(None)
    found = {}
    for case in collected:
        operators = {node.op_type for node in case.model.graph.node} - {"Constant"}
        given, expected = case.data_sets[0]
        if not operators or not operators <= set(OPERATORS):
            continue
        if not isinstance(given[0], np.ndarray) or not isinstance(expected[0], np.ndarray):
            continue
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        for opset in model.opset_import:
            opset.version = min(opset.version, OPSETS.stop - 1)
        for value, array in list(zip(model.graph.input, given, strict=True))[1:]:
            constant = numpy_helper.from_array(np.asarray(array), value.name)
            model.graph.initializer.append(constant)
            model.graph.input.remove(value)
        found[case.name] = Case(
            case.name, tuple(sorted(operators)), model, given[0], expected[0], case.rtol
        )
    return found


def near(found: np.ndarray, case: Case) -> None:
    assert found.size == case.expected.size
    np.testing.assert_allclose(
        found.reshape(case.expected.shape), case.expected, rtol=case.rtol, atol=TOLERANCE
    )


def in_numpy(case: Case, folder: Path) -> graph.Network:
    """Run a case; the network. Raises TatamiError where it is refused."""
    path = folder / "node.onnx"
    onnx.save(case.model, path)
    network = graph.read(path)
    near(graph.values(network, case.image)[str(network.graph.outputs[0].name)], case)
    return network


def outcome(case: Case, folder: Path) -> tuple[str, str]:
    """("C", ""), or ("NumPy", why it is not shipped), or ("", why it is not read)."""
    try:
        network = in_numpy(case, folder)
    except TatamiError as error:
        return "", error.reason
    try:
        lower(network)
    except TatamiError as error:
        return "NumPy", error.reason
    return "C", ""


@cache
def outcomes() -> dict[str, tuple[str, str]]:
    with tempfile.TemporaryDirectory() as temporary:
        return {name: outcome(case, Path(temporary)) for name, case in cases().items()}


SHIPPED = sorted(name for name, (where, _) in outcomes().items() if where == "C")


def test_there_are_cases_for_every_operator():
    seen = Counter(operator for case in cases().values() for operator in case.operators)
    assert set(seen) == set(OPERATORS)
    assert len(SHIPPED) > 100


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("name", SHIPPED)
def test_in_c(name, tmp_path):
    case = cases()[name]
    program = lower(in_numpy(case, tmp_path))
    for file, content in emit(program, "net").files.items():
        (tmp_path / file).write_bytes(content)
    (value,) = (program.values[one] for one in program.inputs)
    with CompiledNetwork(tmp_path, options=("-O1",)) as compiled:
        near(compiled.run([case.image.reshape(value.shape)])[0], case)


def page() -> str:
    """docs/operators.md."""
    count: dict[str, Counter[str]] = {operator: Counter() for operator in sorted(OPERATORS)}
    refused: dict[str, list[str]] = {}
    for name, (where, why) in outcomes().items():
        for operator in cases()[name].operators:
            count[operator].update({"all": 1, "NumPy": int(where != ""), "C": int(where == "C")})
        if why:
            refused.setdefault(f"{'not shipped' if where else 'not read'}: {why}", []).append(name)
    lines = [
        "# Operators",
        "",
        "The closed set of ONNX operators that Tatami reads, and the official node tests of ONNX",
        "(operator sets 13 to 23) for each: how many there are, how many pass in NumPy, how many",
        "in the C that is shipped. A test that does not pass is refused by name, before anything",
        "runs or is written; the list below says why. `tests/agree/test_onnx_nodes.py` runs them",
        "all and holds this page to the result; run as a program, it writes the page.",
        "",
        "| operator | tests | NumPy | C |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {operator} | {one['all']} | {one['NumPy']} | {one['C']} |"
        for operator, one in count.items()
    ]
    total = Counter(where for where, _ in outcomes().values())
    lines += [
        f"| all, each once | {total.total()} | {total['NumPy'] + total['C']} | {total['C']} |",
        "",
        "BatchNormalization is folded before a network is shipped, and Dropout and Identity are no",
        "steps. Values are float32, one picture at a time, of at most four axes.",
        "",
        "## Refused",
        "",
    ]
    for why, names in sorted(refused.items()):
        lines.append(f"- {why}")
        lines.append(f"  ({', '.join(name.removeprefix('test_') for name in sorted(names))})")
    return "\n".join(lines) + "\n"


def test_the_page_is_true():
    assert PAGE.read_text("utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
