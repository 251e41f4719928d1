"""The rows of the report's tables: plain data, that whoever has numbers can fill in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One artifact on the way.

    Args:
        name: Of the stage.
        artifact: Its file.
        map: mAP@0.5, or what ``measure`` of the report says, in [0, 1].
        bytes: Its size.
        milliseconds: A picture takes.
    """

    name: str
    artifact: str
    map: float | None = None
    bytes: int | None = None
    milliseconds: float | None = None


@dataclass(frozen=True)
class LedgerRow:
    """A row of the proof: one stage beside its reference, and how far apart they are at worst.

    Args:
        stage: What is compared.
        reference: What it is compared with.
        worst: The largest difference, in the unit that ``measure`` names; None: only the figures
            are compared.
        bound: The largest difference that is allowed; None: none, the figure's loss is bounded.
        passed: Whether it is within its bound.
        measure: "relative", "pixels", "steps", or "dB", the lowest signal to noise ratio.
        first_differing: The first layer that differs, or the noisiest.
        map: The stage's headline figure, in [0, 1].
        bytes: Its size.
        milliseconds: A picture takes.
        loss: What the figure may lose, where it is what is bounded.
    """

    stage: str
    reference: str
    worst: float | None
    bound: float | None
    passed: bool
    measure: str = ""
    first_differing: str = ""
    map: float | None = None
    bytes: int | None = None
    milliseconds: float | None = None
    loss: float | None = None


@dataclass(frozen=True)
class ClassResult:
    """How one class is found; precision, recall and F1 are those at the report's threshold.

    Args:
        name: The class.
        truths: Labeled boxes, pictures or pixels.
        ap: Average precision.
        precision: The part of what is found that is right.
        recall: The part of the truths that is found.
        f1: Their harmonic mean.
        auc: The area under the class's ROC.
        iou: Of its pixels.
        dice: Of its pixels.
        boundary_f1: Of its boundaries.
    """

    name: str
    truths: int
    ap: float
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    auc: float | None = None
    iou: float | None = None
    dice: float | None = None
    boundary_f1: float | None = None
