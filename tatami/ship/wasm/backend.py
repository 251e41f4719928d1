"""WebAssembly as a back end: a static folder whose page runs the C that ships."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from tatami.errors import TatamiError
from tatami.rules.regions import Propose
from tatami.ship.backend import Files, Programs, Running, Shipped
from tatami.ship.c.backend import C
from tatami.ship.c.build import build_for
from tatami.ship.c.emit import PlanInC, emit_plan
from tatami.ship.c.files import PROOF
from tatami.ship.c.footprint import FootprintInC, footprint
from tatami.ship.c.operator import DEFAULT, Options
from tatami.ship.c.run.network import CompiledNetwork
from tatami.ship.c.targets import target_of
from tatami.ship.c.tasks.base import StructureInC, TaskInC
from tatami.types import Spec
from tatami.types.colors import COLORS

TARGET = "wasm"
SOURCES = "c"
"""The folder of the C, which the page does not need."""
PAGE = (
    *("index.html", "style.css", "app.mjs", "pictures.mjs", "tasks.mjs", "network.mjs"),
    "words.mjs",
)
SETTINGS = "page.json"
SHOWN = ("detect", "classify", "segment")
"""What page/tasks.mjs can ask: the names of the tasks' examples."""


class Wasm(C):
    """Ship a page for browsers, and the C that it runs."""

    name = "wasm"
    what = "a page for browsers, which runs the same C as WebAssembly"

    def added_by(self, task: object | None) -> Any:
        """Give what a task adds in C."""
        return C().added_by(task)

    def targets(self) -> Mapping[str, str]:
        """Name the only target."""
        return {TARGET: target_of(TARGET).what}

    def emulated(self) -> tuple[str, ...]:
        """Name nothing: C has it as a target."""
        return ()

    def options(self, **settings: Any) -> Options:
        """Make options of ``weights``; a browser's module has one target and one thread."""
        options = super().options(**{"target": TARGET, **settings})
        if options.target != TARGET or options.threads != 1:
            wrong = "threads" if options.target == TARGET else "target"
            raise TatamiError(
                f"a page has no such setting as {wrong}",
                hint="leave it out, or ship to c",
                setting=wrong,
            )
        return options

    def plan(
        self,
        programs: Programs,
        name: str,
        options: Options = DEFAULT,
        task: object | None = None,
    ) -> PlanInC:
        """Say what becomes of the only program, whose task the page must know."""
        plan = super().plan(programs, name, replace(options, target=TARGET), task)
        added = plan.added
        if isinstance(added, StructureInC) or not (
            isinstance(added, TaskInC) and added.name in SHOWN
        ):
            raise TatamiError(
                "the page shows detectors with one network, classifiers and segmenters alone",
                hint="ship C for the target wasm: it is the same, for a page of your own",
                setting="to",
            )
        return plan

    def emit(self, plan: PlanInC) -> Shipped:
        """Write the page, and the C in a folder of its own."""
        code = emit_plan(plan)
        (network,) = plan.networks.values()
        spec = network.program.spec
        assert spec is not None  # as plan says
        assert isinstance(plan.added, TaskInC)
        about = {
            "module": _module(plan.name),
            "task": plan.added.name,
            "classes": list(plan.added.names(spec)),
            "colors": COLORS,
        }
        page = resources.files("tatami.ship.wasm").joinpath("page")
        page_files = {file: page.joinpath(file).read_bytes() for file in PAGE}
        title = plan.name.replace("_", " ")
        page_files["index.html"] = page_files["index.html"].replace(b"@title@", title.encode())
        page_files[SETTINGS] = json.dumps(about, ensure_ascii=False, indent=1).encode() + b"\n"
        sources = {f"{SOURCES}/{file}": content for file, content in code.files.contents.items()}
        return Shipped(plan.name, Files({**page_files, **sources}), _module(plan.name))

    def beside(self, plan: PlanInC) -> Mapping[str, str]:
        """Write nothing: the C is the page's, not a component."""
        return {}

    def footprint(self, plan: PlanInC, shipped: Shipped) -> FootprintInC:
        """Say how much memory and code there is, as of C."""
        folder = f"{SOURCES}/"
        code = {
            file.removeprefix(folder): content
            for file, content in shipped.files.contents.items()
            if file.startswith(folder)
        }
        return footprint(plan, Shipped(plan.name, Files(code), None))

    def build(self, plan: PlanInC, shipped: Shipped, folder: Path) -> str:
        """Compile the module, without which there is no page."""
        module = _module(plan.name)
        build_for(
            target_of(TARGET),
            folder / SOURCES,
            plan.name,
            folder / module,
            main=PROOF,
            options=("-O3", f"-D{plan.name.upper()}_TRACE={plan.name}_trace"),
        )
        return module

    def wrote(self, folder: Path) -> bool:
        """Say whether there is a page, and C beside it."""
        return (folder / SETTINGS).is_file() and super().wrote(folder / SOURCES)

    def spec(self, folder: Path) -> Spec | None:
        """Read the spec in network.json."""
        return super().spec(folder / SOURCES)

    def variants(self, folder: Path, target: str | None = None) -> tuple[str, ...]:
        """Name the kinds of kernels of kernels/variant.c that the module has."""
        return super().variants(folder / SOURCES, TARGET)

    def open(
        self,
        folder: Path,
        task: object | None = None,
        *,
        variant: str | None = None,
        target: str | None = None,
        find: Propose | None = None,
        built: bool = True,
    ) -> Running:
        """Run the module in the folder by Node.js, or where it may not be run, one made anew."""
        running = super().open(
            folder / SOURCES, task, variant=variant, target=TARGET, find=find, built=built
        )
        for network in running.networks.values():
            assert isinstance(network, CompiledNetwork)
            module = folder / _module(network.description.name)
            if built and module.is_file():
                network.program = module
        return running


def _module(name: str) -> str:
    """Name what the page runs."""
    return f"{name}.wasm"
