"""Teaching labs: where the notebooks are, what they show of a visible check, and the grader behind `l2ssm lab`.

The notebooks themselves are marimo files in `sysid_examples/labs`, the hidden checks in `tests/labs/checks`; both are
copied into the wheel, so that an installed package has them.
"""

from __future__ import annotations
