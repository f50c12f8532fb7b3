"""One self-contained HTML page and one JSON file about a model, made from the results of `analysis`."""

from __future__ import annotations
