"""The report: one HTML file that tells the whole story, and needs no network, script or folder.

Its input is plain data, so that whoever has numbers can fill it in; a part left empty is left out.
Names from a user's files are escaped, and the page forbids itself scripts and any outside address:
what is chosen on it are buttons of forms, which the style alone obeys, and what is enlarged is a
popover, which browsers open and close by themselves.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal

from PIL import Image

from tatami import __version__
from tatami.files import write_atomically
from tatami.see import sentences, text
from tatami.see.draw import draw_fitted, fit
from tatami.see.overlay import overlay, wrong_pixels
from tatami.see.plots import (
    Curve,
    Layer,
    Panel,
    RocCurve,
    layer_bars,
    precision_recall,
    roc_curves,
    training_curve,
)
from tatami.see.rows import ClassResult, LedgerRow, Stage
from tatami.types import VOID, Boxes, Detections, Mask, Picture, Size
from tatami.types.colors import Color, class_color

PICTURE_SIZE = Size(640, 640)  # as a picture is embedded: large enough for a look from near
TEXT_HEIGHT = 1 / 24  # of a drawing's width: readable at two pairs a row, some 260 pixels each
_OWN = "@own"
"""In an attribute: the name of a picture, until the page is whole and its pictures are numbered."""
DRAWING_SIZE = Size(800, 800)  # the same of what a network sees: maps side by side
JPEG_QUALITY = 85
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Shown:
    """One picture, drawn several times beside each other: what is labeled in it, what was found.

    Args:
        caption: What the picture is called.
        sides: The words below each drawing, what it is in short, and the drawing, (height, width,
            3).
        mistakes: How many of each kind there are in it.
    """

    caption: str
    sides: Sequence[tuple[str, str, Picture]]
    mistakes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Mistakes:
    """What is wrong in the pictures that were looked at.

    Args:
        pictures: How many they are.
        flawless: How many of them have no mistake.
        kinds: How many mistakes of each kind there are; the pictures can be chosen by them.
    """

    pictures: int
    flawless: int
    kinds: Mapping[str, int]


def shown_boxes(
    caption: str,
    picture: Picture,
    truths: Boxes,
    found: Detections,
    classes: Sequence[str],
    *,
    notes: tuple[Sequence[str], Sequence[str]] = ((), ()),
    words: tuple[str, str] | None = None,
    mistakes: Mapping[str, int] | None = None,
) -> Shown:
    """Draw the labeled and the found boxes of a picture, enlarged so that labels can be read.

    Args:
        caption: What the picture is called.
        picture: (height, width, 3).
        truths: In its pixels.
        found: In its pixels.
        classes: Their names.
        notes: A word for each labeled and each found box; empty: none.
        words: What stands below each drawing; None: how many boxes there are.
        mistakes: How many of each kind there are.
    """
    height, width = picture.shape[:2]
    across = width * min(PICTURE_SIZE.width / width, PICTURE_SIZE.height / height)
    text_height = max(13, round(across * TEXT_HEIGHT))
    below = words or (f"labeled: {len(truths)}", f"found: {len(found)}")

    def drawn(boxes: Boxes | Detections, noted: Sequence[str]) -> Picture:
        return draw_fitted(
            picture, boxes, classes, PICTURE_SIZE, notes=noted, text_height=text_height
        )

    sides = [
        (below[0], "labeled", drawn(truths, notes[0])),
        (below[1], "found", drawn(found, notes[1])),
    ]
    return Shown(caption, sides, mistakes or {})


def shown_masks(
    caption: str,
    picture: Picture,
    truth: Mask,
    found: Mask,
    colors: Sequence[Color],
    said: str = "",
) -> Shown:
    """Lay the labeled and the found classes over a picture, and show where they differ.

    Args:
        caption: What the picture is called.
        picture: (height, width, 3).
        truth: The labeled class of each pixel, (height, width).
        found: The found class of each pixel, (height, width).
        colors: Of the classes.
        said: What else is said of what was found.

    Returns:
        Three drawings, and the share of the labeled pixels that is right.
    """
    right = (truth == found)[truth != VOID]
    share = f"found: {right.mean():.1%} right" if right.size else "found"
    sides = (
        ("labeled", "labeled", overlay(picture, truth, colors)),
        (f"{share}; {said}" if said else share, "found", overlay(picture, found, colors)),
        ("what is wrong", "what is wrong", wrong_pixels(picture, truth, found)),
    )
    return Shown(
        caption, [(words, what, fit(drawn, PICTURE_SIZE)[0]) for words, what, drawn in sides]
    )


@dataclass(frozen=True)
class Drawing:
    """A drawing of something that the network makes of a picture.

    Args:
        caption: What it shows.
        picture: (height, width, 3).
    """

    caption: str
    picture: Picture


@dataclass(frozen=True)
class Heard:
    """A sound that can be played.

    Args:
        caption: What it is.
        picture: Its spectrogram, (height, width, 3).
        wav: A WAV file.
    """

    caption: str
    picture: Picture
    wav: bytes


@dataclass(frozen=True)
class Report:
    """All that a report may show, in the order of the page; what is empty is left out.

    Args:
        title: Of the page.
        lead: A few sentences below it.
        measure: What the ``map`` of stages is: a classifier's is its top-1.
        summary: The few figures to see first, by name.
        stages: The artifacts.
        ledger: The proof.
        classes: Their names.
        colors: Of the classes, where they have others than boxes.
        pictures: Pictures with what is labeled and what was found.
        pictures_note: Which pictures, and the score above which detections are drawn.
        mistakes: What is wrong in all pictures, those that are not shown too.
        sounds: Sounds to be seen and played.
        drawings: A picture, the feature maps of some layers, where the network looks.
        drawings_note: Of which network.
        log: Rows as logged, each with ``step``.
        panels: Which of its columns are plotted.
        curves: Precision-recall curves.
        rocs: ROC of one class each against the rest.
        curves_note: Which classes are drawn.
        per_class: The metrics of each class.
        confusion: How often a class (row) is predicted as a class (column); one more row and column
            than there are classes are the background's.
        layers: What each layer costs.
        provenance: What is needed to repeat it all (recipe, data hash, seed, command, version).
    """

    title: str
    lead: str = ""
    measure: str = "mAP@0.5"
    summary: Mapping[str, str] = field(default_factory=dict)
    stages: Sequence[Stage] = ()
    ledger: Sequence[LedgerRow] = ()
    classes: Sequence[str] = ()
    colors: Sequence[Color] = ()
    pictures: Sequence[Shown] = ()
    pictures_note: str = ""
    mistakes: Mistakes | None = None
    sounds: Sequence[Heard] = ()
    drawings: Sequence[Drawing] = ()
    drawings_note: str = ""
    log: Sequence[Mapping[str, float]] = ()
    panels: Sequence[Panel] = ()
    curves: Sequence[Curve] = ()
    rocs: Sequence[RocCurve] = ()
    curves_note: str = ""
    per_class: Sequence[ClassResult] = ()
    confusion: Sequence[Sequence[int]] = ()
    layers: Sequence[Layer] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


def write_report(report: Report, path: Path) -> None:
    """Write the report, whole or not at all.

    Raises:
        OSError: Where the file cannot be written.
        TatamiError: Where there is something to plot and no matplotlib.
    """
    write_atomically(path, render(report))


def render(report: Report) -> str:
    """Make the report's HTML.

    Raises:
        TatamiError: Where there is something to plot and no matplotlib.
    """
    measure, mistakes = report.measure, report.mistakes
    parts = [
        ("Stages", _stages(report.stages, measure), sentences.of_stages(report.stages, measure)),
        ("The proof", _ledger(report.ledger, measure), sentences.of_ledger(report.ledger, measure)),
        (
            "Pictures",
            _pictures(report),
            sentences.of_mistakes(mistakes.pictures, mistakes.flawless, mistakes.kinds)
            if mistakes
            else "",
        ),
        ("Sounds", _sounds(report.sounds), sentences.SOUNDS),
        ("What it sees", _seen(report), sentences.SEEN),
        ("Training", _training(report), sentences.of_training(report.log, report.panels)),
        ("Classes", _classes(report), sentences.of_classes(report.per_class)),
        (
            "Confusion",
            _confusion(report.confusion, report.classes),
            sentences.of_confusion(report.confusion, report.classes),
        ),
        ("Layers", _layers(report.layers), sentences.of_layers(report.layers)),
        ("Provenance", _pairs("origin", report.provenance), sentences.PROVENANCE),
    ]
    shown = [
        (title.lower().replace(" ", "-"), title, part, said) for title, part, said in parts if part
    ]
    links = "\n".join(f'<a href="#{anchor}">{_escaped(title)}</a>' for anchor, title, _, _ in shown)
    sections = "\n".join(
        f'<section id="{anchor}">\n<h2>{_escaped(title)}</h2>\n'
        + (f'<p class="said">{_escaped(said)}</p>\n' if said else "")
        + f"{part}\n</section>"
        for anchor, title, part, said in shown
    )
    lead = f'<p class="lead">{_escaped(report.lead)}</p>' if report.lead else ""
    style = resources.files("tatami.see").joinpath("report.css").read_text("utf-8")
    return _numbered(f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_escaped(report.title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{_escaped(report.title)}</h1>
{lead}
{_pairs("facts", report.summary)}
<nav aria-label="Parts">
{links}
</nav>
</header>
<main>
{sections}
</main>
<footer>Made by tatami {_escaped(__version__)}; this one file needs nothing else.</footer>
</body>
</html>
""")


