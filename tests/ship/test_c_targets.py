"""What is shipped compiles without a warning for every machine, and its Makefile has the flags."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tatami.program.lower import lower
from tatami.ship.c.build import WARNINGS
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import Options
from tatami.ship.c.targets import TARGETS, missing
from tatami.tasks.table import DETECTION
from tests.ship.test_c_operators import PROGRAMS

CROSS = {name: target for name, target in TARGETS.items() if target.compiler}
MORE = {
    # processors of the same compiler that have more, or less, than the target's own flags say
    "wasm": ((),),
    "aarch64": (("-mcpu=cortex-a76",), ("-march=armv8.2-a+dotprod",)),
    "armhf": ((),),
    "cortex-m7": (TARGETS["cortex-m4"].options, ("-mcpu=cortex-m0", "-mthumb")),
}
APART = [name for name in CROSS if name != "cortex-m4"]  # whose program is the one for an M7


def compiler_of(name):
    lacks = missing(TARGETS[name])
    if lacks is not None:
        pytest.skip(f"no {lacks}: apt-get install {TARGETS[name].package}")
    return TARGETS[name].compiler


def written(files, folder):
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return sorted(file for file in files if file.endswith((".c", ".S")))


@pytest.mark.parametrize("shipped_for", ["own", pytest.param("any", marks=pytest.mark.slow)])
@pytest.mark.parametrize("machine", APART)
def test_no_warning_for_any_machine(
    machine, shipped_for, tmp_path, small_detector, small_spec, quantized
):
    command, target = compiler_of(machine), TARGETS[machine]
    options = Options(machine if shipped_for == "own" else "any", weights="array")
    darknet = small_detector(tmp_path / "b.onnx", small_spec(filter="darknet"))
    detectors = {"float": small_detector(tmp_path / "a.onnx"), "darknet": darknet}
    detectors["int8"] = quantized(detectors["float"])
    shipped = {
        name: emit(lower(network), "net", options, DETECTION.c)
        for name, network in detectors.items()
    } | {f"steps in {name}": emit(make(), "net", options) for name, make in PROGRAMS.items()}
    for place, (name, one) in enumerate(shipped.items()):
        folder = tmp_path / str(place)
        sources = written(one.files, folder)
        for flags in (target.options, *MORE.get(machine, ())):
            line = [*command, "-std=c99", "-O2", *WARNINGS, *flags, "-c", *sources]
            built = subprocess.run(line, cwd=folder, capture_output=True, text=True)
            assert built.returncode == 0, f"{name}, {flags}: {built.stderr[:2000]}"


@pytest.mark.parametrize("machine", TARGETS)
def test_the_makefile_has_the_flags_of_the_machine(machine, tmp_path, small_detector):
    program = lower(small_detector(tmp_path / "n.onnx"))
    target = TARGETS[machine]
    for task, first in ((DETECTION.c, "net_detect"), (None, "net.o")):
        text = emit(program, "net", Options(machine), task).files["Makefile"].decode()
        assert f"CFLAGS = {' '.join(('-O3', *target.options))}\n" in text
        named = [name for name in CROSS if f"# for {name}, here: make" in text]
        if target.compiler:
            assert target.compiler[0] in text
            assert set(named) <= {machine}
        else:  # it runs on all of them
            assert named == list(CROSS)
            assert all(" ".join(("-O3", *each.options)) in text for each in CROSS.values())
        assert f"{'net.o' if target.board else first}: " in text


@pytest.mark.parametrize("machine", CROSS)
def test_make_builds_for_another_machine(machine, tmp_path, small_detector):
    command = compiler_of(machine)
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    program = lower(small_detector(tmp_path / "n.onnx"))
    for place, task in enumerate((DETECTION.c, None)):
        folder = tmp_path / str(place)
        files = emit(program, "net", Options(machine), task).files
        written(files, folder)
        line = ["make", "-C", str(folder), f"CC={' '.join(command)}"]
        subprocess.run(line, check=True, capture_output=True)
        subprocess.run([*line, "objects"], check=True, capture_output=True)
        assert (folder / "net_weights.o").is_file()
        example = task is not None and not TARGETS[machine].board
        assert (folder / "net_detect").is_file() == example
