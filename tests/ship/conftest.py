"""Folders of the C emitted for small networks."""

import shutil
import subprocess
from dataclasses import replace

import pytest

from tatami.program.lower import lower
from tatami.ship.c.emit import emit
from tatami.ship.c.operator import DEFAULT
from tatami.tasks.table import task_of


def _ship(network, folder, name, weights, options=DEFAULT):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    task = None if network.spec is None else task_of(network.spec).c
    shipped = emit(lower(network), name, replace(options, weights=weights), task)
    for file, content in shipped.files.items():
        (folder / file).write_bytes(content)
    return folder


@pytest.fixture
def ship_to(tmp_path_factory):
    """Write a network as a folder of C and return it: ``ship_to(network, weights="array")``."""

    def write(network, name="net", weights="auto", options=DEFAULT):
        return _ship(network, tmp_path_factory.mktemp("c"), name, weights, options)

    return write


@pytest.fixture(scope="module")
def module_ship_to(tmp_path_factory):
    """The same, for folders that a module's tests share."""

    def write(network, name="net", weights="auto", options=DEFAULT):
        return _ship(network, tmp_path_factory.mktemp("c"), name, weights, options)

    return write


@pytest.fixture(params=["gcc", "clang"])
def each_compiler(request):
    """gcc, then clang: as a command that works."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    subprocess.run([request.param, "--version"], check=True, capture_output=True)
    return [request.param]