def _numbered(page: str) -> str:
    """Give each picture a name of its own on the page, by which its button finds it."""
    first, *parts = page.split(f'id="{_OWN}"')
    named = (
        f'id="{name}"' + part.replace(f'popovertarget="{_OWN}"', f'popovertarget="{name}"')
        for name, part in ((f"picture-{number}", part) for number, part in enumerate(parts, 1))
    )
    return first + "".join(named)


def _stages(stages: Sequence[Stage], measure: str = "mAP@0.5") -> str:
    columns = (
        ("stage", "name"),
        ("artifact", "name"),
        (measure, "number"),
        ("size", "number"),
        ("ms a picture", "number"),
    )
    rows = [
        (s.name, s.artifact, _share(s.map), _size(s.bytes), _milliseconds(s.milliseconds))
        for s in stages
    ]
    return _table(columns, rows)


def _ledger(ledger: Sequence[LedgerRow], measure: str = "mAP@0.5") -> str:
    if not ledger:
        return ""
    columns = (
        ("stage", "name"),
        ("reference", "name"),
        ("verdict", "verdict"),
        ("worst difference", "number"),
        ("bound", "number"),
        ("at layer", "name"),
        (measure, "number"),
        ("size", "number"),
        ("ms a picture", "number"),
    )
    rows = [
        (
            row.stage,
            row.reference,
            "held" if row.passed else "outside",
            _worst(row),
            _bound(row, measure),
            row.first_differing,
            _share(row.map),
            _size(row.bytes),
            _milliseconds(row.milliseconds),
        )
        for row in ledger
    ]
    failed = sum(not row.passed for row in ledger)
    verdict = (
        f'<p class="outside">✗ {failed} of {len(ledger)} rows outside their bound.</p>'
        if failed
        else '<p class="held">✓ The only row is within its bound.</p>'
        if len(ledger) == 1
        else f'<p class="held">✓ All {len(ledger)} rows within their bounds.</p>'
    )
    return verdict + _table(columns, rows, kind="ledger")


