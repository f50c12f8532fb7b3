"""What a control engineer wants to see of a model: metrics, residual tests, operators, pictures; numpy and scipy."""

from __future__ import annotations
