"""The contract of back ends, fulfilled by every one of the table; what a new task adds in C."""

import shutil
import subprocess
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.ship.c.build import build
from tatami.ship.c.files import Answering
from tatami.ship.c.operators import table as operators
from tatami.ship.c.run.predictor import Compiled, request
from tatami.ship.c.tasks.base import Macro, TaskInC
from tatami.ship.rtl.simulate import has_verilator
from tatami.ship.table import BACKENDS, backend_named, backend_of
from tatami.tasks.table import DETECTION
from tatami.types import DetectionSpec, Size

SETTINGS = {"rtl": {"rtl": "LANES=4,MAP=8192,RING=11,ACC=32"}}
"""Of each back end, what makes its program quick to build: that engine is built for other tests."""


@pytest.fixture(params=BACKENDS)
def backend(request):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    if request.param == "rtl" and not has_verilator():
        pytest.skip("no Verilator")
    return BACKENDS[request.param]


@pytest.fixture
def in_c():
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    return BACKENDS["c"]


def shipped(backend, program, folder, name="blood", task=DETECTION, **settings):
    """Plan, emit and write; the plan and what was written."""
    settings = SETTINGS.get(backend.name, {}) | settings
    plan = backend.plan({"": program}, name, backend.options(**settings), task)
    written = backend.emit(plan)
    for file, content in written.files.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)
    return plan, written


def test_from_a_program_to_its_values_by_name(backend, tmp_path, small_detector, quantized):
    network = quantized(small_detector(tmp_path / "n.onnx"))
    program = lower(network)
    folder = tmp_path / "shipped"
    folder.mkdir()
    plan, written = shipped(backend, program, folder)
    assert plan.programs == {"": program}
    assert [row.output for row in plan.networks[""].rows] == [s.output for s in program.steps]
    assert backend_of(folder) is backend
    assert backend_of(tmp_path) is None
    assert backend.spec(folder) == network.spec
    image = np.random.default_rng(0).random((3, 32, 64), np.float32)
    expected = interpret.values(program, [image])
    with backend.open(folder, DETECTION) as running:
        one = running.networks[""]
        assert (one.inputs, one.outputs) == (program.inputs, program.outputs)
        assert one.quantized
        assert one.kernels in backend.variants(folder)
        found = one.values([image])
        assert set(found) == {step.output for step in program.steps}
        for name, value in found.items():
            np.testing.assert_array_equal(value, expected[name])
            assert value.shape == one.known[name].shape
        assert running.predictor.spec == network.spec
        assert running.size == one.size > 1000
        picture = np.zeros((9, 7, 3), np.uint8)
        if running.prepare is not None:
            assert running.prepare(picture).shape == (3, 32, 64)
        assert len(running.predictor.detect(picture, 2.0)) == 0
    needs = backend.footprint(plan, written)
    for need in needs.needs:
        assert need.amount >= max(share.amount for share in need.shares) > 0
        assert needs.exceeded({need.name: need.amount}) is None
        assert needs.exceeded({need.name: need.amount - 1}) == need
    assert backend.build(plan, written, folder) == written.example
    assert written.example is None or (folder / written.example).is_file()


def test_without_a_task_the_network_is_bare(in_c, tmp_path, small_detector):
    backend = in_c
    program = lower(small_detector(tmp_path / "n.onnx"))
    folder = tmp_path / "shipped"
    folder.mkdir()
    plan, written = shipped(backend, program, folder, task=None)
    assert written.example is None
    assert backend.build(plan, written, folder) is None
    assert backend.spec(folder) is None
    with backend.open(folder) as running:
        assert running.predictor is None
        assert len(running.networks[""].run([np.zeros((3, 32, 64), np.float32)])) == 1


def test_refusals(in_c, tmp_path, small_detector, monkeypatch):
    backend = in_c
    program = lower(small_detector(tmp_path / "n.onnx"))
    with pytest.raises(TatamiError, match="threads: no program has no thread"):
        backend.options(threads=0)
    with pytest.raises(TatamiError, match="no weights are written as 'text'"):
        backend.options(weights="text")
    with pytest.raises(TatamiError, match="no target 'abacus'"):
        backend.options(target="abacus")
    with pytest.raises(TatamiError, match="lanes: C has no such setting"):
        backend.options(lanes=16)
    with pytest.raises(TatamiError, match="nothing joins the networks features, head"):
        backend.plan({"features": program, "head": program}, "net", backend.options(), DETECTION)
    with pytest.raises(TatamiError, match="nothing ships to 'fpga'"):
        backend_named("fpga")
    rest = {kind: file for kind, file in operators.OPERATORS.items() if kind.__name__ != "MaxPool"}
    monkeypatch.setattr(operators, "OPERATORS", rest)
    with pytest.raises(TatamiError, match="MaxPool 'v8_maxpool' has no C"):
        backend.plan({"": program}, "net", backend.options(), DETECTION)


# What a new task adds, in one file ----------------------------------------------------------------


