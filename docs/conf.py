"""Sphinx: pages in Markdown (MyST), Google-style docstrings (napoleon), theme furo; a reader fetches nothing."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "_extensions"), str(Path(__file__).parent.parent)]

import l2ssm  # noqa: E402

project = "l2ssm"
author = "the l2ssm maintainers"
release = version = l2ssm.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # reads the docstrings of the package, which are in Google's style
    "command_reference",
    "docstring_text",
    "mathml",
]
exclude_patterns = ["_build", "_extensions"]

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = True
autodoc_typehints = "signature"
maximum_signature_line_length = 100
napoleon_use_ivar = True
napoleon_use_rtype = False
default_role = "literal"
suppress_warnings = ["ref.python"]  # an attribute of several classes: its bare name in a list is no reference

html_theme = "furo"
html_math_renderer = "mathml"
html_title = "l2ssm"
html_copy_source = False
html_show_copyright = False
smartquotes = False  # an option begins with two hyphens
