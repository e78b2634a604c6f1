"""docs/choosing.md: one table that fits on a screen, whose config lines are valid and name systems that exist."""

import re

import pytest
import yaml
from plans import ROOT, overlaid

from semacdr.plan.config import Config
from semacdr.plan.systems import table_systems

TEXT = (ROOT / "docs/choosing.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in TEXT.splitlines() if line.startswith("| ")]
CODE = [(row[0], code) for row in ROWS[2:] for code in re.findall(r"`([^`]+: [^`]+)`", row[2])]


def test_it_is_one_table_that_fits_on_a_screen():
    assert len(TEXT.splitlines()) <= 35
    assert {len(row) for row in ROWS} == {4} and len(CODE) >= len(ROWS) - 3


@pytest.mark.parametrize(("situation", "code"), CODE, ids=[code for _, code in CODE])
def test_its_config_lines_are_valid(situation, code):
    """Alone, laid over the shipped config: a section, an entry of train.systems, or a line of such an entry."""
    lines = yaml.safe_load(code)
    if "model" in lines:
        lines = {"train": {"systems": {"mine": lines}}}
    elif "loss" in lines:
        lines = {"train": {"systems": {"sasrec": lines}}}
    elif "engine" in lines:
        lines = {"semantics": lines}
    inner = lines if "systems" in lines.get("train", {}) else {"scenarios": {"kitchen_food": lines}}
    config = Config(overlaid(inner))
    asked = config.settings("metrics", "kitchen_food", "Planned").systems
    assert asked == "all" or set(asked) <= table_systems(config).keys(), situation