class CompiledCounter(Compiled[DetectionSpec]):
    use = "count"

    def checked(self, spec):
        return spec

    def count(self, picture):
        return int(np.frombuffer(self.network.ask(b"N" + request(picture), 4), "<i4")[0])


COUNT = """
int net_count(const uint8_t *rgb, int width, int height)
{
    int count = 0, i;

    net_prepare(rgb, width, height, NET_IMAGES);
    net_run();
    for (i = 0; i < NET_ROWS * NET_COLUMNS; i++) count += NET_LOGITS[i] > NET_LEVEL;
    return count;
}
"""
MAIN = """#include <stdio.h>
#include "net.h"
int main(void) { printf("%d\\n", NET_ROWS * NET_COLUMNS); return 0; }
"""
ANSWER = """
static int count(void)
{
    int32_t sides[2], found;
    uint8_t *rgb = read_picture(sides);

    if (rgb == NULL) return 0;
    found = net_count(rgb, sides[0], sides[1]);
    free(rgb);
    fwrite(&found, sizeof found, 1, answers);
    return 1;
}
"""


class CountingInC(TaskInC[DetectionSpec]):
    """How many samples of the first map are above a level."""

    name = "count"
    noun = "counter"
    letter = "N"

    def maps(self, spec):
        return 1

    def header(self):
        prepare = "void net_prepare(const uint8_t *rgb, int width, int height, NET_INPUT *images);"
        return f"int net_count(const uint8_t *rgb, int width, int height);\n{prepare}\n@forward@;\n"

    def macros(self, program, spec):
        _, rows, columns = program.values[program.outputs[0]].shape
        return [*super().macros(program, spec), Macro("ROWS", rows), Macro("COLUMNS", columns)]

    def results(self, program):
        return {"scores": program.outputs[0]}

    def names(self, spec):
        return ()

    def rules(self, program, spec, values):
        return super().rules(program, spec, values) + "#define NET_LEVEL 0.0f\n"

    def source(self, spec):
        return (COUNT,)

    def example(self):
        return MAIN

    def proof(self):
        return Answering(self.letter, "count", ANSWER)

    def open(self, folder, machine):
        return CompiledCounter(folder, variant=machine.variant, target=machine.target)


@dataclass
class Counting:
    """As much of a task value as a back end reads."""

    c = CountingInC()


def test_a_new_task_ships_without_a_change_here(tmp_path, small_spec, builder):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    backend = BACKENDS["c"]
    b = builder()
    spec = small_spec(Size(16, 8), classes=("a",))
    score = b.conv("images", 3, 1, kernel=(2, 2), strides=[2, 2])
    network = b.network(tmp_path / "n.onnx", None, score, Size(16, 8), (1, 4, 8))
    program = replace(lower(network), spec=spec)
    plan, written = shipped(backend, program, tmp_path, "beans", Counting())
    assert backend.build(plan, written, tmp_path) == "beans_count"
    said = subprocess.run([tmp_path / "beans_count"], capture_output=True, text=True, check=True)
    assert said.stdout == "32\n"
    picture = np.random.default_rng(1).integers(0, 256, (8, 16, 3), np.uint8)
    with backend.open(tmp_path, Counting(), variant="portable") as running:
        (scores,) = running.networks[""].run([picture.transpose(2, 0, 1) / np.float32(255)])
        expected = int((scores > 0.0).sum())
        assert running.predictor.count(picture) == expected
        assert 0 < expected < 32


# Macros that the text names -----------------------------------------------------------------------


def test_the_macros_that_the_source_names_are_its_own(tmp_path, small_detector):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    program = lower(small_detector(tmp_path / "n.onnx"))
    folder = tmp_path / "shipped"
    folder.mkdir()
    shipped(BACKENDS["c"], program, folder, threads=2, target="portable")
    source = (folder / "blood.c").read_text()
    assert "-DBLOOD_THREADS=1" in source
    assert "-DBLOOD_TRACE=function" in source
    for file in folder.iterdir():
        if file.suffix in (".c", ".h"):
            assert "-DNET_" not in file.read_text(), file.name
    (folder / "traced.c").write_text(
        '#include <stdio.h>\n#include "blood.h"\n'
        "void seen(int step, const void *value, size_t bytes);\n"
        "void seen(int step, const void *value, size_t bytes)\n"
        '{ (void)value; printf("%d %d\\n", step, (int)bytes); }\n'
        "int main(void) { static unsigned char one[3]; static blood_detection out[1];\n"
        "return blood_detect(one, 1, 1, 2.0f, out, 1); }\n"
    )
    options = ("-O1", "-DBLOOD_TRACE=seen", "-DBLOOD_THREADS=1")  # without threads, no library
    build(folder, "blood", folder / "traced", main="traced.c", options=options)
    said = subprocess.run([folder / "traced"], capture_output=True, text=True, check=True).stdout
    sizes = [program.values[step.output].bytes for step in program.steps]
    assert said.splitlines() == [f"{index} {size}" for index, size in enumerate(sizes)]
