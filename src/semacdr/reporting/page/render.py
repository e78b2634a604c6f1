"""The templates filled in: one HTML page with its style and script inside, that may fetch nothing."""

import base64
import hashlib
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from semacdr.reporting.metrics_page import label
from semacdr.reporting.page import record, results


def render(content: dict[str, Any]) -> str:
    """The page of `content`. Every text is escaped; markup are only the templates and the charts."""
    templates = Environment(
        loader=PackageLoader("semacdr.reporting.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"duration": record.duration, "column": label, "count": _count}
    templates.globals |= {"short": results.short, "PAPER_COLUMNS": results.PAPER_COLUMNS, "MAIN": results.MAIN}
    style, script = (_source(templates, name) for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return templates.get_template("page.html").render(content | {"style": style, "script": script, "digest": digest})


def _source(templates: Environment, name: str) -> Markup:
    """A file of the templates as it is."""
    return Markup(templates.loader.get_source(templates, name)[0])


def _count(number: int | str) -> str:
    """A whole number with its thousands apart; what is none as it is."""
    text = str(number)
    return f"{int(text):,}" if text.isdigit() else text
