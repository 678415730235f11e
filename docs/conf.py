"""How Sphinx makes a site of the pages: of docs/, the README, and those beside code.

Pages lie where they are read on a code host too, so the whole repository is the source folder and
links between pages are relative. Nothing that a built page needs is fetched from outside.
"""

import re
import sys
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from generated import PAGES  # noqa: E402

project = "bnn-orchestrate"
author = "bnn-orchestrate"
project_copyright = "bnn-orchestrate; Apache-2.0"
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "configs/README.md",
    "docker/README.md",
    "tests/benchmarks/results/*.md",
]
exclude_patterns = [".*", "build", "dist", "bnn-runs", "shared", "data"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
suppress_warnings = ["toc.not_included"]

html_theme = "furo"
html_title = "bnn-orchestrate"
html_copy_source = False
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

default_role = "code"
smartquotes = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
# Types and errors: of other libraries, and of ours those that are no public names.
nitpick_ignore_regex = [("py:(class|exc)", ".*")]

LINE = re.compile(r"(Forward|Backward|Source|Where we differ):\s")
"""Begins a line of a docstring that stays a line."""


def plain_docstring(
    app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """Keeps signs that mean something to Sphinx, and lines with formulas, as they are written."""
    if what == "attribute":
        # Else what stands before a colon is taken for its type.
        lines.insert(0, "")
    is_line = False
    for number, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)
        parts[::2] = [re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", part) for part in parts[::2]]
        text = "".join(parts)
        begins = LINE.match(line) is not None
        is_line = begins or (is_line and bool(line.strip()))
        lines[number] = f"{'| ' if begins else '  '}{text.strip()}" if is_line else text


def filled(app: Any, name: str, content: list[str]) -> None:
    """Puts in what is made from code, behind the page's own text; links to folders become text."""
    folder = (ROOT / name).parent

    def shown(link: re.Match[str]) -> str:
        return link[1] if (folder / link[2]).is_dir() else link[0]

    content[0] = re.sub(r"\[([^\]]*)\]\(([^)#:\s]+)\)", shown, content[0])
    if name in PAGES:
        content[0] += "\n" + PAGES[name](sorted(app.env.found_docs))


def setup(app: Any) -> None:
    """Tells Sphinx of the above."""
    app.connect("source-read", filled)
    app.connect("autodoc-process-docstring", plain_docstring, priority=400)
    # Shown as its text: what draws it would come from outside.
    app.add_lexer("mermaid", TextLexer)
