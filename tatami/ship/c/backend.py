"""C as a back end: C99 that needs no runtime, for any machine with a compiler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tatami.errors import TatamiError
from tatami.rules.regions import Propose
from tatami.ship.backend import Backend, Programs, Running, Shipped
from tatami.ship.c.build import build
from tatami.ship.c.component import component
from tatami.ship.c.emit import NetworkInC, PlanInC, emit_plan, plan_programs
from tatami.ship.c.files import DESCRIPTION
from tatami.ship.c.footprint import FootprintInC, footprint
from tatami.ship.c.names import c_name
from tatami.ship.c.operator import DEFAULT, WEIGHTS, Options
from tatami.ship.c.run.description import describe, describe_joined
from tatami.ship.c.run.network import HOST, CompiledNetwork, source_size
from tatami.ship.c.run.predictor import Machine
from tatami.ship.c.targets import TARGETS, target_of, variants_for
from tatami.types import Spec


class C(Backend[NetworkInC, Options]):
    """Ship C99 that needs no runtime, with kernels for the target's processor."""

    name = "c"
    what = "C99 that needs no runtime"

    def targets(self) -> Mapping[str, str]:
        """Name the machines of ship/c/targets.py."""
        return {name: target.what for name, target in TARGETS.items()}

    def emulated(self) -> tuple[str, ...]:
        """Name the targets with an emulator."""
        return tuple(name for name, target in TARGETS.items() if target.runner)

    def options(self, **settings: Any) -> Options:
        """Make options of ``target``, ``threads`` and ``weights``, each usual where it is absent.

        Raises:
            TatamiError: For a setting or a value that there is not.
        """
        known = {field.name for field in fields(Options)}
        for setting in settings:
            if setting not in known:
                raise TatamiError(
                    "C has no such setting", hint=f"it has {', '.join(known)}", setting=setting
                )
        options = Options(**settings)
        target_of(options.target)
        if options.weights not in WEIGHTS:
            raise TatamiError(
                f"no weights are written as '{options.weights}'",
                hint=f"give one of {', '.join(WEIGHTS)}",
                setting="weights",
            )
        if options.threads < 1:
            raise TatamiError("no program has no thread", hint="give 1 or more", setting="threads")
        return options

    def name_of(self, text: str) -> str:
        """Make a C name: ``YOLO tiny-2`` becomes ``yolo_tiny_2``."""
        return c_name(text)

    def plan(
        self,
        programs: Programs,
        name: str,
        options: Options = DEFAULT,
        task: object | None = None,
    ) -> PlanInC:
        """Say what becomes of programs: every kind of step has C."""
        return plan_programs(programs, name, options, self.added_by(task))

    def emit(self, plan: PlanInC) -> Shipped:
        """Write header, source, weights, example, and what is needed to open the folder again."""
        return emit_plan(plan)

    def beside(self, plan: PlanInC) -> Mapping[str, str]:
        """Write what makes the folder a component of other builds, and the test of a device."""
        return component(plan)

    def footprint(self, plan: PlanInC, shipped: Shipped) -> FootprintInC:
        """Say how much RAM and flash it takes, measured where there is the target's compiler."""
        return footprint(plan, shipped)

    def build(self, plan: PlanInC, shipped: Shipped, folder: Path) -> str | None:
        """Compile the example, for a target that is this machine."""
        if shipped.example is None or target_of(plan.options.target).compiler:
            return None
        names = [network.name for network in plan.networks.values()]
        build(
            folder,
            plan.name,
            folder / shipped.example,
            threads=plan.options.threads,
            networks=() if names == [plan.name] else names,
        )
        return shipped.example

    def wrote(self, folder: Path) -> bool:
        """Say whether there is a network.json."""
        return (folder / DESCRIPTION).is_file()

    def spec(self, folder: Path) -> Spec | None:
        """Read the spec in network.json."""
        joined = describe_joined(folder)
        return describe(folder).spec if joined is None else joined.spec

    def variants(self, folder: Path, target: str | None = None) -> tuple[str, ...]:
        """Name the kinds of kernels of kernels/variant.c that a folder's program may use."""
        joined = describe_joined(folder)
        shipped_for = describe(folder).target if joined is None else joined.target
        return variants_for(shipped_for, target or "any")

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
        """Compile a folder to a temporary one, and run it."""
        machine = Machine(variant, target or HOST, find, built)
        added = self.added_by(task)
        joined = describe_joined(folder)
        if joined is None:
            spec = describe(folder).spec
            if added is None or spec is None:
                network = CompiledNetwork(folder, variant=variant, target=machine.target)
                return Running(spec, {"": network}, None, None, network.size)
            one = added.open(folder, machine)
            one.network.built = built
            return Running(spec, {"": one.network}, one, one.own_rule, one.network.size)
        structure = None if added is None else added.structure(joined.spec)
        if structure is None:
            raise TatamiError(
                "the folder holds several networks", hint="open it as its task", file=folder
            )
        networks = {
            part: CompiledNetwork(
                folder, variant=variant, target=machine.target, part=f"{joined.name}_{part}"
            )
            for part in structure.parts(joined.spec)
        }
        board = target is not None and bool(target_of(target).board)
        whole = None if board else structure.open(folder, machine)  # a board reads no pictures
        rule = None if whole is None else whole.own_rule
        return Running(joined.spec, networks, whole, rule, source_size(folder, joined.name))
