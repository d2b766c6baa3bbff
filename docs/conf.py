"""The documentation as a site (`make site`), of the repository's Markdown and the package's docstrings.

Pages lie where they lie in the repository, so that their links work on a git host too. Nothing is loaded from another
host: formulas become MathML, which browsers draw by themselves.
"""

import logging
import re
import sys
from pathlib import Path

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

# What kipoi says of itself when it is imported.
logging.getLogger("kipoi_utils").setLevel(logging.ERROR)

project = "chrom2expr"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
highlight_language = "none"
root_doc = "docs/index"
include_patterns = ["docs/**", "config/README.md", "CHANGELOG.md", "CONTRIBUTING.md"]

html_theme = "furo"
html_title = "chrom2expr"
html_show_copyright = html_copy_source = False
html_extra_path = ["root"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints_format = "short"


def setup(app):
    """Teach Sphinx formulas as MathML, and code between single backticks in docstrings."""

    def formulas(display):
        def visit(translator, node):
            translator.body.append(convert(node.astext(), display=display))
            raise SkipNode

        return visit, None

    def literals(app, what, name, obj, options, lines):
        lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line) for line in lines]

    app.add_html_math_renderer("mathml", inline_renderers=formulas("inline"), block_renderers=formulas("block"))
    app.connect("autodoc-process-docstring", literals)
