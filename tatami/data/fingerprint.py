"""One number for everything a network may learn from a split: recorded as provenance."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tatami.errors import TatamiError
from tatami.types import Dataset, LabeledMasks, LabeledPictures, LabeledSeries, LabeledSounds
from tatami.types.datasets import LabeledTexts


def fingerprint(dataset: Dataset) -> str:
    """Hash class names, sample ids, the pictures' files and the boxes.

    The hash does not depend on where the set lies, nor on the format that its labels are written
    in.

    Returns:
        SHA-256, 64 hex digits.

    Raises:
        TatamiError: For a picture that cannot be read.
    """
    whole = hashlib.sha256(json.dumps(dataset.classes).encode())
    for sample in dataset.samples:
        boxes = sample.boxes
        head = [sample.id, file_digest(sample.path).hex(), len(boxes)]
        whole.update(json.dumps(head).encode())
        for values, kind in (
            (boxes.xyxy, "<f8"),
            (boxes.labels, "<i8"),
            (boxes.difficult, "u1"),
            (boxes.crowd, "u1"),
            (boxes.areas, "<f8"),
        ):
            whole.update(values.astype(kind).tobytes())
    return whole.hexdigest()


def labeled_fingerprint(pictures: LabeledPictures) -> str:
    """Hash a set with one class a picture: names, ids, labels and every pixel.

    Returns:
        SHA-256, 64 hex digits.

    Raises:
        TatamiError: For a picture that cannot be read.
    """
    whole = hashlib.sha256(json.dumps([pictures.classes, pictures.ids]).encode())
    whole.update(pictures.labels.astype("<i8").tobytes())
    for index in range(len(pictures)):
        picture = pictures.read(index)
        whole.update(json.dumps(picture.shape).encode())
        whole.update(picture.tobytes())
    return whole.hexdigest()


def sound_fingerprint(sounds: LabeledSounds) -> str:
    """Hash a set with one class a sound: names, ids, rate, labels and every sample.

    Returns:
        SHA-256, 64 hex digits.

    Raises:
        TatamiError: For a sound that cannot be read.
    """
    whole = hashlib.sha256(json.dumps([sounds.classes, sounds.ids, sounds.rate]).encode())
    whole.update(sounds.labels.astype("<i8").tobytes())
    for index in range(len(sounds)):
        samples = sounds.read(index)
        whole.update(json.dumps(len(samples)).encode())
        whole.update(samples.astype("<i2").tobytes())
    return whole.hexdigest()


def series_fingerprint(data: LabeledSeries) -> str:
    """Hash a set with one class a series: names, ids, channels, labels and every number.

    Returns:
        SHA-256, 64 hex digits.
    """
    whole = hashlib.sha256(json.dumps([data.classes, data.ids, data.channels]).encode())
    whole.update(data.labels.astype("<i8").tobytes())
    for one in data.series:
        whole.update(json.dumps(len(one)).encode())
        whole.update(one.astype("<f4").tobytes())
    return whole.hexdigest()


def text_fingerprint(texts: LabeledTexts) -> str:
    """Hash sentences with their translations: what is translated into what, and every letter.

    Returns:
        SHA-256, 64 hex digits.
    """
    whole = hashlib.sha256(json.dumps(texts.directions).encode())
    for one in texts.pairs:
        row = [one.source_language, one.target_language, one.source, one.target]
        whole.update(json.dumps(row).encode())
    return whole.hexdigest()


def mask_fingerprint(masks: LabeledMasks) -> str:
    """Hash a set with a class for every pixel: names, ids, and every pixel and its class.

    Returns:
        SHA-256, 64 hex digits.

    Raises:
        TatamiError: For a pair that cannot be read.
    """
    whole = hashlib.sha256(json.dumps([masks.classes, masks.ids]).encode())
    for index in range(len(masks)):
        picture, mask = masks.read(index)
        whole.update(json.dumps(picture.shape).encode())
        whole.update(picture.tobytes())
        whole.update(mask.tobytes())
    return whole.hexdigest()


def file_digest(path: Path) -> bytes:
    """Hash a file's bytes with SHA-256.

    Raises:
        TatamiError: For a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise TatamiError(
            f"cannot be read: {error.strerror or error}", hint="check the file", file=path
        ) from error
