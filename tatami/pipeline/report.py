"""Write what came of a training as one page that needs no network and no other file."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tatami import graph
from tatami.files import write_atomically
from tatami.graph.costs import costs
from tatami.pipeline.anchors import anchors_seen
from tatami.pipeline.artifact import Source, path_of, read_parts, read_run
from tatami.pipeline.explain import what_it_sees
from tatami.pipeline.ledger import Ledger
from tatami.pipeline.plan import held_out_of, reopened, validation_of
from tatami.pipeline.prove import ledger
from tatami.pipeline.stages import open_stage, stages_of
from tatami.program.forward import is_quantized
from tatami.see.plots import Layer
from tatami.see.report import Drawing, Report, render
from tatami.see.rows import LedgerRow, Stage
from tatami.train.run import EVALUATIONS, LOG, Run, read_rows
from tatami.types import Picture
from tatami.types.progress import Progress, quiet

NOTHING_ELSE = (
    "Nothing was held out: these are the pictures that the network learned from, and the figures "
    "say nothing about others."
)
"""What a page says of a run that has no other pictures."""

PAGE = "report.html"
UNITS = {"": "relative", "px": "pixels"}
"""How the page writes a ledger's units, where they are not clear by themselves."""


@dataclass(frozen=True)
class ReportResult:
    """A report that was written.

    Args:
        path: The page.
        page: Its content.
        passed: Whether every row of the ledger on it is within its bound.
    """

    path: Path
    page: Report
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """Say where the page is, and the figures at its top."""
        return {"page": str(self.path), "passed": self.passed, "summary": dict(self.page.summary)}

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own."""
        content = html.escape(self.path.read_text("utf-8"))
        return f'<iframe srcdoc="{content}" style="width: 100%; height: 640px"></iframe>'


def report(
    run: Source,
    out: str | Path | None = None,
    *,
    proof: Ledger | None = None,
    trust: bool = False,
    progress: Progress = quiet,
) -> ReportResult:
    """Write the page of a run: pictures, curves, the ledger, the layers, the provenance.

    The last thing that was made of the run, as a shipped program, looks at the run's test split.

    Args:
        run: A run folder, with what came of it.
        out: The page; None: report.html in the run folder.
        proof: The ledger of the run's stages, where it is made already; None: it is made here.
        trust: Whether to run shipped folders that this installation did not write.
        progress: Takes up how far it is.

    Raises:
        TatamiError: For a run that is not over, and without matplotlib.
    """
    folder = path_of(run)
    settings = read_run(folder)
    data = held_out_of(settings)
    if data is None:
        data = validation_of(settings)
    if data is None:  # there is something to see all the same
        data = reopened(settings)
        progress(NOTHING_ELSE, 0, 0)
    paths = stages_of(folder)
    stages = [] if proof else [open_stage(path, trust=trust) for path in paths]
    found = proof or ledger(stages, data, progress=progress)
    page = build_page(folder, settings, data, found, trust=trust, progress=progress)
    path = folder / PAGE if out is None else Path(out)
    write_atomically(path, render(page))
    return ReportResult(path, page, found.passed)


def build_page(
    folder: Path,
    run: Run,
    data: Any,
    proof: Ledger,
    *,
    trust: bool = False,
    progress: Progress = quiet,
) -> Report:
    """Make the content of a run's page.

    Args:
        folder: The run folder.
        run: What its run.json says.
        data: The split that the run is measured on.
        proof: The ledger of its stages.
        trust: Whether to run shipped folders that this installation did not write.
        progress: Takes up how far it is.
    """
    paths = stages_of(folder)
    last = open_stage(paths[-1], trust=trust)
    task = last.task
    evaluated = task.evaluate(last.predictor, data, progress=progress, stage="Looking")
    place = task.exemplar(data, evaluated.places)
    picture, caption = task.picture(data, place), task.identity(data, place)
    measured = [row for row in proof.rows if row.figure is not None]
    drawings, drawings_note = list[Drawing](), ""
    if last.spec.sees_pictures:
        drawings, drawings_note = _look_inside(paths, caption, picture)
    anchored = task.anchored(last.spec)
    if anchored is not None:
        drawings.append(anchors_seen(anchored, data, data.samples[place]))
    page = Report(
        title=f"{run.model} on {Path(run.data.root).name}",
        lead=f"Trained on {run.data.split}, measured on {data.split}: {len(data)} {task.units}."
        + (f" {NOTHING_ELSE}" if _learned_all(run) else ""),
        summary={
            "pictures a second": f"{evaluated.pictures_per_second or 0.0:.1f}",
            "proof": "passed" if proof.passed else "FAILED",
        },
        stages=[
            Stage(row.stage, path.name, row.figure, row.size, row.milliseconds)
            for row, path in zip(measured, paths, strict=True)
        ],
        ledger=_ledger(proof),
        classes=data.classes,
        pictures_note=f"Found by {last.name}",
        drawings=drawings,
        drawings_note=drawings_note,
        log=[*read_rows(folder / LOG), *read_rows(folder / EVALUATIONS)],
        layers=_layers(paths),
        provenance=_provenance(run, last.spec.provenance),
    )
    page = task.page(page, last.predictor, data, evaluated)
    return replace(page, pictures_note=f"{page.pictures_note}.")


def _learned_all(run: Run) -> bool:
    """Tell whether a run has no pictures but those that it learned from."""
    return run.data.test_split is None and run.data.hold_out is None and run.data.validate is None


def _ledger(proof: Ledger) -> list[LedgerRow]:
    """Give the ledger's rows; the first stage has no reference and is left out."""
    return [
        LedgerRow(
            row.stage,
            row.reference,
            row.worst,
            row.bound,
            row.passed,
            UNITS.get(row.unit, row.unit),
            row.layer or "",
            row.figure,
            row.size,
            row.milliseconds,
            row.loss,
        )
        for row in proof.rows
        if row.reference is not None
    ]


def _look_inside(
    paths: Sequence[Path], caption: str, picture: Picture
) -> tuple[list[Drawing], str]:
    """Look inside the last network in float32, at a picture; and say which it is."""
    networks = [(path, graph.read(path)) for path in paths if path.suffix == ".onnx"]
    in_float = [(path, network) for path, network in networks if not is_quantized(network)]
    if not in_float:
        return [], ""
    path, network = in_float[-1]
    note = f"Feature maps of {path.name}, each from its least number to its largest."
    return what_it_sees(network, picture, caption, path), note


def _layers(paths: Sequence[Path]) -> list[Layer]:
    """Give what the layers of the last ONNX file cost: what is shipped.

    A predictor of several networks has the layers of each, those after the first for one region.
    """
    files = [path for path in paths if path.suffix == ".onnx"]
    if not files:
        return []
    return [
        Layer(
            ("a region: " if number else "") + cost.name,
            " ".join(cost.operators),
            cost.shape[1:],
            cost.multiply_adds,
            cost.parameters,
            cost.weight_bytes,
        )
        for number, part in enumerate(read_parts(files[-1]))
        for cost in costs(part.network)
    ]


def _provenance(run: Run, network: Mapping[str, str]) -> dict[str, str]:
    recipe = {f"recipe {key}": str(value) for key, value in run.recipe.to_json().items()}
    versions = {f"{name}": version for name, version in run.versions.items()}
    settings = {f"setting {key}": str(value) for key, value in run.settings.items()}
    return {**network, **recipe, **settings, **versions, "threads": str(run.threads)}
