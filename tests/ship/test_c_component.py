"""A shipped folder is a component: other builds take it as it is, and a device tests itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tatami import graph
from tatami.pipeline.ship import ship
from tatami.ship.c.build import WARNINGS, build_for
from tatami.ship.c.targets import TARGETS, missing
from tatami.types import Size

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture(scope="module")
def shipped(
    tmp_path_factory: pytest.TempPathFactory, small_detector: Any, small_spec: Any, quantized: Any
) -> dict[str, Path]:
    """The folders of a network in float32 and in 8 bits, both of the name "own"."""
    place, folders = tmp_path_factory.mktemp("component"), {}
    for kind in ("float32", "int8"):
        file = place / kind / "own.onnx"
        file.parent.mkdir()
        network = small_detector(file, small_spec(Size(64, 32)))
        if kind == "int8":
            graph.write(quantized(network), file)
        folders[kind] = ship(file, file.parent / "own", build=False).path
    return folders


@pytest.fixture
def folder(shipped: dict[str, Path]) -> Path:
    return shipped["int8"]


def damaged(folder: Path, place: Path) -> Path:
    """Copy a folder, with another digit in the first weight."""
    shutil.copytree(folder, place)
    weights = (place / "own_weights.c").read_text()
    first = weights.index("{\n") + 2
    digit = next(at for at in range(first, len(weights)) if weights[at].isdigit())
    other = "1" if weights[digit] != "1" else "2"
    (place / "own_weights.c").write_text(weights[:digit] + other + weights[digit + 1 :])
    return place


def answer(folder: Path, program: Path, *options: str, target: str = "any") -> int:
    machine, strict = TARGETS[target], ("-O2", *WARNINGS, "-DOWN_SELFTEST_MAIN", *options)
    build_for(machine, folder, "own", program, main="own_selftest.c", options=strict)
    return subprocess.run([*machine.runner, program], check=False).returncode


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_the_machine_says_whether_it_computes_right(
    shipped: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    assert answer(shipped[kind], tmp_path / "good", *checks) == 0
    assert answer(damaged(shipped[kind], tmp_path / "own"), tmp_path / "bad") == 1


def test_a_board_says_so_too(folder: Path, tmp_path: Path) -> None:
    if missing(TARGETS["cortex-m7"]) is not None:
        pytest.skip("there is no compiler or emulator of a Cortex-M7")
    assert answer(folder, tmp_path / "good", target="cortex-m7") == 0
    changed = damaged(folder, tmp_path / "own")
    assert answer(changed, tmp_path / "bad", target="cortex-m7") == 1


def test_cmake_takes_it_alone_and_within_another_project(folder: Path, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("there is no cmake: apt-get install cmake")

    def run(*command: str | Path) -> None:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run("cmake", "-S", folder, "-B", "alone", "-DCMAKE_C_FLAGS=-O1")
    run("cmake", "--build", "alone")
    run("ctest", "--test-dir", "alone", "--no-tests=error")
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.c").write_text(
        '#include "own.h"\n'
        "int main(void) { return own_detect(0, 1, 1, 0.5f, 0, 0) == -1 ? 0 : 1; }\n"
    )
    (app / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(app C ASM)\n"
        f'add_subdirectory("{folder}" own)\nadd_executable(app main.c)\n'
        "target_link_libraries(app PRIVATE own)\n"
    )
    run("cmake", "-S", app, "-B", "within", "-DCMAKE_C_FLAGS=-O1")
    run("cmake", "--build", "within")
    run(tmp_path / "within" / "app")


def test_a_build_that_takes_every_file_finds_one_main(folder: Path, tmp_path: Path) -> None:
    """As Arduino's does, whose sketch is C++ and calls the network through its header."""
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    objects = []
    for source in sorted(folder.glob("*.c")):
        objects.append(tmp_path / f"{source.stem}.o")
        line = ["cc", "-std=gnu11", "-O1", *WARNINGS, "-DARDUINO=10607", "-c", source]
        subprocess.run([*line, "-o", objects[-1]], cwd=folder, check=True)
    sketch = tmp_path / "sketch.cpp"
    sketch.write_text(
        '#include <own.h>\nextern "C" int own_selftest(void);\n'
        "int main() { return own_selftest(); }\n"
    )
    command = ["c++", *WARNINGS, f"-I{folder}", sketch, *objects, "-lm", "-o", tmp_path / "sketch"]
    subprocess.run(command, check=True)
    assert subprocess.run([tmp_path / "sketch"], check=False).returncode == 0
    assert "includes=own.h\n" in (folder / "library.properties").read_text()


def test_every_file_that_a_build_names_is_there(folder: Path) -> None:
    library = json.loads((folder / "library.json").read_text())
    kept = [name[2:-1] for name in library["build"]["srcFilter"] if name.startswith("+")]
    assert sorted(kept) == ["own.c", "own_selftest.c", "own_weights.c"]
    assert all((folder / name).is_file() for name in (*kept, library["headers"]))
    for file in ("CMakeLists.txt", "README.md", "idf_component.yml", "zephyr/module.yml"):
        content = (folder / file).read_text()
        assert "@" not in content, file
        assert "net_" not in content, file
    assert "CONFIG_OWN" in (folder / "CMakeLists.txt").read_text()
    assert (folder / "zephyr" / "Kconfig").read_text().startswith("config OWN\n\tbool ")


def test_the_arena_lies_where_the_caller_says(folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "far"
    attribute = '-DOWN_ARENA_ATTRIBUTE=__attribute__((section(".far")))'
    assert answer(folder, program, attribute) == 0
    listed = subprocess.run(["objdump", "-t", program], capture_output=True, text=True, check=True)
    (arena,) = (line for line in listed.stdout.splitlines() if line.endswith(" own_arena"))
    assert ".far" in arena


def test_the_same_network_gives_the_same_bytes_and_no_path_of_this_machine(
    folder: Path, tmp_path: Path
) -> None:
    again = ship(folder.parent / "own.onnx", tmp_path / "own", build=False).path
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    assert {str(file.relative_to(again)) for file in again.rglob("*") if file.is_file()} == set(
        files
    )
    for name, file in files.items():
        content = file.read_bytes()
        assert content == (again / name).read_bytes(), name
        assert str(folder.parent).encode() not in content, name
