"""``tatami ship`` as a person runs it."""

import json
import shutil
import subprocess

import numpy as np
import onnx
import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def test_a_folder_that_finds_squares(command, square_finder, tmp_path, write_squares, capsys):
    folder = tmp_path / "out" / "c"
    assert command("ship", square_finder, "-o", folder) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert "1.00 x" in text
    assert f"{7 * 3 * 32 * 32 * 6:,}" in text  # multiply-adds
    files = {file.name for file in folder.iterdir()}
    assert files == {
        "squares.h", "squares.c", "squares_weights.c", "main.c", "proof.c", "Makefile",
        "network.json", "SHA256SUMS", "squares_detect",
        "README.md", "CMakeLists.txt", "library.json", "library.properties", "idf_component.yml",
        "zephyr", "squares_selftest.c",
    }  # fmt: skip

    write_squares(tmp_path / "one.jpg", [("green", 1, 2)])
    Image.open(tmp_path / "one.jpg").save(tmp_path / "one.ppm")
    result = subprocess.run(
        [folder / "squares_detect", tmp_path / "one.ppm"], capture_output=True, text=True
    )
    (title, box) = result.stdout.splitlines()
    assert title.endswith("one.ppm 1")
    score, *edges, label, name = box.split()
    assert float(score) > 0.9
    np.testing.assert_allclose([float(edge) for edge in edges], [64, 32, 96, 64], atol=1e-3)
    assert (label, name) == ("1", "green")


def test_json_name_and_binary_weights_without_a_compiler(
    command, square_finder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("CC", "no-such-compiler")
    folder = tmp_path / "c"
    options = ("--name", "finder", "--weights", "binary", "--json", "--no-build")
    assert command("ship", square_finder, "-o", folder, *options) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["name"], answer["output"]) == ("finder", str(folder))
    assert answer["arena"] >= answer["lower_bound"] > 4 * 3 * 64 * 96
    assert (folder / "finder_weights.bin").stat().st_size == answer["weights"]
    assert answer["steps"][0]["parameters"] == 7 * 3 * 32 * 32 + 7


def test_an_older_folder_is_replaced_and_a_stranger_is_not(
    command, square_finder, tmp_path, capsys
):
    folder = tmp_path / "c"
    assert command("ship", square_finder, "-o", folder, "--no-build") == 0
    assert command("ship", square_finder, "-o", folder, "--no-build", "--name", "b") == 0
    assert not (folder / "squares.c").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    assert command("ship", square_finder, "-o", tmp_path / "mine") == 2
    assert "did not write it" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


def test_bad_requests_are_one_line_and_leave_nothing(
    command, square_finder, tmp_path, capsys, monkeypatch
):
    folder = tmp_path / "c"
    model = onnx.load(square_finder)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    (tmp_path / "cut.onnx").write_bytes(square_finder.read_bytes()[:5000])
    cases = [
        (("ship", square_finder), "-o"),
        (
            ("ship", square_finder, "-o", folder, "--to", "fpga"),
            "--to: nothing ships to 'fpga' (give one of c, rtl, wasm)",
        ),
        (("ship", square_finder, "-o", folder, "--weights", "text"), "binary"),
        (("ship", square_finder, "-o", folder, "--name", "stdio"), "stdio"),
        (("ship", tmp_path / "none.onnx", "-o", folder), "none.onnx"),
        (("ship", square_finder, "-o", folder, "--target", "z80"), "cortex-m7"),
        (("ship", square_finder, "-o", folder, "--ram", "1 bit"), "512K"),
        (("ship", tmp_path / "cut.onnx", "-o", folder), "cut.onnx"),
    ]
    for arguments, named in cases:
        assert command(*arguments) == 2
        error = capsys.readouterr().err
        assert named in error
        assert error.count("\n") == 1
    monkeypatch.setenv("CC", "no-such-compiler")
    assert command("ship", square_finder, "-o", folder) == 2
    assert "no C compiler" in capsys.readouterr().err
    assert not folder.exists()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_a_network_of_another_program_ships_without_rules_for_boxes(
    command, square_finder, tmp_path, capsys
):
    model = onnx.load(square_finder)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    folder = tmp_path / "c"
    assert command("ship", tmp_path / "bare.onnx", "-o", folder) == 0
    header = (folder / "bare.h").read_text()
    assert "void bare_forward(" in header
    assert "bare_detect" not in header


@pytest.mark.parametrize(
    ("option", "limit", "what"), [("--ram", "64K", "RAM"), ("--flash", "20k", "flash")]
)
def test_a_device_that_is_too_small_is_told_the_layers(
    command, square_finder, tmp_path, capsys, option, limit, what
):
    folder = tmp_path / "c"
    assert command("ship", square_finder, "-o", folder, option, limit, "--no-build") == 2
    *table, last = capsys.readouterr().err.splitlines()
    (title,) = (line for line in table if "layers that cost most" in line)
    assert title.rstrip().endswith(f"bytes of {what}")
    assert any(line.startswith(" beside all layers: ") for line in table)
    # The picture is 73,728 bytes of floats beside a map of 168; the weights are 86,044.
    need = 4 * 3 * 64 * 96 if what == "RAM" else 4 * (7 * 3 * 32 * 32 + 7)
    (row,) = (line for line in table if line.startswith(" map "))
    assert int(row.split()[-1].replace(",", "")) >= need
    assert f"bytes of {what}, and there are {int(limit[:-1]) * 1024:,}" in last
    assert "squares.onnx" in last
    assert not list(tmp_path.glob("c*"))  # nothing was written


def test_a_device_that_is_large_enough(command, square_finder, tmp_path, capsys):
    limits = ("--ram", "2M", "--flash", "1MiB")
    assert command("ship", square_finder, "-o", tmp_path / "c", *limits, "--no-build") == 0
    text = capsys.readouterr().out
    assert "bytes of RAM and" in text
    assert "of flash, as compiled" in text
