"""A search: what may be varied, its study, workers that die, and what is never trained."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tatami.errors import Stopped, TatamiError
from tatami.pipeline import search as pipeline
from tatami.pipeline import search_study
from tatami.pipeline.search import search
from tatami.pipeline.search_result import result_of
from tatami.pipeline.search_space import Dimension, asked, parse, usual, variables
from tatami.pipeline.search_study import Study, Worker, calm, connected, joined, recover
from tatami.pipeline.search_trial import counted
from tatami.tasks.classification import CLASSIFICATION
from tatami.tasks.detection import DETECTION
from tatami.train.run import held, load_run, read_rows

torch = pytest.importorskip("torch")
optuna = pytest.importorskip("optuna")

KNOWN = variables(CLASSIFICATION)
QUICK = ("batch=8", "flip=0", "warmup_epochs=0", "checkpoint_seconds=0")
LEARNING_RATE = "learning_rate=1e-3..1e-1"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Training sets threads of the whole process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def colors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of three colors to learn from, and a test split that nobody can read."""
    root = tmp_path_factory.mktemp("colors")
    rng = np.random.default_rng(0)
    for channel, name in enumerate(("blue", "green", "red")):
        for split in ("train", "test"):
            (root / split / name).mkdir(parents=True)
        for number in range(10):
            picture = rng.normal(60, 30, (24, 36, 3)).clip(0, 255)
            picture[..., 2 - channel] += 30
            picture = picture.clip(0, 255).astype(np.uint8)
            Image.fromarray(picture).save(root / "train" / name / f"{number}.png")
        (root / "test" / name / "0.png").write_bytes(b"no picture")
    return root


# What may be varied ------------------------------------------------------------------------------


def test_a_range_choices_and_a_value_are_read_and_written() -> None:
    rate = parse(LEARNING_RATE, KNOWN)
    assert rate == Dimension("learning_rate", "float", (), 0.001, 0.1)
    assert (rate.logarithmic, str(rate)) == (True, "learning_rate=0.001..0.1")
    assert parse("width=0.25,1", KNOWN).choices == (0.25, 1.0)
    assert parse("batch=4..16", KNOWN).ends == (4, 16)
    assert parse("size=32x32,48x32", KNOWN).choices == ("32x32", "48x32")
    assert parse("scale=0.8,1.25", KNOWN, one=True).choices == ("0.8,1.25",)
    for text in ("learning_rate=1e-4..1e-1", "bits=8,32", "label_smoothing=0..0.2", "batch=4..16"):
        assert parse(str(parse(text, KNOWN)), KNOWN) == parse(text, KNOWN)


def test_what_recipe_and_task_declare_can_be_varied_and_nothing_else() -> None:
    assert {"momentum", "label_smoothing", "flip", "elastic", "model"} <= {*KNOWN}
    assert not {"patience", "freeze", "pad", "loss"} & {*KNOWN}
    detection = variables(DETECTION)
    assert "loss" in detection
    assert "elastic" not in detection
    with pytest.raises(TatamiError, match=r"nothing is called 'rate'") as error:
        parse("rate=1..2", KNOWN)
    assert "learning_rate" in str(error.value)


@pytest.mark.parametrize(
    "text", ["batch", "batch=", "batch=a,b", "batch=4,4", "batch=9..4", "batch=1.5,2", "width=nan"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(TatamiError, match="is not understood"):
        parse(text, KNOWN)


def test_a_point_becomes_the_training_that_it_says(tmp_path: Path) -> None:
    source = pipeline.Source(tmp_path)
    values = {"model": "lenet5", "width": 0.5, "learning_rate": 0.02, "batch": 4, "epochs": 3}
    wish = asked({**values, "augment": "off", "label_smoothing": 0.1, "bits": 8}, source, seed=7)
    assert (wish.recipe.learning_rate, wish.recipe.batch, wish.recipe.seed) == (0.02, 4, 7)
    assert (wish.width, wish.settings.label_smoothing) == (0.5, 0.1)
    varied = CLASSIFICATION.augmentation.with_settings(wish.augment)
    assert (varied.flip, varied.scale) == (0, (1.0, 1.0))
    with pytest.raises(TatamiError, match="bits is 16"):
        asked({**values, "bits": 16}, source)


def test_the_first_point_is_the_recipe_as_far_as_the_space_holds_it() -> None:
    space = [parse(text, KNOWN) for text in ("learning_rate=1e-3..1e-1", "batch=4,8", "flip=0..1")]
    found = usual({"model": "lenet5"}, space)
    assert found == {"learning_rate": 0.01, "flip": CLASSIFICATION.augmentation.flip}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"vary": ()}, "nothing is varied"),
    ({"vary": ("width=0.5,1",), "fixed": ("width=1",)}, "width is given twice"),
    ({"vary": ("model=lenet5,yolov2-tiny",), "model": None}, "several tasks"),
    ({"vary": ("momentum=0.5..1.5",)}, "momentum is 1.5"),
    ({"vary": ("size=416x416,400x416",), "model": "yolov2-tiny"}, "not a multiple of the stride"),
    ({"costs": ("size",)}, "no costs 'size'"),
    ({"costs": ("ram",), "pruner": "halving"}, "ends trainings by their accuracy alone"),
    ({"costs": ("ram",), "sampler": "cmaes"}, "one figure and no limits"),
    ({"ram": "512Q"}, "no number of bytes"),
    ({"target": "cortex-m70"}, "no target"),
    ({"model": None, "vary": ()}, "no network is named"),
]


