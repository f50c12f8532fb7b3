"""Models outside Python's training stack: a numpy runtime, ONNX and C99, all from one list of operations a step."""

from __future__ import annotations
