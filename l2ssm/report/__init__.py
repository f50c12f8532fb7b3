"""One self-contained HTML page and one JSON file about a model, made from the results of `analysis`.

The package has the name of its function, so it is made callable: `l2ssm.report(model, ...)` means the same before and
after anything has imported the package and thereby set that attribute of `l2ssm`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from l2ssm.report.write import ReportPaths, report

__all__ = ["ReportPaths", "report"]


class _CallablePackage(ModuleType):
    """This package, called like its function."""

    def __call__(self, *args: Any, **options: Any) -> ReportPaths:
        """`write.report`."""
        return report(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
