"""A setting is added in one place: the stage, --help, the schema, and what reruns all follow from that."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

OLD = "    seed: Natural = setting("
NEW = '    shade: Count = setting(7, "a setting that this test adds")\n' + OLD


def test_one_edit_adds_a_setting(project):
    stage = project / "src/semacdr/stages/split.py"
    text = stage.read_text()
    assert text.count(OLD) == 1
    stage.write_text(text.replace(OLD, NEW))
    assert project.run() == {"split": 2, "graph": 2, "train": 6, "rank": 6, "metrics": 1}  # its code changed
    environment = os.environ | {"PYTHONPATH": str(project / "src")}

    def python(*words):
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True, check=True)

    assert "--shade SHADE" in python("-m", "semacdr.stages.split", "--help").stdout
    python("-m", "semacdr.stages.describe_settings")
    schema = json.loads((project / "workflow/schemas/config.schema.json").read_text())
    added = {"type": "integer", "minimum": 1, "default": 7, "description": "a setting that this test adds"}
    assert schema["$defs"]["split"]["properties"]["shade"] == added
    assert "a setting that this test adds" in (project / "docs/settings.md").read_text()
    assert project.plan() == {}
    project.configure(lambda config: config["split"].update(shade=8))
    assert project.plan("results/movie_book/movie_to_book/split.parquet") == {"split": 1}
    assert project.plan("results/movie_book/embeddings.parquet") == {}
    project.configure(lambda config: config["split"].update(shade=0))
    status, text = project.call("-n")
    assert status != 0 and "split.shade: must be a whole number of at least 1, not 0" in text, text
    code = "from semacdr.stages.split import Settings; print(Settings().shade)"
    assert python("-c", code).stdout == "7\n"