def _worst(row: LedgerRow) -> str:
    """Write a row's largest difference with its unit; a ratio in dB is no difference."""
    if row.worst is None:
        return "-"
    if row.measure == "dB":
        return f"{row.worst:.1f} dB"
    return "0" if row.worst == 0 else f"{_difference(row.worst)} {row.measure}".rstrip()


def _bound(row: LedgerRow, measure: str) -> str:
    """Write what a row allows: a difference, or a loss of the figure."""
    if row.bound is not None:
        return _difference(row.bound)
    return "-" if row.loss is None else f"-{row.loss:g} {measure}"


def _pictures(report: Report) -> str:
    if not report.pictures:
        return ""
    note = f'<p class="note">{_escaped(report.pictures_note)}</p>' if report.pictures_note else ""
    legend = "".join(
        f'<li><span style="background: rgb{color}"></span>{_escaped(name)}</li>'
        for color, name in zip(_colors(report), report.classes, strict=True)
    )
    judged = report.mistakes is not None
    kinds = list(report.mistakes.kinds) if report.mistakes else []
    there = [kind for kind in kinds if any(shown.mistakes.get(kind) for shown in report.pictures)]
    chosen = there if len(kinds) > 1 else []
    figures = "\n".join(_figure(shown, chosen, judged) for shown in report.pictures)
    return (
        f'{note}\n<ul class="legend">{legend}</ul>\n<div class="chooser">\n'
        f'{_chooser(report, chosen)}<div class="pictures">\n{figures}\n</div>\n</div>'
    )