@pytest.mark.parametrize(("options", "reason"), REFUSED)
def test_what_cannot_be_searched_is_refused_before_anything_is_written(
    options: dict[str, Any], reason: str, tmp_path: Path, colors: Path
) -> None:
    given = {"model": "lenet5", "vary": (LEARNING_RATE,), "seed": 0, **options}
    with pytest.raises(TatamiError, match=reason):
        search(data=colors, out=tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_without_optuna_the_extra_is_named(
    tmp_path: Path, colors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(TatamiError, match=r"needs optuna .*tatami-nn\[search\]"):
        search("lenet5", colors, tmp_path / "out", vary=(LEARNING_RATE,))


# A study without a training -----------------------------------------------------------------------


def description(costs: tuple[str, ...] = (), trials: int = 20) -> Study:
    space = (parse("width=0.25..1", KNOWN),)
    fixed = {"model": "lenet5", "bits": 8, "epochs": 9, "scale": "0.8,1.25"}
    pruner = "median" if costs else "halving"
    return Study(
        space, fixed, costs, "0.2", "cortex-m7", 4096, None, "tpe", pruner, 0, "f" * 64, trials
    )


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Any]:
    """A study of accuracy, RAM and flash that has begun."""
    with calm(), connected(f"sqlite:///{tmp_path / 'study.db'}") as (storage, name):
        yield joined(storage, name, description(("ram", "flash")), None)[0]


def finished(values: list[float] | None, width: float, **kept: Any) -> Any:
    states = optuna.trial.TrialState
    state = states.PRUNED if values is None else states.COMPLETE
    distributions = {"width": optuna.distributions.FloatDistribution(0.25, 1)}
    return optuna.trial.create_trial(
        state=state,
        values=values,
        params={"width": width},
        distributions=distributions,
        user_attrs=kept,
    )


def test_the_front_has_what_no_other_beats_throughout(study: Any, tmp_path: Path) -> None:
    rows = [[0.9, 40.0, 9.0], [0.8, 40.0, 9.0], [0.8, 30.0, 9.0], [0.7, 50.0, 8.0], [0.9, 40, 9.0]]
    for accuracy, ram, flash in rows:
        costs = {"ram": ram, "flash": flash}
        study.add_trial(finished([accuracy, ram, flash], 0.5, costs=costs))
    study.add_trial(finished(None, 1.0, accuracies=[0.99], costs={"ram": 1, "flash": 1}))
    study.add_trial(finished(None, 1.0, refused="9 bytes of RAM, 4 allowed"))
    found = result_of(tmp_path, "sqlite://", study, description(("ram", "flash")))
    assert [one.number for one in found.front] == [0, 4, 2, 3]
    assert [one.state for one in found.trials[5:]] == ["ended early", "refused"]
    assert [row[:4] for row in found.tables()[0].rows][2] == ("2", "80.00", "30", "9")
    assert len(counted(study)) == 6
    text = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert text["front"] == [0, 4, 2, 3]
    assert "<svg" in found.page()


def test_a_study_says_what_it_is_and_takes_no_other_search() -> None:
    one = description(("ram",))
    assert Study.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert one.difference(description(("ram",), trials=99)) == ""
    assert one.difference(description()) == "costs: ram there, nothing here"


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")  # this test beats by hand
def test_a_worker_that_died_is_found_and_its_trial_waits_to_be_gone_on_with(
    study: Any, tmp_path: Path
) -> None:
    here, dead = Worker(tmp_path), Worker(tmp_path)
    here.folder.mkdir(parents=True)
    with held(here.folder):
        for name in (here.name, dead.name, ["another machine", "/nowhere"]):
            trial = study.ask()
            trial.suggest_float("width", 0.25, 1)
            trial.set_user_attr("worker", name)
            study._storage.record_heartbeat(trial._trial_id)
        recover(study, here)
        assert [one.state.name for one in study.trials] == ["RUNNING", "FAIL", "RUNNING", "WAITING"]
        with sqlite3.connect(tmp_path / "study.db") as base:  # the other machine is quiet for long
            base.execute(
                "UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour') "
                "WHERE trial_id = ?",
                [study.trials[2]._trial_id],
            )
        recover(study, here)
    states = [one.state.name for one in study.trials]
    assert states == ["RUNNING", "FAIL", "FAIL", "WAITING", "WAITING"]
    again = study.ask()
    assert again.number == 3
    assert again.params == study.trials[1].params
    assert search_study.first_number(study.trials[3]) == 1


# Searches that train ------------------------------------------------------------------------------


class Hand:
    """A progress that presses Ctrl-C once, when the second epoch of a training is over."""

    def __init__(self) -> None:
        self.pressed, self.remarks = False, [""]

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        if not total:
            self.remarks.append(stage)
        if stage == "Training" and done >= 6 and not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)


