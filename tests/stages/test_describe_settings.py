"""The stored schema and page match the settings classes, and the shipped config and examples are valid."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from semacdr.stages import describe_settings

ROOT = Path(__file__).parents[2]
CONFIGS = [ROOT / "config.yaml", *sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / ".ci").glob("*.yaml"))]


def test_the_stored_files_are_in_step_with_the_classes(tmp_path):
    schema, page = tmp_path / "schema.json", tmp_path / "settings.md"
    describe_settings.main(["--schema", str(schema), "--page", str(page)])
    advice = "run: python -m semacdr.stages.describe_settings"
    assert schema.read_text() == (ROOT / "workflow/schemas/config.schema.json").read_text(), advice
    assert page.read_text() == (ROOT / "docs/settings.md").read_text(), advice


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_conform_to_the_schema(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), describe_settings.config_schema())


@pytest.mark.parametrize("wrong", [{"trian": {}}, {"split": {"candidates": 0}}, {"train": {"visibility": "some"}}])
def test_a_wrong_config_does_not(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, describe_settings.config_schema())


def test_the_page_has_type_default_and_meaning_of_a_setting():
    row = "| `candidates` | a whole number of at least 1 | `100` | stored candidates next to each positive"
    assert row in describe_settings.page()