def _chooser(report: Report, kinds: Sequence[str]) -> str:
    """Make a button for all pictures and one for each kind of mistake: the style hides the others.

    A kind's place gives its class, which report.css knows up to the eighth.
    """
    if not kinds:
        return ""
    assert report.mistakes is not None
    counts = [f"all {len(report.pictures)} shown"]
    counts += [f"{kind} ({report.mistakes.kinds[kind]:,} in all)" for kind in kinds[:8]]
    return "".join(
        f'<input type="radio" name="kind" id="kind-{place}"{"" if place else " checked"}>'
        f'<label for="kind-{place}">{_escaped(said)}</label>\n'
        for place, said in enumerate(counts)
    )


def _colors(report: Report) -> list[Color]:
    """Give a color a class: the report's own, else those that boxes have."""
    own = list(report.colors)
    return own or [class_color(label) for label in range(len(report.classes))]


def _figure(shown: Shown, kinds: Sequence[str], judged: bool) -> str:
    """Make a picture's drawings, marked with the kinds of its mistakes for the chooser."""
    caption = _escaped(shown.caption)
    several = len(shown.mistakes) > 1
    wrong = ", ".join(
        f"{count} {kind}" if several else kind for kind, count in shown.mistakes.items() if count
    )
    said = ""
    if judged:
        said = (
            f' <span class="{"outside" if wrong else "held"}">{_escaped(wrong or "right")}</span>'
        )
    places = [place for place, kind in enumerate(kinds, start=1) if shown.mistakes.get(kind)]
    marks = f' class="{" ".join(f"k{place}" for place in places)}"' if places else ""
    sides = "\n".join(
        f"<div>{_embedded(drawn, f'{caption}, {_escaped(what)}')}\n{_escaped(words)}</div>"
        for words, what, drawn in shown.sides
    )
    return (
        f"<figure{marks}>\n<figcaption>{caption}{said}</figcaption>\n"
        f'<div class="pair">\n{sides}\n</div>\n</figure>'
    )


