"""The page for browsers: its module gives the bits of C, and Chromium shows what Python answers."""

from __future__ import annotations

import json
import subprocess
import threading
import warnings
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from onnx import helper
from PIL import Image

import tatami
from tatami import graph
from tatami.errors import TatamiError
from tatami.pipeline.artifact import run_shipped
from tatami.pipeline.stages import open_stage
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.ship.c.backend import C
from tatami.ship.c.targets import TARGETS, missing
from tatami.ship.wasm.backend import Wasm
from tatami.shrink.calibrate import observe
from tatami.shrink.quantize import quantize
from tatami.types import ClassificationSpec, InputSpec, Size
from tests.browser import check_reach, tab_of

IMPORTS = """
import { readFileSync } from "node:fs";
const module = await WebAssembly.compile(readFileSync(process.argv[1]));
console.log(JSON.stringify(WebAssembly.Module.imports(module)));
"""


@pytest.fixture(scope="module", autouse=True)
def _tools():
    lacks = missing(TARGETS["wasm"])
    if lacks is not None:
        pytest.skip(f"no {lacks}: apt-get install {TARGETS['wasm'].package}")


@pytest.fixture
def network(tmp_path, small_detector, quantized):
    """The file of a small detector in 8 bits."""
    path = tmp_path / "int8.onnx"
    graph.write(quantized(small_detector(tmp_path / "float.onnx")), path)
    return path


@pytest.fixture
def page(network, tmp_path):
    """The page of that detector."""
    return tatami.ship(network, tmp_path / "page", to="wasm", name="net").path


@pytest.fixture
def picture(tmp_path):
    """A picture without loss, and its file."""
    pixels = np.random.default_rng(5).integers(0, 256, (61, 93, 3), dtype=np.uint8)
    file = tmp_path / "picture.png"
    Image.fromarray(pixels).save(file)
    return pixels, file


def test_the_module_imports_nothing(page):
    line = ["node", "--input-type=module", "-e", IMPORTS, page / "net.wasm"]
    found = subprocess.run(line, check=True, capture_output=True, text=True)
    assert json.loads(found.stdout) == []


def test_every_value_has_the_bits_of_the_interpreter(network, page):
    program = lower(graph.read(network))
    (name,) = program.inputs
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, program.values[name].shape, dtype=np.uint8)
    expected = interpret.values(program, [image])
    backend = Wasm()
    assert backend.wrote(page)
    assert backend.variants(page) == ("simd128", "portable")
    for built in (True, False):  # the module that was shipped, and one made of the C beside it
        for variant in backend.variants(page):
            with backend.open(page, variant=variant, built=built) as running:
                found = running.networks[""].values([image])
                assert running.networks[""].kernels == variant
            assert set(found) == {step.output for step in program.steps}
            for key, value in found.items():
                np.testing.assert_array_equal(value, expected[key], err_msg=key)


