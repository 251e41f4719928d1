"""What is released is whole: a wheel and a source distribution, built and installed from nothing.

Nothing is downloaded: the wheel is built by the setuptools that is here, and the fresh environment
borrows the installed dependencies, but not the project.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import tatami
from tatami.graph.network import Network
from tests.browser import tab_of

PROJECT = Path(__file__).resolve().parent.parent
KEPT = ("tatami", "tests", "docs", "examples", "benchmarks")
NOT_KEPT = shutil.ignore_patterns("__pycache__", "*.egg-info")
BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, sys.argv[1])(sys.argv[2]))
"""


def without_paths() -> dict[str, str]:
    """Give the environment without the paths that tests import by."""
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PYTHONUNBUFFERED": "1",
    }


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program that must succeed."""
    done = subprocess.run(command, cwd=cwd, env=without_paths(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheel and a source distribution of the project as it lies here."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in KEPT:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, source / name, ignore=NOT_KEPT)
    for path in PROJECT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    wheel, sdist = (
        out / run(sys.executable, "-c", BUILD, kind, out, cwd=source).split()[-1]
        for kind in ("build_wheel", "build_sdist")
    )
    return wheel, sdist


@pytest.fixture(scope="module")
def installed(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel and nothing else of ours."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment)
    python = environment / "bin" / "python"
    install = ("-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    run(sys.executable, *install, distributions[0], cwd=environment)
    # A path of a .pth file is searched, but the .pth files in it, as our own, are not read.
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


def test_the_wheel_holds_all_that_lies_beside_the_code(distributions: tuple[Path, Path]) -> None:
    here = {
        str(path.relative_to(PROJECT))
        for path in (PROJECT / "tatami").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {Path(name).suffix for name in here} >= {".py", ".c", ".h", ".S", ".ld", ".css"}
    with zipfile.ZipFile(distributions[0]) as wheel:
        packed = set(wheel.namelist())
    assert here <= packed
    assert {name.split("/")[0].split("-")[0] for name in packed} == {"tatami", "tatami_nn"}


def test_the_wheel_says_what_it_is(distributions: tuple[Path, Path]) -> None:
    wheel, _ = distributions
    assert wheel.name == f"tatami_nn-{tatami.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        about = Parser().parsestr(packed.read(name).decode())
    assert (about["Name"], about["Version"]) == ("tatami-nn", tatami.__version__)
    assert about["License-Expression"] == "Apache-2.0"
    # An extra that names another extra names it by the distribution's own name.
    wanted = about.get_all("Requires-Dist")
    assert any(line.startswith("tatami-nn[") for line in wanted)
    assert not any(line.startswith("tatami[") for line in wanted)


def test_the_source_distribution_can_be_tested(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[1]) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {"pyproject.toml", "Makefile", "constraints.txt", "LICENSE", "README.md"} <= names
    assert {"tests/test_package.py", "tests/fuzz/ppm.c", "docs/results.md"} <= names
    assert "docs/lessons/figures/im2col.svg" in names


def test_the_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "tatami", "--version", cwd=tmp_path).strip() == (
        f"tatami {tatami.__version__}"
    )
    found = run(installed / "python", "-c", "import tatami; print(tatami.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(installed.parent)


@pytest.mark.slow
def test_the_installed_studio_opens(
    installed: Path, tmp_path: Path, small_detector: Callable[..., Network]
) -> None:
    """All modules of its page are found where the wheel put them, one beside the other's page."""
    small_detector(tmp_path / "net.onnx")
    command = [str(installed / "tatami"), "studio", str(tmp_path / "net.onnx")]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=without_paths()
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with tab_of(address.split("#")[0], address, "#graph g") as tab:
            tab.locator("nav a[data-page=lessons]").click()
            tab.wait_for_selector("#out")
            tab.locator("nav a[data-page=picture]").click()
            tab.locator("#pad").click()  # of pictures.mjs, which the page for browsers has, too
            assert tab.locator("#canvas").is_visible()
        process.terminate()


def test_the_installed_command_ships_a_network(installed: Path, tmp_path: Path) -> None:
    """The kernels in C are found where the wheel put them."""
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["images"], ["map"])],
        "net",
        [helper.make_tensor_value_info("images", kind, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("map", kind, (1, 3, 8, 8))],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "net.onnx")
    run(installed / "tatami", "ship", "net.onnx", "--out", "c", cwd=tmp_path)
    assert any((tmp_path / "c").glob("*.c"))