def _confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Make a row for each class, a column for each predicted class, in shares of the row.

    The stronger colors are the larger shares: blue what is right, red what is not.
    """
    if not counts:
        return ""
    boxes = len(counts) > len(classes)
    names = [*classes, sentences.BACKGROUND] if boxes else list(classes)
    head = "".join(f'<th class="number">{_escaped(name)}</th>' for name in names)
    rows = []
    for label, (name, row) in enumerate(zip(names, counts, strict=True)):
        total = sum(row)
        shares = [count / total if total else math.nan for count in row]
        cells = "".join(
            '<td class="number"></td>'
            if math.isnan(share) or not count
            else f'<td class="number" title="{count:,}" '
            f'style="background: {_shade(share, place == label)}">{100 * share:.1f}</td>'
            for place, (share, count) in enumerate(zip(shares, row, strict=True))
        )
        rows.append(f'<tr><td class="name">{_escaped(name)}</td>{cells}</tr>')
    body = "\n".join(rows)
    note = "Percentages of each true class, by the class that is predicted."
    if boxes:
        note += (
            " A box found at IoU 0.5 or more is at its truth. The last column is what was not "
            "found; the last row is what was found where there was nothing to find."
        )
    return (
        f'<p class="note">{note}</p>\n'
        '<div class="scroll" tabindex="0"><table class="confusion">\n'
        f'<thead><tr><th class="name">true, predicted</th>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _shade(share: float, right: bool) -> str:
    """Give a cell's color; a small mistake shows, too."""
    return (
        f"rgba(0, 114, 178, {0.6 * share:.3f})"
        if right
        else f"rgba(213, 94, 0, {0.1 + 0.5 * share:.3f})"
    )


def _seen(report: Report) -> str:
    if not report.drawings:
        return ""
    note = f'<p class="note">{_escaped(report.drawings_note)}</p>' if report.drawings_note else ""
    figures = "\n".join(
        f"<figure>\n<figcaption>{_escaped(one.caption)}</figcaption>\n"
        f"{_embedded(_bounded(one.picture), _escaped(one.caption))}\n</figure>"
        for one in report.drawings
    )
    return f'{note}\n<div class="pictures">\n{figures}\n</div>'


def _sounds(sounds: Sequence[Heard]) -> str:
    """Make a player and a spectrogram of each sound: a WAV file within the page."""
    if not sounds:
        return ""
    figures = "\n".join(
        f"<figure>\n<figcaption>{_escaped(one.caption)}</figcaption>\n"
        f"{_embedded(_bounded(one.picture), _escaped(one.caption))}\n"
        f'<audio controls preload="none" aria-label="{_escaped(one.caption)}" '
        f'src="data:audio/wav;base64,{base64.b64encode(one.wav).decode()}"></audio>\n</figure>'
        for one in sounds
    )
    return f'<div class="pictures">\n{figures}\n</div>'


def _bounded(picture: Picture) -> Picture:
    """Shrink a picture where it is larger than DRAWING_SIZE."""
    larger = picture.shape[1] > DRAWING_SIZE.width or picture.shape[0] > DRAWING_SIZE.height
    return fit(picture, DRAWING_SIZE)[0] if larger else picture


def _embedded(drawn: Picture, escaped_caption: str) -> str:
    out = io.BytesIO()
    # 4:4:4 keeps thin colored lines in their color; the default would halve it each way.
    Image.fromarray(drawn).save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    height, width = drawn.shape[:2]
    data = base64.b64encode(out.getvalue()).decode()
    return (  # a click opens the picture as a popover; another one, on itself, or Escape closes it
        f'<div class="enlarge"><div popover id="{_OWN}">'
        f'<button popovertarget="{_OWN}" popovertargetaction="hide" tabindex="-1">'
        f'<img alt="{escaped_caption}" width="{width}" height="{height}" '
        f'src="data:image/jpeg;base64,{data}"></button></div>'
        f'<button popovertarget="{_OWN}" aria-label="enlarge {escaped_caption}"></button></div>'
    )


def _training(report: Report) -> str:
    if not report.log:
        return ""
    return _plots([training_curve(report.log, panel) for panel in report.panels])


