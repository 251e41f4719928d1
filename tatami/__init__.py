"""Tatami: labeled data to a network on small hardware, and the same answer at every step.

Everything that the command line does is a function here; docs/api.md lists them. They are imported
when they are first used, so that ``import tatami`` takes no time.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tatami.errors import TatamiError as TatamiError
    from tatami.models.table import MODELS as MODELS
    from tatami.pipeline.artifact import open_artifact as open
    from tatami.pipeline.catalog import list_models as list_models
    from tatami.pipeline.compare import compare as compare
    from tatami.pipeline.evaluate import evaluate as evaluate
    from tatami.pipeline.explain import explain as explain
    from tatami.pipeline.fold import fold as fold
    from tatami.pipeline.generate import generate as generate
    from tatami.pipeline.predict import predict as predict
    from tatami.pipeline.prove import prove as prove
    from tatami.pipeline.quantize import quantize as quantize
    from tatami.pipeline.report import report as report
    from tatami.pipeline.resize import resize as resize
    from tatami.pipeline.search import search as search
    from tatami.pipeline.ship import ship as ship
    from tatami.pipeline.summary import summary as summary
    from tatami.pipeline.train import resume as resume
    from tatami.pipeline.train import train as train

__version__ = "0.2.0"

__all__ = [
    "MODELS",
    "TatamiError",
    "__version__",
    "compare",
    "evaluate",
    "explain",
    "fold",
    "generate",
    "list_models",
    "open",
    "predict",
    "prove",
    "quantize",
    "report",
    "resize",
    "resume",
    "search",
    "ship",
    "summary",
    "train",
]

_WHERE = {
    "MODELS": "models.table",
    "TatamiError": "errors",
    "compare": "pipeline.compare",
    "evaluate": "pipeline.evaluate",
    "explain": "pipeline.explain",
    "fold": "pipeline.fold",
    "generate": "pipeline.generate",
    "list_models": "pipeline.catalog",
    "open": "pipeline.artifact:open_artifact",
    "predict": "pipeline.predict",
    "prove": "pipeline.prove",
    "quantize": "pipeline.quantize",
    "report": "pipeline.report",
    "resize": "pipeline.resize",
    "resume": "pipeline.train",
    "search": "pipeline.search",
    "ship": "pipeline.ship",
    "summary": "pipeline.summary",
    "train": "pipeline.train",
}
"""Where each name is; after a colon what it is called there."""


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tatami' has no attribute '{name}'")
    module, _, called = _WHERE[name].partition(":")
    value = getattr(import_module(f"tatami.{module}"), called or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This module: ``tatami.train`` is the function, though a folder has that name, too.

    Python would set the folder in the function's place when something in it is imported; nobody
    needs it there, for ``from tatami.train.loop import ...`` finds it without.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
