"""``tatami quantize`` as a person runs it, and the integer ledger that follows."""

import json
import shutil

import numpy as np
import onnx
import pytest

from tatami import graph
from tatami.pipeline.quantize import quantize
from tatami.types import Decoding, DetectionSpec, InputSpec, Size


@pytest.fixture
def integers(command, square_finder, squares_set, tmp_path, capsys):
    target = tmp_path / "squares-int8.onnx"
    assert command("quantize", square_finder, "--data", squares_set, "-o", target) == 0
    return target, capsys.readouterr().out


def test_a_table_a_layer_and_the_worst(integers):
    target, text = integers
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert "worst: " in text
    assert text.splitlines()[-1] == f"wrote {target}"
    network = graph.read(target)
    assert "8 bits, mse, bias correction" in network.spec.provenance["quantized"]
    onnx.checker.check_model(onnx.load(target), full_check=True)


def test_json(command, square_finder, squares_set, tmp_path, capsys):
    target = tmp_path / "q.onnx"
    options = ("--method", "minmax", "--no-bias-correction", "--equalize", "--pictures", 2)
    arguments = ("quantize", square_finder, "--data", squares_set, "-o", target, *options)
    assert command(*arguments, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["pictures"] == 2
    ratios = [layer["sqnr"] for layer in answer["layers"]]
    assert ratios
    assert all(ratio is None or ratio > 15 for ratio in ratios)  # None: without any noise


def test_no_more_is_lost_than_is_allowed(command, square_finder, squares_set, tmp_path, capsys):
    """Of four pictures two calibrate, and of the others two of three, which are all, measure."""
    target = tmp_path / "q.onnx"
    arguments = ("quantize", square_finder, "--data", squares_set, "-o", target, "--pictures", 2)
    assert command(*arguments, "--accuracy-drop", 0.5) == 0
    text = capsys.readouterr().out
    assert "points lost in 8 bits (allowed were 0.5), on 2 held-out pictures" in text
    assert max(map(len, text.splitlines()[:-2])) <= 80
    assert command(*arguments, "--accuracy-drop", 0.5, "--json") == 0
    said = json.loads(capsys.readouterr().out)["accuracy_drop"]
    assert said["reached"]
    assert said["float"] - said["ways"][-1]["figure"] <= 0.5
    assert command(*arguments, "--accuracy-drop", -1) == 2
    assert "a loss of -1.0 points" in capsys.readouterr().err


def depthwise(builder, path, spread):
    """A detector with a depthwise layer, whose channels differ by these factors that cancel out."""
    b = builder(3)
    weights = b.rng.normal(0, 0.4, (len(spread), 3, 3, 3)) * np.reshape(spread, (-1, 1, 1, 1))
    x = b.node("Conv", "images", b.constant(weights), pads=[1] * 4)
    x = b.node("LeakyRelu", x, alpha=0.1)
    own = np.abs(b.rng.normal(0, 0.4, (len(spread), 1, 3, 3)))
    x = b.node("Conv", x, b.constant(own), pads=[1] * 4, group=len(spread))
    x = b.node("LeakyRelu", x, alpha=0.1)
    last = b.rng.normal(0, 0.1, (7, len(spread), 32, 32)) / np.reshape(spread, (1, -1, 1, 1))
    x = b.node("Conv", x, b.constant(last), strides=[32, 32])
    spec = DetectionSpec(("red", "green"), InputSpec(Size(96, 64)), Decoding.yolov2(((1.0, 1.0),)))
    return b.network(path, spec, x, Size(96, 64), (7, 2, 3))


@pytest.mark.parametrize("uneven", [True, False])
def test_of_a_depthwise_network_equalization_is_chosen_by_what_it_gains(
    builder, squares_set, tmp_path, uneven
):
    source = tmp_path / "n.onnx"
    depthwise(builder, source, [0.01, 0.1, 1, 10, 100] if uneven else [1, 1, 1, 1, 1])
    found = quantize(source, squares_set, tmp_path / "auto.onnx", bias_correction=False)
    tried = found.tried
    assert tried is not None
    assert tried.pictures == found.pictures == 4
    assert tried.helps == (tried.equalized > tried.plain)
    if uneven:
        assert tried.equalized > tried.plain + 10
    (line,) = (line for line in found.lines() if line.startswith("equalization"))
    assert f"{tried.plain:.1f} dB without, {tried.equalized:.1f} dB with it" in line
    said = found.to_json()["equalization"]
    assert (said["plain"], said["equalized"]) == (tried.plain, tried.equalized)
    assert said["chosen"] == tried.helps
    # What is written is what one of the two explicit settings writes.
    for equalize in (True, False):
        target = tmp_path / f"{equalize}.onnx"
        one = quantize(source, squares_set, target, bias_correction=False, equalize=equalize)
        assert one.tried is None
        assert "equalization" not in one.to_json()
        same = target.read_bytes() == (tmp_path / "auto.onnx").read_bytes()
        assert same == (equalize == tried.helps)


def test_without_depthwise_layers_nothing_is_tried(square_finder, squares_set, tmp_path):
    found = quantize(square_finder, squares_set, tmp_path / "q.onnx")
    assert found.tried is None
    assert "equalized" not in graph.read(found.path).spec.provenance


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_integers_are_proved_bit_for_bit(
    command, square_finder, integers, squares_set, tmp_path, capsys
):
    target, _ = integers
    c = tmp_path / "c"
    assert command("ship", target, "-o", c, "--no-build") == 0
    capsys.readouterr()
    arguments = ("prove", square_finder, target, c, "--data", squares_set)
    assert command(*arguments, "--variants", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    by_stage = {row["stage"]: row for row in rows}
    assert by_stage["squares-int8"]["unit"] == "dB"
    assert by_stage["squares-int8"]["loss"] == 0.01
    compiled = [row for row in rows if row["held_to"] == "squares-int8"]
    assert {row["stage"] for row in compiled} >= {"C", "C int8 portable"}
    assert all(row["worst"] == 0 and row["bound"] == 0 for row in compiled)
    assert by_stage["C boxes"]["worst"] == 0


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_one_wrong_integer_is_found_and_named(command, integers, squares_set, tmp_path, capsys):
    target, _ = integers
    c = tmp_path / "c"
    assert command("ship", target, "-o", c, "--no-build", "--weights", "array") == 0
    file = c / "squares_int8_weights.c"
    text = file.read_text()
    start = text.index("_bias[") if "_bias[" in text else text.index("_c0_bias")
    number = text.index("{", start) + 1
    head, rest = text[:number], text[number:]
    first, tail = rest.split(",", 1)
    file.write_text(f"{head} {int(first) + 2000}, {tail}")
    capsys.readouterr()
    assert command("prove", target, c, "--data", squares_set, "--trust", "--json") == 1
    rows = json.loads(capsys.readouterr().out)["rows"]
    (row,) = (row for row in rows if row["stage"] == "C")
    assert not row["passed"]
    assert row["worst"] > 0
    assert "[0,0,0]: " in row["layer"]
    assert ", not " in row["layer"]


def test_bad_requests(command, square_finder, integers, squares_set, tmp_path, capsys):
    target, _ = integers
    out = tmp_path / "x.onnx"
    for arguments, said in (
        (("quantize", square_finder), "--data"),
        (("quantize", square_finder, "--data", squares_set, "--method", "magic"), "percentile"),
        (("quantize", square_finder, "--data", squares_set, "--keep-float", "x"), "no layer 'x'"),
        (("quantize", target, "--data", squares_set), "quantized already"),
        (("quantize", square_finder, "--data", tmp_path / "none"), "none"),
    ):
        capsys.readouterr()
        assert command(*arguments, "-o", out) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
        assert not out.exists()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_device_that_is_too_small(command, integers, tmp_path, capsys):
    target, _ = integers
    out = tmp_path / "device"
    for limit in (("--ram", "1K"), ("--flash", "1K")):
        assert command("ship", target, "-o", out, *limit) == 2
        error = capsys.readouterr().err
        assert "layers that cost most" in error
        assert "1,024" in error.splitlines()[-1]
        assert not out.exists()
    assert command("ship", target, "-o", out, "--ram", "8M", "--flash", "8M", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert 0 < answer["values"] <= answer["arena"] <= 1.10 * answer["values"] + 1024
    assert answer["arena"] < answer["ram"] < 8 * 2**20
    assert command("ship", target, "-o", out, "--ram", "much") == 2
    assert "512K" in capsys.readouterr().err
    assert command("ship", target, "-o", out, "--target", "z80") == 2
    assert "cortex-m7" in capsys.readouterr().err
