"""Render the templates as one HTML page with inline style and script; its policy forbids loading anything else."""

import base64
import hashlib
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from semacdr.reporting.findings import HOW_CERTAIN
from semacdr.reporting.glossary import GLOSSARY
from semacdr.reporting.names import column_name
from semacdr.reporting.page import experiments, personas, record, results, tastes
from semacdr.reporting.paper import PAPER_COLUMNS, PAPER_NEGATIVES


def render(content: dict[str, Any]) -> str:
    """The page as HTML. Every text in `content` is escaped; only templates and charts are markup."""
    loader = PackageLoader("semacdr.reporting.page", "templates")
    templates = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"duration": record.duration, "column": column_name, "count": _count}
    templates.globals |= {
        "first_columns": results.first_columns,
        "main_column": results.main_column,
        "GLOSSARY": GLOSSARY,
        "HOW_CERTAIN": HOW_CERTAIN,
        "MAIN_NAME": experiments.MAIN_NAME,
        "PAPER_COLUMNS": PAPER_COLUMNS,
        "PAPER_NEGATIVES": PAPER_NEGATIVES,
        "MIN_EVENTS": tastes.MIN_EVENTS,
        "MIN_LIFT": tastes.MIN_LIFT,
        "TYPICAL": personas.TYPICAL,
    }
    style, script = (Markup(loader.get_source(templates, name)[0]) for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return templates.get_template("page.html").render(content | {"style": style, "script": script, "digest": digest})


def _count(number: int | str) -> str:
    """A whole number with thousands separators; any other text unchanged."""
    text = str(number)
    return f"{int(text):,}" if text.isdigit() else text
