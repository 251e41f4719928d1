"""``tatami prove`` as a person runs it: passes what is right, finds what is not."""

import json
import shutil

import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from tatami.ship.c.targets import TARGETS, missing

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture
def stages(command, square_finder, tmp_path, capsys):
    """The network, its folded form (the same: there is nothing to fold) and its C."""
    folded, c = tmp_path / "folded.onnx", tmp_path / "c"
    assert command("fold", square_finder, "-o", folded) == 0
    assert command("ship", folded, "-o", c, "--no-build") == 0
    capsys.readouterr()
    return square_finder, folded, c


def test_a_right_network_is_proved(command, stages, squares_set, capsys):
    assert command("prove", *stages, "--data", squares_set) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[-1] == "proved"
    assert "mAP of 4 pictures" in text

    assert command("prove", *stages, "--data", squares_set, "--json", "--pictures", 3) == 0
    answer = json.loads(capsys.readouterr().out)
    names = [row["stage"] for row in answer["rows"]]
    assert names == ["squares", "folded", "C", "C picture rule", "C boxes"]
    assert [row["held_to"] for row in answer["rows"]] == [None, "squares", "folded", "NumPy",
                                                           "NumPy"]  # fmt: skip
    assert answer["passed"]
    assert answer["pictures"] == 3
    assert answer["rows"][3]["worst"] == 0
    assert answer["rows"][0]["mean_ap"] == answer["rows"][2]["mean_ap"] == 1


def test_a_stage_that_is_given_twice_is_one(command, stages, squares_set, capsys):
    """As where a run folder, which brings what came of it, and its files are both named."""
    network, folded, c = stages
    twice = (network, folded, c, folded, c.parent / "." / "c")
    assert command("prove", *twice, "--data", squares_set, "--json") == 0
    names = [row["stage"] for row in json.loads(capsys.readouterr().out)["rows"]]
    assert names == ["squares", "folded", "C", "C picture rule", "C boxes"]


def spoil(path, target, factor):
    """A copy of the network with one weight changed."""
    model = onnx.load(path)
    (weights,) = (tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    array = numpy_helper.to_array(weights).copy()
    array[4, 0] *= factor
    weights.CopyFrom(numpy_helper.from_array(array, weights.name))
    onnx.save(model, target)


def test_a_changed_weight_is_found_and_named(command, stages, squares_set, tmp_path, capsys):
    network, _, c = stages
    spoil(network, tmp_path / "wrong.onnx", 1.001)
    assert command("prove", tmp_path / "wrong.onnx", c, "--data", squares_set) == 1
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "NOT proved"
    assert "C against wrong" in text
    assert "first at map" in text


def test_a_picture_rule_of_their_own_is_found(command, stages, squares_set, capsys):
    _, folded, c = stages
    file = c / "folded.c"
    source = file.read_text()
    assert source.count("{weight / 2, weight / 2, weight / 2}") == 1
    file.write_text(source.replace("{weight / 2, weight / 2, weight / 2}", "{0, 0, 0}"))
    # The set has the network's own size, where nothing is rounded: two pictures become smaller.
    for picture in sorted((squares_set / "JPEGImages").iterdir())[:2]:
        Image.open(picture).resize((90, 60)).save(picture)
    for label in sorted((squares_set / "Annotations").iterdir())[:2]:
        text = label.read_text().replace("<width>96", "<width>90").replace("t>64", "t>60")
        label.write_text(text.replace("<xmax>96", "<xmax>90").replace("<ymax>64", "<ymax>60"))
    assert command("prove", folded, c, "--data", squares_set, "--trust", "--json") == 1
    rows = {row["stage"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["C"]["passed"]
    assert not rows["C picture rule"]["passed"]
    assert 0.003 < rows["C picture rule"]["worst"] < 0.005  # one step of 255


def test_bad_requests(command, stages, square_finder, squares_set, tmp_path, capsys):
    assert command("prove", square_finder) == 2
    assert "--data" in capsys.readouterr().err
    assert command("prove", tmp_path, "--data", squares_set) == 2
    assert "tatami" in capsys.readouterr().err
    assert command("prove", square_finder, "--data", tmp_path / "none") == 2
    assert "none" in capsys.readouterr().err
    model = onnx.load(square_finder)
    for entry in model.metadata_props:
        if entry.key == "tatami.decoding":
            entry.value = entry.value.replace("0.45", "0.5")
    onnx.save(model, tmp_path / "other.onnx")
    assert command("prove", square_finder, tmp_path / "other.onnx", "--data", squares_set) == 2
    assert "differ in their decoding" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["aarch64", "wasm"])
def test_another_machine_is_proved_by_emulation(command, stages, squares_set, capsys, target):
    lacks = missing(TARGETS[target])
    if lacks is not None:
        pytest.skip(f"{lacks} is not installed")
    _, folded, c = stages
    arguments = ("prove", folded, c, "--data", squares_set, "--on", target, "--json")
    assert command(*arguments) == 0
    rows = {row["stage"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    kinds = [name for name in rows if name.startswith(f"C {target} ")]
    assert f"C {target} portable" in kinds
    assert len(kinds) == 1 + len(TARGETS[target].variants)
    assert all(rows[kind]["held_to"] == "folded" for kind in kinds)
    assert all(rows[kind]["worst"] <= rows[kind]["bound"] for kind in kinds)


def test_a_machine_that_is_not_emulated_is_refused(command, stages, squares_set, capsys):
    assert command("prove", *stages, "--data", squares_set, "--on", "x86-64") == 2
    assert "riscv64" in capsys.readouterr().err


def test_rows_of_kernels_say_what_they_compute_in_and_are_whole(
    command, square_finder, squares_set, tmp_path, capsys
):
    long = "a-network-whose-name-is-longer-than-its-column"
    folded, c = tmp_path / f"{long}.onnx", tmp_path / "c"
    assert command("fold", square_finder, "-o", folded) == 0
    assert command("ship", folded, "-o", c, "--no-build") == 0
    capsys.readouterr()
    assert command("prove", folded, c, "--data", squares_set, "--variants") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    columns = [slice(1, lines[1].index("reference")),
               slice(lines[1].index("reference"), lines[1].index("worst"))]  # fmt: skip
    names, references = ("".join(line[column].strip() for line in lines) for column in columns)
    assert long in names
    assert long in references
    assert "C floatportable" in names
    assert "…" not in names + references