def test_layers_of_few_outputs_have_the_same_bits(network_of, tmp_path):
    """Each is computed in tiles of its own width, alone and under a pool, rows of any rest."""
    rng = np.random.default_rng(6)
    nodes, weights, last, channels = [], {}, "images", 3
    for place, outputs in enumerate((4, 1, 3, 8, 5, 12, 16, 7, 17)):
        weights[f"w{place}"] = rng.normal(0, 0.3, (outputs, channels, 3, 3)).astype(np.float32)
        weights[f"b{place}"] = rng.normal(0, 1, outputs).astype(np.float32)
        given = [last, f"w{place}", f"b{place}"]
        nodes.append(helper.make_node("Conv", given, [f"c{place}"], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{place}"], [f"r{place}"]))
        last, channels = f"r{place}", outputs
        if place in (0, 3):
            nodes.append(
                helper.make_node(
                    "MaxPool", [last], [f"p{place}"], kernel_shape=[2, 2], strides=[2, 2]
                )
            )
            last = f"p{place}"
    nodes[-1].output[0] = "map"
    network = network_of(nodes, weights, (1, 3, 36, 44))
    images = [rng.normal(0, 1, (1, 3, 36, 44)).astype(np.float32) for _ in range(3)]
    network = quantize(network, observe(network, images, len(images)))
    path = tmp_path / "few.onnx"
    graph.write(network, path)
    program = lower(network)
    (name,) = program.inputs
    image = rng.integers(0, 256, program.values[name].shape, dtype=np.uint8)
    expected = interpret.values(program, [image])
    folder = tatami.ship(path, tmp_path / "c", target="wasm", name="few").path
    with C().open(folder, target="wasm") as running:
        found = running.networks[""].values([image])
        assert running.networks[""].kernels == "simd128"
    assert len(found) >= 9
    for key, value in found.items():
        np.testing.assert_array_equal(value, expected[key], err_msg=key)


def test_it_is_a_stage_of_the_ledger_and_sealed(page, picture):
    stage = open_stage(page)
    assert stage.name == "WASM page"
    assert stage.integers is not None
    spec, running = run_shipped(page)
    running.close()
    assert spec == stage.spec
    for file in ("net.wasm", "c/net.c"):
        kept = (page / file).read_bytes()
        (page / file).write_bytes(kept + b"\n")
        if file.endswith(".c"):
            with pytest.raises(TatamiError, match="not as it was shipped"):
                run_shipped(page)
        else:  # the built module is not run: another is made
            _, running = run_shipped(page)
            assert running.networks[""].program is None
            running.close()
        (page / file).write_bytes(kept)
    (page / "c" / "net_weights.S").write_text("# a stranger's")
    with pytest.raises(TatamiError, match="none of the files"):
        run_shipped(page)


def test_what_the_page_cannot_be_is_refused(network, tmp_path):
    for setting, value in (("target", "aarch64"), ("threads", 2)):
        with pytest.raises(TatamiError, match="leave it out") as raised:
            tatami.ship(network, tmp_path / "out", to="wasm", **{setting: value})
        assert raised.value.setting == setting
    assert not (tmp_path / "out").exists()


# In a browser ------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextmanager
def serving(page):
    """Serve a page, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=page))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def served(page):
    """The page's address."""
    with serving(page) as address:
        yield address


@pytest.fixture
def tab(served):
    """The page in Chromium, once its network is there."""
    with tab_of(served, served, "body[data-ready]") as tab:
        yield tab


def answer(tab):
    return json.loads(tab.locator("body").get_attribute("data-answer"))


def test_the_page_answers_as_c_does_in_both_languages(tab, page, picture):
    pixels, file = picture
    threshold = 0.05
    tab.locator("#threshold").fill(str(threshold))
    tab.locator("#file").set_input_files(file)
    tab.wait_for_selector("body[data-answer]")
    _, running = run_shipped(page)
    expected = running.predictor.detect(pixels, threshold)
    running.close()
    found = answer(tab)
    assert len(found) == len(expected.scores) > 0
    for one, box, score, label in zip(
        found, expected.xyxy, expected.scores, expected.labels, strict=True
    ):
        assert [one[key] for key in ("x1", "y1", "x2", "y2")] == box.tolist()
        assert (one["score"], one["label"]) == (score, label)
    assert tab.locator("#rows tr").count() == len(found)
    assert "simd128" in tab.locator("#status").inner_text()
    tab.locator("#language").click()
    assert tab.locator("html").get_attribute("lang") == "ja"
    assert "しきい値" in tab.locator("main").inner_text()


def test_the_pad_and_the_camera_are_looked_at(tab):
    tab.locator("#pad").click()
    first = answer(tab)
    box = tab.locator("#stage").bounding_box()
    tab.mouse.move(box["x"] + 60, box["y"] + 60)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 200, box["y"] + 200, steps=5)
    tab.mouse.up()
    assert answer(tab) != first
    tab.locator("#clear").click()
    assert answer(tab) == first
    tab.locator("#camera").click()
    tab.wait_for_selector("#stage[width='640']")
    tab.locator("#camera").click()
    assert tab.locator("#camera").get_attribute("aria-pressed") == "false"


def test_the_page_is_reachable_by_keyboard_and_by_screen_readers(tab):
    check_reach(tab)
    reached = []
    for _ in range(8):
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.id"))
    assert {"language", "file", "camera", "pad", "threshold", "stage"} <= set(reached)


def learned_digits(builder, path):
    """A network in 8 bits, its two layers learned in seconds from scikit-learn's handwriting."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    learner = pytest.importorskip("sklearn.neural_network").MLPClassifier
    paper = 1 - digits.images / 16  # 8 x 8: ink is dark, as on the pad
    moved = [np.roll(paper, by, axis=2) for by in (0, 1, -1)]
    given, labels = np.concatenate(moved).reshape(-1, 64), np.tile(digits.target, len(moved))
    found = learner((32,), max_iter=25, random_state=0, learning_rate_init=0.005)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, and need not
        found.fit(given, labels)
    (first, second), biases = found.coefs_, found.intercepts_
    b = builder()
    kernels = np.repeat(first.T.reshape(-1, 1, 8, 8) / 3, 3, axis=1)  # gray: of three planes
    x = b.node("AveragePool", "images", kernel_shape=[4, 4], strides=[4, 4])
    x = b.node("Relu", b.node("Conv", x, b.constant(kernels), b.constant(biases[0])))
    last = b.constant(second.T[..., None, None])
    x = b.node("Conv", x, last, b.constant(biases[1]))
    x = b.node("Reshape", x, b.shape(1, 10))
    spec = ClassificationSpec(tuple("0123456789"), InputSpec(Size(32, 32)))
    network = b.network(path, spec, x, Size(32, 32), (10,))
    seen = np.kron(paper[:100, None], np.ones((1, 3, 4, 4))).astype(np.float32)
    graph.write(quantize(network, observe(network, list(seen[:, None]), len(seen))), path)
    return path


def test_a_drawn_seven_is_found(builder, tmp_path):
    network = learned_digits(builder, tmp_path / "digits.onnx")
    page = tatami.ship(network, tmp_path / "page", to="wasm").path
    with serving(page) as address, tab_of(address, address, "body[data-ready]") as tab:
        tab.locator("#pad").click()
        box = tab.locator("#stage").bounding_box()
        for place, (x, y) in enumerate([(90, 40), (230, 40), (140, 280)]):
            here = (box["x"] + x * box["width"] / 320, box["y"] + y * box["height"] / 320)
            tab.mouse.move(*here, steps=8)
            if not place:
                tab.mouse.down()
        tab.mouse.up()
        scores = answer(tab)
        assert "7" in tab.locator("#rows tr").first.inner_text().split()
    assert int(np.argmax(scores)) == 7
    assert scores[7] > 0.5
