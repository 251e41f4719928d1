"""A study: the description of a search, which its own data base keeps, and its trials there."""

from __future__ import annotations

import contextlib
import math
import socket
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tatami.errors import TatamiError
from tatami.models.table import model_named
from tatami.pipeline.search_space import Dimension, Value, parse, variables, written
from tatami.tasks.base import Task
from tatami.tasks.table import task_named
from tatami.train.recipe import Recipe, epochs_for
from tatami.train.run import is_held

if TYPE_CHECKING:  # an extra, which is imported where a search really starts
    import optuna

COSTS: Mapping[str, str] = {
    "multiply_adds": "multiply-adds",
    "ram": "bytes of RAM",
    "flash": "bytes of flash",
    "milliseconds": "ms a picture, one thread",
}
"""What a network may be wanted to need little of, beside being accurate."""
OF_DEVICE = ("ram", "flash", "milliseconds")
"""What depends on how a network is shipped."""
SAMPLERS = ("tpe", "cmaes", "nsga2", "random")
PRUNERS = ("halving", "hyperband", "median", "none")
NAME = "tatami"
"""What a study is called in its data base where the URL names nothing."""
DESCRIPTION, REFUSED, WORKER = "description", "refused", "worker"
"""Attributes of a study, and of a trial."""
BEAT, GRACE = 60, 180
"""Seconds between two signs of life of a worker, and after which one without them is dead."""
RETRIES = 3
"""How often a trial is begun again whose worker died."""
TRIES = 5
"""How often a data base is asked that others are making at the same time."""


@dataclass(frozen=True)
class Study:
    """Describe a search: all that its workers share.

    Args:
        space: What is varied.
        fixed: What is the same in every trial, "model" where there is one, "bits" and "epochs".
        costs: What is wanted to be low besides, of COSTS.
        validate: The pictures by which trials are judged: a split, or a part of the one to learn
            from, as "0.2".
        target: The machine of the limits.
        ram: Bytes that a network may need; None: any.
        flash: Bytes that weights and code may need; None: any.
        sampler: How the next point is chosen, of SAMPLERS.
        pruner: Which trainings are ended early, of PRUNERS.
        seed: Of what is drawn, and of every training.
        fingerprint: Of the split that is learned from; "" until that is opened.
        trials: How many trainings there shall be, those that end early too.
    """

    space: tuple[Dimension, ...]
    fixed: Mapping[str, Value]
    costs: tuple[str, ...]
    validate: str
    target: str
    ram: int | None
    flash: int | None
    sampler: str
    pruner: str
    seed: int
    fingerprint: str = ""
    trials: int = 20

    @property
    def models(self) -> tuple[str, ...]:
        """The networks among which it chooses."""
        for dimension in self.space:
            if dimension.name == "model":
                return tuple(map(str, dimension.choices))
        return (str(self.fixed["model"]),)

    @property
    def task(self) -> Task[Any, Any, Any]:
        """The task of the networks."""
        return task_named(model_named(self.models[0]).task)

    @property
    def epochs(self) -> int:
        """The epochs of the longest training."""
        ends = [one.ends for one in self.space if one.name == "epochs"]
        return int(max(float(end) for end in ends[0]) if ends else self.fixed["epochs"])

    @property
    def limits(self) -> dict[str, int]:
        """The bytes that a network may need, by the name of the cost."""
        given = {"ram": self.ram, "flash": self.flash}
        return {name: most for name, most in given.items() if most is not None}

    def on(self, pictures: int, fingerprint: str) -> Study:
        """Decide what depends on the data: the epochs, where they are left open.

        Args:
            pictures: How many there are to learn from.
            fingerprint: Of the split.
        """
        given = [*self.fixed, *(one.name for one in self.space)]
        usual = {} if "epochs" in given else {"epochs": epochs_for(pictures)}
        return replace(self, fixed={**self.fixed, **usual}, fingerprint=fingerprint)

    def to_json(self) -> dict[str, Any]:
        """Give the description as plain values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["space"] = [str(dimension) for dimension in self.space]
        values["fixed"] = [f"{name}={written(value)}" for name, value in self.fixed.items()]
        return {**values, "costs": list(self.costs)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Study:
        """Read what ``to_json`` gives.

        Raises:
            TatamiError: Where it is nothing of the kind.
        """
        try:
            given = dict(values)
            models = [text for text in (*given["space"], *given["fixed"]) if text[:6] == "model="]
            known = variables(task_named(model_named(models[0][6:].split(",")[0]).task))
            space = tuple(parse(text, known) for text in given["space"])
            fixed = [parse(text, known, one=True) for text in given["fixed"]]
            return Study(
                **{
                    **given,
                    "space": space,
                    "fixed": {one.name: one.choices[0] for one in fixed},
                    "costs": tuple(given["costs"]),
                }
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise TatamiError(
                f"the study is none of this version: {error!r}", hint="begin another one"
            ) from error

    def difference(self, other: Study) -> str:
        """Say in words what another description says otherwise; "" where it is the same search."""
        mine, its = self.to_json(), other.to_json()
        for name in mine:
            if name != "trials" and mine[name] != its[name]:
                return f"{name}: {_words(mine[name])} there, {_words(its[name])} here"
        return ""


def _words(value: Any) -> str:
    return " ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value)


# The data base ------------------------------------------------------------------------------------


@contextlib.contextmanager
def calm() -> Iterator[Any]:
    """Give optuna, which says nothing itself meanwhile.

    Raises:
        TatamiError: Where it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise TatamiError(
            "a search needs optuna", hint="install it with: pip install 'tatami-nn[search]'"
        ) from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield optuna
    finally:
        optuna.logging.set_verbosity(before)


