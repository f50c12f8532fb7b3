"""`default_window`: how long training windows are where nobody says: they hold what the outputs remember."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.dataset import Dataset
from l2ssm.identification.initial import without_gaps

SHORTEST, LONGEST = 512, 4096
REMEMBERED = 2  # correlation times in a window
READ = 2**16  # samples of the longest record that are looked at


def default_window(train: Dataset) -> int:
    """`SHORTEST`, or `REMEMBERED` correlation times of the slowest output in the longest record, at most `LONGEST`.

    A window far shorter than an integrating or very slow plant remembers shows its errors before they have grown.

    Args:
        train: records with outputs.
    """
    y = max(train, key=lambda record: record.T).block(0, READ)[1]
    assert y is not None
    known = without_gaps(y)
    times = [correlation_time(known[:, i]) for i in range(y.shape[1])]
    return int(np.clip(REMEMBERED * max(times), SHORTEST, LONGEST))


def correlation_time(y: NDArray[np.float64]) -> int:
    """The first lag at which the sample autocorrelation of y (T,) is below 1/e; 0 where y does not vary.

    >>> correlation_time(np.repeat([1.0, -1.0], 100))  # it falls from 1 to -1/2 in a straight line
    43
    """
    deviation, T = y - y.mean(), len(y)
    if not np.any(deviation):
        return 0
    spectrum = np.fft.rfft(deviation / np.abs(deviation).max(), 2 * T)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2)[:T]
    return int(np.argmax(covariance < covariance[0] / np.e)) or T
