"""Fourier transforms as they are asked of a network: products with a matrix that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def dft_matrix(
    given: int, parts: int, length: int, inverse: bool, onesided: bool
) -> NDArray[np.float64]:
    """Write a discrete Fourier transform as a matrix of real numbers.

    Args:
        given: Samples that there are; those beyond ``length`` are left out.
        parts: 1 for real samples, 2 for complex ones.
        length: Samples that are transformed, zeros after those that there are.
        inverse: Whether it is the way back, divided by the length.
        onesided: Whether the half that says all of real samples is enough: of the result, or on the
            way back of what is given.

    Returns:
        (given, parts, places, parts of the result).

    Source:
        ONNX DFT; J. Cooley and J. Tukey, "An Algorithm for the Machine Calculation of Complex
        Fourier Series", 1965, equation 1.
    """
    places = length // 2 + 1 if onesided and not inverse else length
    back = onesided and inverse
    used = min(given, length // 2 + 1 if back else length)
    at = np.arange(used)
    turns = np.multiply.outer(at, np.arange(places)) % length / length
    angle = (2 if inverse else -2) * np.pi * turns
    if inverse:
        factor = np.full(used, 1 / length)
        if back:  # each but the ends stands for its mirror image, too
            factor[(at > 0) & (2 * at != length)] *= 2
    else:
        factor = np.ones(used)
    cosine, sine = factor[:, None] * np.cos(angle), factor[:, None] * np.sin(angle)
    matrix = np.zeros((given, parts, places, 1 if back else 2))
    matrix[:used, 0, :, 0] = cosine
    if not back:
        matrix[:used, 0, :, 1] = sine
    if parts == 2:
        matrix[:used, 1, :, 0] = -sine
        if not back:
            matrix[:used, 1, :, 1] = cosine
    return matrix


def dft(x: Array, axis: int, length: int, inverse: bool, onesided: bool) -> Array:
    """Transform along an axis. ONNX DFT.

    Args:
        x: The last axis has the real part, and may have the imaginary one.
        axis: Along which.
        length: As for ``dft_matrix``, like the rest.
        inverse: See there.
        onesided: See there.
    """
    matrix = dft_matrix(x.shape[axis], x.shape[-1], length, inverse, onesided)
    moved = np.moveaxis(x, axis, -2).astype(np.float64)
    y = np.tensordot(moved, matrix, 2)
    return np.asarray(np.moveaxis(y, -2, axis), x.dtype)


def frames(length: int, frame: int, step: int) -> int:
    """Count the places of a frame that moves over a signal."""
    return (length - frame) // step + 1


def stft_matrix(
    frame: int, parts: int, window: Array | None, onesided: bool
) -> NDArray[np.float64]:
    """Write what becomes of a frame as a matrix: (frame, parts, places, 2)."""
    matrix = dft_matrix(frame, parts, frame, False, onesided)
    return matrix if window is None else matrix * window.astype(np.float64)[:, None, None, None]


def stft(x: Array, step: int, frame: int, window: Array | None, onesided: bool) -> Array:
    """Transform frames of a signal, one after the other. ONNX STFT.

    Args:
        x: (n, length, 1 or 2).
        step: Samples from one frame to the next.
        frame: Samples of a frame.
        window: (frame,): by what each sample of a frame is multiplied; None: by 1.
        onesided: Whether half of the places are enough.

    Returns:
        (n, frames, places, 2).
    """
    matrix = stft_matrix(frame, x.shape[2], window, onesided)
    count = frames(x.shape[1], frame, step)
    cut = np.stack([x[:, at * step : at * step + frame] for at in range(count)], axis=1)
    return np.asarray(np.tensordot(cut.astype(np.float64), matrix, 2), x.dtype)
