"""The engine in Verilog as a person meets it: shipped, proved, evaluated, counted; and refused."""

import json
from pathlib import Path

import pytest

from tatami.ship.rtl.simulate import has_verilator

pytestmark = pytest.mark.skipif(not has_verilator(), reason="needs Verilator and a C++ compiler")
ENGINE = "LANES=4,MAP=8192,RING=11,ACC=32"
"""That of tests/ship/test_rtl.py, whose simulator is built once."""


@pytest.fixture
def integers(command, square_finder, squares_set, tmp_path, capsys):
    """The finder of squares in 8 bits."""
    file = tmp_path / "int8.onnx"
    assert command("fold", square_finder, "-o", tmp_path / "folded.onnx") == 0
    quantize = ("quantize", tmp_path / "folded.onnx", "--data", squares_set, "-o", file)
    assert command(*quantize) == 0
    capsys.readouterr()
    return file


def test_from_a_file_to_a_proved_engine(command, integers, squares_set, tmp_path, capsys):
    folder = tmp_path / "rtl"
    assert command("ship", integers, "--to", "rtl", "--rtl", ENGINE, "-o", folder, "--json") == 0
    shipped = json.loads(capsys.readouterr().out)
    written = {str(file.relative_to(folder)) for file in folder.rglob("*")}
    assert {"tatami_core.v", "rtl.json", "driver/int8_rtl.bin", "driver/main.c"} <= written
    assert f".LANES({4})" in (folder / "README.md").read_text()

    assert command("summary", integers, "--rtl", ENGINE, "--json") == 0
    counted = json.loads(capsys.readouterr().out)
    assert counted["cycles"] == shipped["cycles"]
    assert counted["multiply_adds"] == 7 * 3 * 32 * 32 * 6
    assert sum(one["cycles"] for one in counted["layers"]) < counted["cycles"]
    assert command("summary", integers, "--rtl", ENGINE) == 0
    assert f"{counted['cycles']:,} cycles a frame on 144 multipliers" in capsys.readouterr().out

    stages = (integers, folder)
    proving = ("prove", *stages, "--rtl", ENGINE, "--data", squares_set, "--json")
    assert command(*proving) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["stage"] for row in rows] == [
        "int8", "RTL", "RTL boxes", "RTL 4x1", "RTL 4x1 boxes",
    ]  # fmt: skip
    assert [row["worst"] for row in rows[1:]] == [0, 0, 0, 0]
    assert rows[1]["mean_ap"] == rows[0]["mean_ap"] == 1

    assert command("evaluate", folder, "--data", squares_set, "--json") == 0
    assert json.loads(capsys.readouterr().out)["map_voc10"] == 1


def test_a_wrong_weight_is_found(command, integers, squares_set, tmp_path, capsys):
    folder = tmp_path / "rtl"
    assert command("ship", integers, "--to", "rtl", "--rtl", ENGINE, "-o", folder) == 0
    loaded = folder / "driver" / "int8_rtl.bin"
    content = bytearray(loaded.read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 144):  # a row, of all lanes
        content[place] ^= 1
    loaded.write_bytes(content)
    capsys.readouterr()
    proving = ("prove", integers, folder, "--data", squares_set, "--pictures", "1")
    assert command(*proving) == 2
    assert "is not as it was shipped" in capsys.readouterr().err
    assert command(*proving, "--trust") == 1
    assert "NOT proved" in capsys.readouterr().out


def test_what_the_engine_cannot_do_is_said(
    command, integers, square_finder, squares_set, tmp_path, capsys
):
    folder: Path = tmp_path / "rtl"
    cases = [
        (("ship", square_finder, "--to", "rtl", "-o", folder), "a network in 8 bits: quantize it"),
        (("ship", integers, "--to", "rtl", "--rtl", "LANES=5", "-o", folder),
         "--rtl: no engine has LANES=5 (LANES is 4, 8, 16, 32 or 64)"),
        (("ship", integers, "--to", "rtl", "--rtl", "MAP=100", "-o", folder), "words of a bank"),
        (("ship", integers, "--to", "rtl", "--threads", "2", "-o", folder), "--threads"),
        (("ship", integers, "--to", "rtl", "--ram", "1M", "-o", folder), "--ram"),
        (("ship", integers, "--rtl", "LANES=4", "-o", folder), "--rtl: C has no such setting"),
        (("summary", integers, "--rtl", "LANES=4", "--width", "2"), "--width"),
        (("prove", square_finder, "--rtl", "LANES=4", "--data", squares_set), "--rtl: "),
    ]  # fmt: skip
    for arguments, named in cases:
        assert command(*arguments) == 2, arguments
        error = capsys.readouterr().err
        assert named in error
        assert error.count("\n") == 1
    assert not folder.exists()


def test_the_engine_that_fits_a_device(command, integers, capsys):
    assert command("summary", integers, "--fit", "zynq-7020", "--json") == 0
    fit = json.loads(capsys.readouterr().out)["fit"]
    assert fit["device"] == "zynq-7020"
    for what in ("multipliers", "blocks_of_18_kbit"):
        assert 0 < fit[what][0] <= fit[what][1]
    assert command("summary", integers, "--fit", "zynq-7020") == 0
    out = capsys.readouterr().out
    assert f"on zynq-7020: {fit['multipliers'][0]} of 220 multipliers" in out
    assert command("summary", integers, "--fit", "z80") == 2
    assert "--fit: no device is called 'z80' (there are zynq-7020" in capsys.readouterr().err
    assert command("summary", integers, "--fit", "zynq-7020", "--rtl", "LANES=4") == 2
    assert "--fit: a device chooses the engine's parameters" in capsys.readouterr().err
