"""One sample of `Attention`: the window moves on by one, the sample attends to what is in it and to itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from l2ssm.export.tape import Value
from l2ssm.systems.attention import Attention, rotated

MASKED = 1e30  # so much below any logit that its weight is 0


def attention(layer: Attention, u: Value, x: Value) -> tuple[Value, Sequence[Value]]:
    """softmax over the window of q'k / sqrt(d), times the values; see `Attention`."""
    (d, _), w, tape = layer.K.shape, int(layer.window[0]), u.tape
    heads, row = layer.Q.shape[0] // d, 2 * d + 1
    entry = tape.concat([tape.linear(layer.K, u), tape.linear(layer.V, u), tape.constant([1.0])])
    window = tape.concat([x[: w * row], entry])  # of w + 1 samples, this one last
    each = np.arange((w + 1) * row).reshape(w + 1, row)
    turned_k = _turned(window[each[:, :d].ravel()], np.arange(w + 1.0), d)
    turned_q = _turned(tape.linear(layer.Q, u), np.full(heads, float(w)), d)
    by_head = np.arange(heads * d).reshape(heads, 1, d).repeat(w + 1, axis=1).ravel()
    by_sample = np.tile(np.arange((w + 1) * d), heads)
    logits = tape.sum(turned_q[by_head] * turned_k[by_sample], d) / np.sqrt(d)
    seen = tape.apply("greater", window[each[:, -1]], 0.5)[np.tile(np.arange(w + 1), heads)]
    masked = seen * logits + MASKED * (seen - 1.0)
    raised = tape.apply("exp", masked - tape.top(masked, w + 1)[np.repeat(np.arange(heads), w + 1)])
    weights = raised / tape.sum(raised, w + 1)[np.repeat(np.arange(heads), w + 1)]
    values = window[np.tile(each[:, d : 2 * d].T, (heads, 1)).ravel()]  # head, channel, sample
    y = tape.sum(weights[np.arange(heads * (w + 1)).reshape(heads, 1, -1).repeat(d, axis=1).ravel()] * values, w + 1)
    spare = layer.n_x - w * row
    return y, (window[row:], *([tape.constant(np.zeros(spare))] if spare else []))


def _turned(x: Value, position: np.ndarray, d: int) -> Value:
    """`rotated`, linear in x: cos and sin of every number and its partner, from the images of unit vectors."""
    n, eye = position.size, np.eye(d)
    images = rotated(np.broadcast_to(eye, (n, d, d)).astype(float), position)  # sample, unit vector, channel
    own = np.einsum("tii->ti", images)
    partner, weight = np.tile(np.arange(d), (n, 1)), np.zeros((n, d))
    quarter = d // 4
    for i in range(2 * quarter):
        j = (i + quarter) % (2 * quarter)
        partner[:, i], weight[:, i] = j, images[:, j, i]
    places = (np.arange(n)[:, None] * d + partner).ravel()
    return x * own.ravel() + x[places] * weight.ravel()