def test_a_search_is_stopped_and_gone_on_with(
    colors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one training here is short: it is stopped in its second epoch of three."""
    monkeypatch.setattr("tatami.pipeline.train.EVERY", -1.0)
    out, hand = tmp_path / "study", Hand()
    wish: dict[str, Any] = {
        **{"vary": (LEARNING_RATE,), "fixed": (*QUICK, "epochs=3"), "costs": ("multiply_adds",)},
        **{"threads": 1, "trials": 1, "progress": hand},
    }
    with pytest.raises(Stopped, match="goes on with the study"):
        search("lenet5", colors, out, **wish)
    before = (out / "trials/0000/log.jsonl").read_text()
    found = search("lenet5", colors, out, **wish)
    assert [one.state for one in found.trials] == ["broken off", "complete"]
    first = found.trials[1]
    # The broken trial was the recipe's own point; it goes on where it stopped, in its folder.
    assert first.values == found.trials[0].values == {"learning_rate": 0.01}
    assert first.folder == str((out / "trials/0000").absolute())
    assert [path.name for path in (out / "trials").iterdir()] == ["0000"]
    rows = read_rows(out / "trials/0000/log.jsonl")
    assert [row["step"] for row in rows] == list(range(len(rows)))
    assert (out / "trials/0000/log.jsonl").read_text().startswith(before)
    assert len(before) > 0
    # What judges is held out of what is learned from, and the test pictures were not looked at.
    run = load_run(out / "trials/0000")
    assert (run.data.validate, run.data.split, run.recipe.epochs) == ("0.2", "train", 3)
    evaluations = read_rows(out / "trials/0000/evaluations.jsonl")
    assert first.accuracy == max(row["top1"] for row in evaluations)
    assert first.costs["multiply_adds"] > 100_000
    assert (out / "front.html").read_text().count("<svg") == 1
    assert not any((out / "workers").iterdir())
    # Whoever says nothing joins; who says something else is refused; there may be more trials.
    with pytest.raises(TatamiError, match=r"searches otherwise: space: learning_rate=0.001..0.1"):
        search("lenet5", colors, out, vary=("learning_rate=1e-3..1",), fixed=("epochs=3",))
    smaller = tmp_path / "smaller"
    shutil.copytree(colors, smaller)
    shutil.rmtree(smaller / "train" / "red")
    with pytest.raises(TatamiError, match="not the labeled set of the study"):
        search(None, smaller, out)
    assert search(None, colors, out).trials == found.trials


def test_what_does_not_fit_is_never_trained(
    colors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "REFUSALS", 3)
    with pytest.raises(TatamiError, match=r"3 points in a row were refused, .* bytes of flash"):
        search("lenet5", colors, tmp_path, vary=(LEARNING_RATE,), fixed=QUICK, flash="16K")
    assert not (tmp_path / "trials").exists()


# Workers that are killed --------------------------------------------------------------------------


def worker(colors: Path, out: Path, *more: object) -> subprocess.Popen[bytes]:
    options = ["--vary", LEARNING_RATE, "--trials", 3, "--threads", 1, "--pruner", "none"]
    options += [part for one in (*QUICK, "epochs=30") for part in ("--set", one)]
    command = ["-m", "tatami", "search", "lenet5", "--data", colors, "--out", out, *options, *more]
    return subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def kill_in_mid_trial(process: subprocess.Popen[bytes], folder: Path) -> int:
    """Kill a worker when its trial has trained for some steps; give how many were kept."""
    deadline = time.monotonic() + 400
    while len(list((folder / "checkpoints").glob("step-*"))) < 2:
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return max(int(path.name.split("-")[1]) for path in (folder / "checkpoints").glob("step-*"))


def check_nothing_lost(url: str, folder: Path) -> None:
    """Three trainings to their end, each number once; the killed one went on in its folder."""
    with calm(), connected(url) as (storage, name):
        every = optuna.load_study(study_name=name, storage=storage).trials
    assert [one.number for one in every] == list(range(len(every)))
    assert [one.state.name for one in every].count("COMPLETE") == 3
    others = [one for one in every if one.state.name not in ("COMPLETE", "FAIL")]
    # Two that asked at the same time for the last trial: the second is refused, not trained.
    assert all("others had begun" in one.user_attrs["refused"] for one in others)
    assert len(others) <= 1
    again = [one for one in every if one.system_attrs.get("failed_trial") == 0]
    assert [one.state.name for one in again] == ["COMPLETE"]
    assert again[0].params == every[0].params
    assert again[0].user_attrs["folder"] == str(folder)
    folders = {one.user_attrs["folder"] for one in every if one.state.name == "COMPLETE"}
    assert len(folders) == 3
    steps = [row["step"] for row in read_rows(folder / "log.jsonl")]
    assert steps == list(range(len(steps)))


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed(colors: Path, tmp_path: Path) -> None:
    """One is killed -9 in mid trial; two others, started at once, leave nothing undone."""
    folder = (tmp_path / "trials" / "0000").absolute()
    kept = kill_in_mid_trial(worker(colors, tmp_path), folder)
    log = (folder / "log.jsonl").read_text().splitlines()[:kept]
    workers = [worker(colors, tmp_path), worker(colors, tmp_path)]
    for one in workers:
        output = one.communicate(timeout=500)[0].decode()
        assert one.returncode == 0, output
    check_nothing_lost(f"sqlite:///{tmp_path / 'study.db'}", folder)
    assert (folder / "log.jsonl").read_text().splitlines()[:kept] == log


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of a data base of our own, whose server root may not run."""
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL; `make system-packages` installs it")
    programs, base = found[-1].parent, Path(tempfile.mkdtemp(prefix="tatami-"))
    user: list[str] = []
    if os.getuid() == 0:
        user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        shutil.chown(base, "nobody", "nogroup")

    def run(*command: object) -> None:
        with (base.parent / f"{base.name}.log").open("ab") as log:
            command_line = [*user, *map(str, command)]
            subprocess.run(command_line, check=True, cwd=base, stdout=log, stderr=log)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -k {base} -c listen_addresses=127.0.0.1"
    try:
        run(programs / "initdb", "-D", base / "data", "-U", "tatami", "-A", "trust")
        run(programs / "pg_ctl", "-D", base / "data", "-o", options, "-w", "start")
        yield f"postgresql://tatami@127.0.0.1:{port}/postgres#digits"
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            run(programs / "pg_ctl", "-D", base / "data", "-m", "immediate", "stop")
        shutil.rmtree(base)
        (base.parent / f"{base.name}.log").unlink()


@pytest.mark.slow
def test_two_workers_of_a_server_of_which_one_is_killed(
    colors: Path, tmp_path: Path, postgresql: str
) -> None:
    outs = [tmp_path / "one", tmp_path / "two"]
    folder = (outs[0] / "trials" / "0000").absolute()
    first = worker(colors, outs[0], "--study", postgresql)
    kill_in_mid_trial(first, folder)
    workers = [worker(colors, out, "--study", postgresql) for out in outs]
    for one in workers:
        output = one.communicate(timeout=500)[0].decode()
        assert one.returncode == 0, output
    check_nothing_lost(postgresql, folder)
