"""``tatami fold`` as a person runs it."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import helper

from tatami import graph
from tatami.cli import main as command_line

node = helper.make_node


@pytest.fixture
def net(model_of, tmp_path):
    """An ONNX file: convolution, normalization, leaky ReLU."""
    rng = np.random.default_rng(0)
    weights = {name: rng.uniform(0.5, 2, 4).astype(np.float32) for name in "sbmv"}
    weights["w"] = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [
        node("Conv", ["images", "w"], ["conv1/conv"]),
        node("BatchNormalization", ["conv1/conv", *"sbmv"], ["conv1/norm"], epsilon=1e-3),
        node("LeakyRelu", ["conv1/norm"], ["map"], alpha=0.1),
    ]
    path = tmp_path / "net.onnx"
    onnx.save(model_of(nodes, weights), path)
    return path


@pytest.fixture
def tatami(monkeypatch, capsys):
    """Run the command line: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["tatami", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            command_line.main()
        out, err = capsys.readouterr()
        return stopped.value.code or 0, out, err

    return run


def test_fold_prints_a_table_and_writes_beside_the_input(tatami, net):
    code, out, err = tatami("fold", net)
    assert (code, err) == (0, "")
    for part in ("conv1/conv", "normalize", "0.001", "432", "1 convolutions folded"):
        assert part in out
    assert "net-folded.onnx" in out.replace("\n", "")
    folded = graph.read(net.with_name("net-folded.onnx"))
    assert [one.op_type for one in folded.graph] == ["Conv", "LeakyRelu"]


def test_json_says_the_same(tatami, net, tmp_path):
    code, out, _ = tatami("fold", net, "-o", tmp_path / "out" / "small.onnx", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["output"] == str(tmp_path / "out" / "small.onnx")
    assert answer["operations"] == 432  # 3 an element of (4, 6, 6)
    assert 0 < answer["worst_relative_difference"] < 1e-6
    (record,) = answer["folded"]
    assert record["conv"] == "conv1/conv"
    assert record["output"] == "conv1/norm"
    assert record["epsilon"] == "0.001"
    assert (tmp_path / "out" / "small.onnx").exists()


def test_another_epsilon_is_used_and_its_effect_is_measured(tatami, net):
    _, out, _ = tatami("fold", net, "--epsilon", "darknet:1e-1", "--json")
    answer = json.loads(out)
    assert answer["folded"][0]["epsilon"] == "darknet:0.1"
    assert answer["worst_relative_difference"] > 1e-3


def test_nothing_to_fold_says_so(tatami, net):
    tatami("fold", net)
    code, out, _ = tatami("fold", net.with_name("net-folded.onnx"))
    assert code == 0
    assert "nothing to fold" in out


def test_bad_input_is_one_line_and_exit_code_2(tatami, net, tmp_path):
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(net.read_bytes()[:300])
    blocked = tmp_path / "file"
    blocked.write_text("")
    for arguments, part in [
        ([tmp_path / "none.onnx"], "No such file"),
        ([tmp_path], "Is a directory"),
        ([text], "not an ONNX file"),
        ([cut], "cut short"),
        ([net, "--epsilon", "small"], "'small' is not an epsilon"),
        ([net, "-o", blocked / "out.onnx"], "file"),
    ]:
        code, out, err = tatami("fold", *arguments)
        assert code == 2
        assert out == ""
        assert err.startswith("tatami: ")
        assert err.count("\n") == 1
        assert part in err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cut.onnx",
        "file",
        "net.onnx",
        "text.onnx",
    ]


def test_a_refusal_writes_nothing(tatami, model_of, tmp_path):
    weights = {name: np.ones(3, np.float32) for name in "sbmv"}
    nodes = [node("Relu", ["images"], ["r"]), node("BatchNormalization", ["r", *"sbmv"], ["map"])]
    path = tmp_path / "net.onnx"
    onnx.save(model_of(nodes, weights), path)
    code, _, err = tatami("fold", path)
    assert code == 2
    assert "BatchNormalization 'map' follows Relu 'r'" in err
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


def test_depthwise_makes_convolutions_of_what_is_left(tatami, model_of, tmp_path):
    weights = {name: np.ones(3, np.float32) for name in "sbmv"}
    nodes = [node("Relu", ["images"], ["r"]), node("BatchNormalization", ["r", *"sbmv"], ["map"])]
    path = tmp_path / "net.onnx"
    onnx.save(model_of(nodes, weights), path)
    _, _, err = tatami("fold", path)
    assert "fold with depthwise" in err
    code, out, _ = tatami("fold", path, "--depthwise", "-o", tmp_path / "out.onnx")
    assert code == 0
    assert "1 normalizations became depthwise convolutions" in out
    assert "'map' follows Relu 'r'" in " ".join(out.split())
    assert [one.op_type for one in graph.read(tmp_path / "out.onnx").graph] == ["Relu", "Conv"]
    _, out, _ = tatami("fold", path, "--depthwise", "-o", tmp_path / "out.onnx", "--json")
    answer = json.loads(out)
    assert answer["depthwise"] == 1
    assert "'map' follows Relu 'r'" in answer["folded"][0]["alone"]
    assert answer["worst_relative_difference"] < 1e-6