def _classes(report: Report) -> str:
    columns = (
        ("class", "name"),
        ("labeled", "number"),
        ("AP@0.5", "share"),
        ("precision", "number"),
        ("recall", "number"),
        ("F1", "number"),
        ("AUC", "number"),
        ("IoU", "share"),
        ("Dice", "number"),
        ("boundary F1", "number"),
    )
    rows = [
        (
            c.name,
            f"{c.truths:,}",
            *map(_share, (c.ap, c.precision, c.recall, c.f1, c.auc, c.iou, c.dice, c.boundary_f1)),
        )
        for c in report.per_class
    ]
    table = _table(columns, rows)
    drawn = [precision_recall(report.curves)] if report.curves else []
    if report.rocs:
        drawn.append(roc_curves(report.rocs, "ROC of each class against the rest"))
    plot = _plots(drawn)
    if plot and report.curves_note:
        plot = f'<div>\n{plot}\n<p class="note">{_escaped(report.curves_note)}</p>\n</div>'
    return f'<div class="beside">\n{plot}\n{table}\n</div>' if plot and table else plot or table


def _layers(layers: Sequence[Layer]) -> str:
    if not layers:
        return ""
    columns = (
        ("layer", "name"),
        ("operator", "name"),
        ("output", "number"),
        ("multiply-adds", "number"),
        ("parameters", "number"),
        ("bytes", "number"),
    )
    rows = [
        (
            layer.name,
            layer.operator,
            "x".join(str(side) for side in layer.output_shape),
            *(
                f"{cost:,}" if cost else ""
                for cost in (layer.multiply_adds, layer.parameters, layer.bytes)
            ),
        )
        for layer in layers
    ]
    total = (
        "total",
        "",
        "",
        f"{sum(layer.multiply_adds for layer in layers):,}",
        f"{sum(layer.parameters for layer in layers):,}",
        f"{sum(layer.bytes for layer in layers):,}",
    )
    bars = _plots([layer_bars(layers, "multiply_adds"), layer_bars(layers, "parameters")])
    return f"{bars}\n<p></p>\n{_table(columns, rows, total)}"


def _plots(svgs: Sequence[str]) -> str:
    if not svgs:
        return ""
    inside = "\n".join(f"<div>{svg}</div>" for svg in svgs)
    return f'<div class="plots">\n{inside}\n</div>'


def _pairs(kind: Literal["facts", "origin"], pairs: Mapping[str, str]) -> str:
    if not pairs:
        return ""
    inside = "\n".join(
        f"<dt>{_escaped(name)}</dt><dd>{_escaped(value)}</dd>"
        if kind == "origin"
        else f"<div><dt>{_escaped(name)}</dt><dd>{_escaped(value)}</dd></div>"
        for name, value in pairs.items()
    )
    return f'<dl class="{kind}">\n{inside}\n</dl>'


def _table(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
    total: Sequence[str] = (),
    kind: str = "plain",
) -> str:
    """Make a table of plain texts, escaped here; a column with nothing in it is left out.

    Args:
        columns: (title, kind), the kind "name", "number", "share" (a number and its bar) or
            "verdict".
        rows: A text a column.
        total: A last row.
        kind: How report.css calls the table.
    """
    if not rows:
        return ""
    kept = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    head = "".join(_cell("th", columns[index][1], columns[index][0]) for index in kept)
    body = "\n".join(
        "<tr>" + "".join(_cell("td", columns[index][1], row[index]) for index in kept) + "</tr>"
        for row in rows
    )
    foot = "".join(_cell("td", columns[index][1], total[index]) for index in kept) if total else ""
    foot = f"\n<tfoot><tr>{foot}</tr></tfoot>" if foot else ""
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>{foot}\n</table></div>"
    )


def _cell(tag: Literal["th", "td"], kind: str, content: str) -> str:
    inside = _escaped(content)
    if tag == "td" and kind == "share" and content:
        filled = f'<span style="width: {100 * float(content):.1f}%"></span>'
        inside = f'<span class="bar">{filled}</span>{inside}'
    if tag == "td" and kind == "verdict":
        kind = content
        inside = {"held": "✓ held", "outside": "✗ outside"}[content]
    return f'<{tag} class="{kind}">{inside}</{tag}>'


def _share(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"


def _size(octets: int | None) -> str:
    return "" if octets is None else text.size(octets)


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _difference(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.4g}"


def _escaped(content: str) -> str:
    return html.escape(text.readable(content))
