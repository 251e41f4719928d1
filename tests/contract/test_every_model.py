"""What holds for every row of the table of networks, whatever its task."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch

import tests.contract.test_classifiers as classifiers
import tests.contract.test_generators as generators
import tests.contract.test_matchers as matchers
import tests.contract.test_models as detectors
import tests.contract.test_recognizers as recognizers
import tests.contract.test_segmenters as segmenters
import tests.contract.test_series as series
import tests.contract.test_two_stage as two_stage
from tatami.errors import TatamiError
from tatami.graph.costs import costs
from tatami.models import table
from tatami.models.count import count_model
from tatami.models.export import to_head_network, to_network
from tatami.models.table import (
    MODELS,
    ClassifierModel,
    DetectorModel,
    GeneratorModel,
    MatcherModel,
    Model,
    RecognizerModel,
    SegmenterModel,
    SeriesModel,
    TwoStageModel,
)
from tatami.ops.counting import Cost
from tatami.types import Spec
from tests.contract.rows import TWINS, names, without_dropout

CLASSES = ("a", "b", "c")
SUITES: dict[type[Model[Any]], tuple[Any, str]] = {
    DetectorModel: (detectors, "yolov2-tiny"),
    TwoStageModel: (two_stage, "faster-rcnn-mobilenet-v1"),
    ClassifierModel: (classifiers, "mobilenet-v1"),
    SegmenterModel: (segmenters, "fcn-8s-bn"),
    RecognizerModel: (recognizers, "ds-cnn"),
    SeriesModel: (series, "mlp"),
    MatcherModel: (matchers, "siamese-conv4"),
    GeneratorModel: (generators, "wavenet-tiny"),
}
"""The suite of each kind of row, and a row that needs no word of its own there."""
ORDER = (
    *("detect", "classify", "segment", "recognize", "classify-series", "match"),
    *("generate", "translate"),
)
"""The tasks as the table lists them."""
NAMES = names()
EVERY = names(twins=())


def spec_of(name: str) -> Spec:
    suite, _ = SUITES[type(MODELS[name])]
    found: Spec = MODELS[name].spec(CLASSES, suite.case_of(name).size)
    return found


def test_names_and_papers() -> None:
    assert len({id(row) for row in MODELS.values()}) == len(MODELS)
    for name, row in MODELS.items():
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)
        assert re.search(r"[A-Z].* (19|20)\d\d", row.paper), name
        assert row.classes > 1
        assert row.size.width % row.stride == row.size.height % row.stride == 0, name


def test_the_table_needs_no_torch() -> None:
    code = "import sys, tatami.models.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_name_is_listed_once_its_task_s_together() -> None:
    assert sorted(table.names()) == sorted(MODELS)
    tasks = [MODELS[name].task for name in table.names()]
    assert tasks == sorted(tasks, key=ORDER.index)
    assert table.names("segment") == tuple(n for n in table.names() if MODELS[n].task == "segment")
    with pytest.raises(TatamiError, match="no model 'perceptron'") as found:
        table.model_named("perceptron")
    assert ", ".join(table.names()) in str(found.value.hint)


@pytest.mark.parametrize("name", EVERY)
def test_a_row_takes_its_own_specs_alone_and_no_boxes_that_it_cannot_use(name: str) -> None:
    row, spec = MODELS[name], spec_of(name)
    assert row.takes(spec)
    assert spec.classes == CLASSES
    others = [other for other in MODELS.values() if type(other) is not type(row)]
    assert not any(other.takes(spec) for other in others)
    if not row.anchor_count:
        with pytest.raises(TatamiError, match=r"anchors: .* has"):
            row.spec(CLASSES, anchors=[(8.0, 8.0)])
    if not row.default_boxes:
        with pytest.raises(TatamiError, match="min_scale: it is for an SSD"):
            row.spec(CLASSES, min_scale=0.1)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("width", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_a_width_out_of_its_range(name: str, width: float) -> None:
    with pytest.raises(TatamiError, match="width is"):
        MODELS[name].build(spec_of(name), width)


@pytest.mark.parametrize("name", NAMES)
def test_whole_and_narrow_it_answers_with_numbers(name: str) -> None:
    torch.manual_seed(0)
    spec = spec_of(name)
    model = MODELS[name].build(spec, 0.05).eval()
    assert getattr(model, "stride", MODELS[name].stride) == MODELS[name].stride
    for part in MODELS[name].parts(model, spec):
        given = torch.rand(2, part.channels, part.size.height, part.size.width)
        with torch.no_grad():
            answer = part.module(given)
        for one in (answer,) if isinstance(answer, torch.Tensor) else answer:
            assert len(one) == 2
            assert one.dtype == torch.float32
            assert one.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_counted_without_weights_it_is_what_its_file_costs(name: str) -> None:
    torch.manual_seed(0)
    row, spec, width = MODELS[name], spec_of(name), 0.05
    model = row.build(spec, width)
    parts = row.parts(model, spec)
    if len(parts) > 1 or parts[0].name:
        for learned in model.parameters():  # a bias of zeros would be left out of the file
            learned.data.fill_(1)
    found = count_model(row, spec, width)
    assert [one.part for one in found] == [part.name for part in parts]
    for one, part in zip(found, parts, strict=True):
        assert one.shape == (1, part.channels, part.size.height, part.size.width)
        if part.name == "head":
            assert spec.__class__.__name__ == "TwoStageSpec"
            network = to_head_network(part.module, spec, part.channels)  # type: ignore[arg-type]
        else:
            network = to_network(part.module, spec)
        rows = costs(network)
        if name in BRANCHES:  # the exporter orders what runs side by side otherwise
            assert unordered(one.layers) == unordered(rows)
        else:
            assert one.layers == rows


BRANCHES = ("sppnet",)


def unordered(rows: Sequence[Cost]) -> list[tuple[object, ...]]:
    """What rows say but for the numbers in their names, in an order of its own."""
    return sorted(
        (row.operators, row.shape, row.multiply_adds, row.parameters, row.weight_bytes)
        for row in rows
    )


def test_counting_loads_neither_an_exporter_nor_a_compiler() -> None:
    code = """
import sys
from tatami.models.count import count_model
from tatami.models.table import MODELS
for name, row in MODELS.items():
    if name not in %r and not row.several_inputs:
        count_model(row, row.spec(("a", "b")), 0.05)
print(*({"onnx", "onnx_ir", "onnxscript", "sympy", "torch._dynamo"} & {*sys.modules}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code % (sorted(TWINS),)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("\n", "")


@pytest.mark.parametrize("kind", SUITES)
def test_a_row_that_is_added_is_in_the_suites_by_that_alone(
    kind: type[Model[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, like = SUITES[kind]
    monkeypatch.setitem(MODELS, "made-up", MODELS[like])
    (added,) = (one for one in names(kind) if one.values == ("made-up",))
    assert not added.marks  # not a slow test
    assert not any(one.values == ("made-up",) for other in SUITES if other != kind
                   for one in names(other))  # fmt: skip
    assert "made-up" in table.names()
    case = suite.case_of("made-up")  # with nothing said of it
    model = suite.build("made-up").train()
    without_dropout(model)
    images, targets = suite.batch(case.size)
    targets = suite.targets_of("made-up", targets) if kind is TwoStageModel else targets
    parts = model.loss(model(images), targets)
    torch.stack(list(parts.values())).sum().backward()
    assert all(float(part.detach()) >= 0 for part in parts.values())
    test_whole_and_narrow_it_answers_with_numbers("made-up")
    test_counted_without_weights_it_is_what_its_file_costs("made-up")
