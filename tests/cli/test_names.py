"""Names out of foreign files: nothing hidden in them acts on a terminal, in JSON or on a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import helper

from tatami import graph
from tatami.cli.output import bars, print_json, print_lines, print_table
from tatami.errors import TatamiError, printable
from tatami.pipeline.predict import predict
from tatami.see.html import lines_html, table_html
from tatami.types.names import as_class_name
from tatami.types.table import Table, numbers, words

Command = Callable[..., int]
HOSTILE = ("\x1b[2J", "\x9b31m", "\u202egnp.exe", "\u2066a\u2069", "\u200b", "\ufeff", "\x7f")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hidden_is_printed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    named = f"cat {text}."
    table = Table((words(named), *numbers("n")), ((named, "1"),), total=(named, ""), title=named)
    print_table(table)
    print_lines([named])
    print_json({"name": named})
    with bars() as progress:
        progress(named, 0, 0)
    out, err = capsys.readouterr()
    assert json.loads(out[out.index("{") :]) == {"name": named}
    page = table_html(table) + lines_html([named])
    hidden = [letter for letter in text if not letter.isprintable()]
    assert hidden
    for letter in hidden:
        assert letter not in out + err + page + str(TatamiError(named, hint="x"))
        assert printable(letter) in out
        assert printable(letter) in page


def test_what_is_meant_to_be_seen_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table((words("name"),), (("畳 é [b] \N{CAT FACE}\nbelow",),))
    print_table(table)
    print_lines(["one\ntwo 畳"])
    out = capsys.readouterr().out
    assert "畳 é [b] \N{CAT FACE}" in out
    assert "below" in out
    assert "one\ntwo 畳" in out
    assert "<br>below" in table_html(table)


@pytest.mark.parametrize("name", ["", " ", "a\x1b[2Jb", "a\nb", "a\u2028b", "\ud800", "\x85a\x00"])
def test_a_class_of_a_network_has_a_name_as_one_of_a_set(
    name: str, square_finder: Path, tmp_path: Path
) -> None:
    assert as_class_name(name) is None
    model = onnx.load(square_finder)
    props = {prop.key: prop.value for prop in model.metadata_props}
    props["tatami.classes"] = json.dumps(["red", name])
    helper.set_model_props(model, props)
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(TatamiError, match=r"tatami\.classes has a name that is empty, unprint"):
        graph.read(tmp_path / "bad.onnx")


def test_a_class_that_turns_the_line_is_shown_escaped(
    command: Command,
    square_finder: Path,
    house: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network = graph.read(square_finder)
    assert network.spec is not None
    spec = replace(network.spec, classes=("red", "\u202eneerg"))
    graph.write(replace(network, spec=spec), tmp_path / "n.onnx")
    picture = tmp_path / "a\u202egpj.jpg"
    picture.write_bytes((house / "picture.jpg").read_bytes())
    assert command("predict", tmp_path / "n.onnx", picture, "-o", tmp_path / "out") == 0
    assert command("evaluate", tmp_path / "n.onnx", "--data", house / "set", "--split", "test") == 2
    assert command("summary", tmp_path / "n.onnx") == 0
    out, err = capsys.readouterr()
    assert "\u202e" not in out + err
    assert "a\\u202egpj.jpg" in out
    assert "\u202e" not in predict(tmp_path / "n.onnx", picture)._repr_html_()