@contextlib.contextmanager
def connected(url: str) -> Iterator[tuple[Any, str]]:
    """Open the data base of a study, for the time being.

    Args:
        url: As "sqlite:///search/study.db" or "postgresql://host/base"; "#NAME" tells one of
            several studies from the others.

    Yields:
        The storage, and the study's name.

    Raises:
        TatamiError: Where it cannot be opened.
    """
    address, _, name = url.partition("#")
    storage = _storage(address)
    try:
        yield storage, name or NAME
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _storage(address: str) -> Any:
    """Open a data base; its tables are made where there are none."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    lite = address.startswith("sqlite")
    # Writers of SQLite wait for one another. A server may have closed a connection meanwhile.
    engine = {"connect_args": {"timeout": 300}} if lite else {"pool_pre_ping": True}
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES, True)
    for left in reversed(range(TRIES)):
        try:
            return optuna.storages.RDBStorage(
                address,
                engine,
                heartbeat_interval=BEAT,
                grace_period=GRACE,
                heartbeat_stale_trial_callback=retry,
            )
        except (SQLAlchemyError, ImportError, ValueError, RuntimeError) as error:
            # Two that make the tables of a data base at the same time: one of them is refused.
            if not left or not isinstance(error, SQLAlchemyError):
                reason = str(error).strip().splitlines()[0]
                raise TatamiError(
                    f"the study cannot be opened: {reason}",
                    hint="give the URL of a data base, as sqlite:///search/study.db",
                    setting="study",
                ) from error
            time.sleep(0.2)
    raise AssertionError("the last try returns or raises")


def hidden(url: str) -> str:
    """Write a URL without its password."""
    from sqlalchemy.engine import make_url

    address, mark, name = url.partition("#")
    return make_url(address).render_as_string(hide_password=True) + mark + name


def described(study: optuna.Study) -> Study | None:
    """Read the description of a study; None where it has none yet."""
    values = study.user_attrs.get(DESCRIPTION)
    return None if values is None else Study.from_json(values)


def joined(
    storage: Any, name: str, wanted: Study | None, trials: int | None
) -> tuple[optuna.Study, Study, bool]:
    """Join a study, or begin it.

    Args:
        storage: Its data base.
        name: What it is called there.
        wanted: What is to be searched; None: what the study says.
        trials: How many trainings there shall be; None: as the study says.

    Returns:
        The study, its description, and whether it was begun here.

    Raises:
        TatamiError: Where it searches otherwise, and where there is nothing to join.
    """
    import optuna

    begun = False
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        if wanted is None:
            raise TatamiError(
                "there is no study yet", hint="name a network and what is to be varied"
            ) from None
        lower = optuna.study.StudyDirection.MINIMIZE
        directions = [optuna.study.StudyDirection.MAXIMIZE, *(lower for _ in wanted.costs)]
        try:
            study = optuna.create_study(study_name=name, storage=storage, directions=directions)
            begun = True
        except optuna.exceptions.DuplicatedStudyError:  # another worker was quicker
            study = optuna.load_study(study_name=name, storage=storage)
    if begun:
        assert wanted is not None
        study.set_user_attr(DESCRIPTION, wanted.to_json())
    known = described(study)
    for _ in range(TRIES):  # whoever began it has not written yet what it is
        if known is None:
            time.sleep(1)
            known = described(study)
    if known is None:
        raise TatamiError("the study has no description", hint="begin another one")
    if wanted is not None and (difference := known.difference(wanted)):
        raise TatamiError(
            f"the study searches otherwise: {difference}",
            hint="say nothing of the search to join it, or begin another study",
            setting="study",
        )
    if trials is not None and trials != known.trials:
        known = replace(known, trials=trials)
        study.set_user_attr(DESCRIPTION, known.to_json())
    return study, known, begun


# Who chooses, and who ends early ------------------------------------------------------------------


def sampler_of(study: Study, worker: int) -> Any:
    """Make what chooses the next point.

    Args:
        study: The description.
        worker: Tells workers apart, which would all try the same points else.
    """
    from optuna import samplers

    seed = (study.seed * 1_000_003 + worker) % 2**32
    makers: Mapping[str, Callable[[], Any]] = {
        "tpe": lambda: samplers.TPESampler(seed=seed, multivariate=True),
        "cmaes": lambda: samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
        "nsga2": lambda: samplers.NSGAIISampler(seed=seed),
        "random": lambda: samplers.RandomSampler(seed=seed),
    }
    return makers[study.sampler]()


def pruner_of(study: Study) -> Any:
    """Make what ends trainings early, where accuracy is all that is wanted; else nothing.

    A third of the trainings goes on from a ninth of the epochs, and a third of these from a third.
    None is judged before its warm-up is over: until then all are as good as chance.
    """
    from optuna import pruners

    warm = float(study.fixed.get("warmup_epochs", Recipe().warmup_epochs))
    third = math.ceil(study.epochs / 3)
    first = max(1, round(study.epochs / 9), min(math.ceil(warm) + 1, third))
    makers: Mapping[str, Callable[[], Any]] = {
        "halving": lambda: pruners.SuccessiveHalvingPruner(first, 3),
        "hyperband": lambda: pruners.HyperbandPruner(first, max(study.epochs, first + 1), 3),
        "median": lambda: pruners.MedianPruner(4, third - 1),
        "none": pruners.NopPruner,
    }
    return makers["none" if study.costs else study.pruner]()


# Workers that die ---------------------------------------------------------------------------------


class Worker:
    """This process as a worker of a study, for as long as it holds a folder of its own.

    Args:
        out: Where its trials are written.
    """

    def __init__(self, out: Path) -> None:
        self.folder = (out / "workers" / uuid.uuid4().hex).absolute()

    @property
    def name(self) -> list[str]:
        """Who it is: the machine, and the folder that the system lets go when the process ends."""
        return [socket.gethostname(), str(self.folder)]

    def gone(self, name: Sequence[str] | None) -> bool:
        """Say whether another worker has died, as far as this machine can tell at once."""
        if not name or name[0] != socket.gethostname():
            return False
        try:
            return not is_held(Path(name[1]))
        except FileNotFoundError:
            return Path(name[1]).parents[1].is_dir()  # else it is another container's folder
        except OSError:
            return False


def give_back(study: optuna.Study, number: int, *, failed: bool, retries: int | None) -> None:
    """Let a trial that was broken off be gone on with, under a new number.

    Args:
        study: The study.
        number: The trial.
        failed: Whether it is known to have failed; else that is told first.
        retries: How often it may be begun again; None: as often as it takes.
    """
    import optuna

    if not failed:
        try:
            study.tell(number, state=optuna.trial.TrialState.FAIL)
        except (ValueError, RuntimeError):  # another worker was quicker
            return
    trial = study.get_trials(deepcopy=True)[number]
    optuna.storages.RetryHeartbeatStaleTrialCallback(retries, True)(study, trial)


def recover(study: optuna.Study, worker: Worker) -> None:
    """Give back the trials of workers that died: those of this machine at once, others in time."""
    import optuna

    running = (optuna.trial.TrialState.RUNNING,)
    for trial in study.get_trials(deepcopy=False, states=running):
        if worker.gone(trial.user_attrs.get(WORKER)):
            give_back(study, trial.number, failed=False, retries=RETRIES)
    optuna.storages.fail_stale_trials(study)


def first_number(trial: optuna.trial.FrozenTrial) -> int:
    """Give the number under which a trial was begun first: its run folder's."""
    return int(trial.system_attrs.get("failed_trial", trial.number))
