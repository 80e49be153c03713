"""Noise of the cells of a table, as noise of its encoded rows."""

from dataclasses import replace

import numpy as np

from skdiffusion.tables.reading import NUMERIC


def encoded_noise(encoder, X, noise):
    """Return the standard deviations of encoded rows whose numbers have noise of some others.

    `noise` is in the units of the columns, one for all or one for each; missing cells give NaN.
    """
    columns = encoder._read(X)
    steps = np.broadcast_to(noise, len(columns))
    below, above = (
        encoder._encode(
            [
                replace(c, values=c.values + side * step) if kind in NUMERIC else c
                for c, kind, step in zip(columns, encoder.kinds_, steps, strict=True)
            ]
        )
        for side in (-0.5, 0.5)
    )
    return np.abs(above - below)
