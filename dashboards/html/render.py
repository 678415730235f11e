"""Fills templates; everything that comes from the store is escaped."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

FOLDER: Final = Path(__file__).parent
TEMPLATES: Final = FOLDER / "templates"
STATIC: Final = {
    name: FOLDER / folder / name
    for folder, names in (
        ("vendored", ("htmx.min.js", "vega.min.js", "vega-lite.min.js", "vega-embed.min.js")),
        ("static", ("charts.js", "page.css", "icon.svg")),
    )
    for name in names
}
"""The files that pages load, by name."""
REPORT_SCRIPTS: Final = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js", "charts.js")


def rendered(template: str, **values: Any) -> str:
    """A template's text.

    Args:
        template: Its file's name.
        values: What it shows.
    """
    return _templates().get_template(template).render(**values)


def inlined(name: str) -> Markup:
    """The text of a static file, to stand in a page as it is."""
    return Markup(STATIC[name].read_text("utf-8"))


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = _json
    environment.filters["breakable"] = _breakable
    environment.globals["inlined"] = inlined
    return environment


def _json(value: object) -> str:
    """A value for an attribute, in which the template escapes it."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _breakable(text: str) -> Markup:
    """A name that may go on in the next line after each / and _."""
    return Markup(re.sub(r"([/_])", r"\1<wbr>", str(escape(text))))
