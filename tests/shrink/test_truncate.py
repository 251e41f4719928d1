"""Truncated SVD: held to the paper's figures, and to the best that any matrix of that rank does."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.costs import costs, total
from tatami.graph.read import network_of
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.shrink.truncate import Truncated, layers, truncate


def a_head(rng, *, trans=True):
    """Regions (1, 3, 2, 2) through fc6 (12 to 10) and fc7 (10 to 6)."""
    weights = [rng.standard_normal((10, 12), np.float32), rng.standard_normal((6, 10), np.float32)]
    biases = [rng.standard_normal(10, np.float32), rng.standard_normal(6, np.float32)]
    held = [w if trans else np.ascontiguousarray(w.T) for w in weights]
    nodes = [
        helper.make_node("Flatten", ["regions"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w6", "b6"], ["fc6"], transB=int(trans)),
        helper.make_node("Relu", ["fc6"], ["relu6"]),
        helper.make_node("Gemm", ["relu6", "w7", "b7"], ["fc7"], transB=int(trans)),
    ]
    made = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("regions", TensorProto.FLOAT, (1, 3, 2, 2))],
        [helper.make_tensor_value_info("fc7", TensorProto.FLOAT, (1, 6))],
        [
            numpy_helper.from_array(array, name)
            for name, array in zip(("w6", "w7", "b6", "b7"), (*held, *biases), strict=True)
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return network_of(model), weights, biases


@pytest.mark.parametrize("trans", [True, False])
def test_it_computes_the_best_matrix_of_that_rank(trans, tmp_path):
    rng = np.random.default_rng(0)
    network, weights, biases = a_head(rng, trans=trans)
    assert layers(network) == {"fc6": (12, 10), "fc7": (10, 6)}
    smaller, (record,) = truncate(network, {"fc6": 4})
    x = rng.standard_normal((5, 3, 2, 2), np.float32)
    u, s, v = np.linalg.svd(weights[0].astype(np.float64))
    best = (u[:, :4] * s[:4]) @ v[:4]
    hidden = np.maximum(x.reshape(5, 12) @ best.T + biases[0], 0)
    expected = hidden @ weights[1].T.astype(np.float64) + biases[1]
    (found,) = graph.run(smaller, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert record.lost == pytest.approx(
        np.linalg.norm(weights[0] - best) / np.linalg.norm(weights[0]), rel=1e-5
    )
    graph.write(smaller, tmp_path / "n.onnx")
    np.testing.assert_array_equal(graph.run(graph.read(tmp_path / "n.onnx"), x)[0], found)
    assert total(costs(smaller)).multiply_adds == 4 * (12 + 10) + 60
    program = lower(smaller)
    (shipped,) = interpret.run(program, [x[0]])
    np.testing.assert_allclose(shipped.ravel(), expected[0], rtol=1e-4, atol=1e-4)


def test_with_all_values_it_is_the_same_function():
    rng = np.random.default_rng(1)
    network, _, _ = a_head(rng)
    same, records = truncate(network, {"fc6": 10, "fc7": 6})
    x = rng.standard_normal((2, 3, 2, 2), np.float32)
    np.testing.assert_allclose(graph.run(same, x)[0], graph.run(network, x)[0], atol=1e-4)
    assert [one.lost < 1e-6 for one in records] == [True, True]


def test_the_papers_figures():
    """Girshick 2015, section 4.4: fc6 25,088 to 4,096 with 1,024 values, fc7 with 256."""
    fc6, fc7 = Truncated("fc6", 25088, 4096, 1024, 0.0), Truncated("fc7", 4096, 4096, 256, 0.0)
    assert (fc6.before, fc6.after) == (102_760_448, 29_884_416)
    assert (fc7.before, fc7.after) == (16_777_216, 2_097_152)
    assert fc6.before + fc7.before == pytest.approx(119.5e6, rel=1e-3)
    assert fc6.after + fc7.after == pytest.approx(32.0e6, rel=1e-3)


@pytest.mark.parametrize("kept", [{"fc8": 1}, {"fc6": 0}, {"fc6": 11}])
def test_what_there_is_not_is_refused(kept):
    network, _, _ = a_head(np.random.default_rng(0))
    with pytest.raises(TatamiError, match="fc"):
        truncate(network, kept)
