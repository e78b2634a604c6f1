"""The stages that may ask a language model: their prompts, the answers they import, and the options of section llm."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from semacdr.plan.code_inputs import code, shown
from semacdr.plan.config import Config, refuse_braces
from semacdr.plan.declarations import SOURCES
from semacdr.runtime.setting_errors import SettingError
from semacdr.semantics.categories import prompt_name
from semacdr.semantics.column_settings import check_columns

ENGINE = (
    "llm_engine",
    "llm_semantics",
    "asked_share",
    "learned_filing",
    "induction",
    "naming",
    "sampling",
    "trial",
)  # modules of semantics/ used only by engine llm
ASKING = (
    "semacdr.llm",
    "semacdr.stages._llm",
    "semacdr.personas.llm_engine",
    *(f"semacdr.semantics.{name}" for name in ENGINE),
)
STEPS = ("propose", "merge", "revise", "structured")  # of making a taxonomy: each has a prompt
IMPORTING = ("semacdr.semantics.imported_filings",)


def stage_engine(config: Config, scenario: str, stage: str) -> str:
    """The engine of a stage; that of taxonomy is columns where columns are given and no engine."""
    given = config.values(stage, scenario)
    return "columns" if given.get("columns") and "engine" not in given else config.settings(stage, scenario).engine


def asks(config: Config, scenario: str, stage: str) -> bool:
    """Whether a stage asks a language model."""
    return stage_engine(config, scenario, stage) == "llm"


def attributes(config: Config, scenario: str) -> list[str] | str:
    """The values of category columns, where they are the categories; else none."""
    engine = stage_engine(config, scenario, "taxonomy")
    return f"results/{scenario}/attributes.parquet" if engine == "columns" else []


def stage_code(config: Config, scenario: str, stage: str) -> list[str]:
    """The code that a stage runs: that of asking a language model, or of importing filings, only where it does so."""
    without = () if asks(config, scenario, stage) else ASKING
    without += () if stage_engine(config, scenario, stage) == "imported" else IMPORTING
    return code(f"semacdr.stages.{stage}", without=without)


def prompts(config: Config, scenario: str, stage: str) -> list[str]:
    """The prompt files of a stage that asks; a changed one makes its answers stale."""
    if not asks(config, scenario, stage):
        return []
    own = config.settings(stage, scenario)
    if stage == "taxonomy":
        names = [prompt_name(step, own.kind) for step in STEPS]
    else:
        names = ["inner", own.method] if stage == "semantics" else ["persona"]
    folder = prompt_folder(config, scenario)
    return [str(folder / f"{name}.txt") for name in names]


def prompt_folder(config: Config, scenario: str) -> Path:
    """The folder of the prompts: in the working directory, else the checkout's."""
    return resource(config.settings("llm", scenario, "Options").prompts, "llm", "prompts")


def resource(name: str, *setting: str) -> Path:
    """A file or folder that a setting names: in the working directory, else the checkout's."""
    refuse_braces(name, *setting)
    path = Path(name)
    return path if path.exists() or not (SOURCES.parent / path).exists() else Path(shown(SOURCES.parent / path))


def recorded(config: Config, scenario: str, stage: str) -> list[str]:
    """Files of answers that were recorded before."""
    names = config.settings("llm", scenario, "Options").recorded if asks(config, scenario, stage) else ()
    return [str(resource(name, "llm", "recorded")) for name in names]


def shards(config: Config, scenario: str, stage: str = "semantics", direction: str = "", part: str = "") -> list[str]:
    """The answers of each shard, where several jobs share the asking; of a direction for a stage that runs for each."""
    count = config.settings(stage, scenario, "Options").shards if asks(config, scenario, stage) else 1
    folder = "/".join(filter(None, ("results", scenario, direction, f"{stage}{part}", "shards")))
    return [f"{folder}/{shard}of{count}.parquet" for shard in range(1, count + 1)] if count > 1 else []


def stage_settings(config: Config, scenario: str, stage: str) -> str:
    """A stage's settings as JSON; those of the other engine are left out, as they change nothing."""
    settings, engine = config.settings(stage, scenario), stage_engine(config, scenario, stage)
    own = dataclasses.asdict(settings) | {"engine": engine}
    if stage == "semantics":
        own["encoder"] = own["encoder"] or config.settings("encode", scenario).encoder
    skipped = {
        field.name for field in dataclasses.fields(settings) if field.metadata.get("engine") not in (None, engine)
    }
    return json.dumps({name: value for name, value in own.items() if name not in skipped}, sort_keys=True)


def model_settings(config: Config, scenario: str, stage: str) -> list[str]:
    """The options that say which model is asked: they determine its answers. None where none is asked."""
    if not asks(config, scenario, stage):
        return []
    return ["--llm-settings", json.dumps(dataclasses.asdict(config.settings("llm", scenario)), sort_keys=True)]


def how_asked(config: Config, scenario: str, stage: str, given: list[str], shard: str = "") -> list[str]:
    """The options that say how a stage gets its answers, which change no result; `given`: answers to import."""
    if not asks(config, scenario, stage):
        return []
    own: dict[str, Any] = dataclasses.asdict(config.settings("llm", scenario, "Options"))
    own["prompts"] = str(prompt_folder(config, scenario))
    own["recorded"] = given
    if stage == "taxonomy" and not own["run_batch"]:
        own["batch"] = ""  # few requests, each step's after the answers of the last: a day for each would be long
    if own["batch"]:  # a folder for each job: one process holds it
        own["batch"] = str(Path(own["batch"], scenario, stage, shard))
    return ["--llm-options", json.dumps(own, sort_keys=True)]


def filings(config: Config, scenario: str) -> list[str] | str:
    """The table that a scenario's items are filed by; none where an engine files them."""
    own = config.settings("semantics", scenario)
    if own.engine != "imported":
        return []
    path = ("semantics", "filings")
    if own.filings is None:
        raise SettingError(path, "engine imported needs filings, a table with item_id, category and subcategory")
    file = own.filings.replace("{scenario}", scenario)
    found = resource(file, *path)
    if not found.exists():
        raise SettingError(
            path, f"scenario {scenario} has no filings {file}; write the path from the working directory"
        )
    return str(found)


def how_imported(config: Config, scenario: str) -> list[str]:
    """The options of a table of filings, with the names that it may have for the domains; none without one."""
    file = filings(config, scenario)
    names = [word for pair in config.scenarios[scenario].domains.items() for word in ("--also-named", *pair)]
    return ["--imported", str(file), *names] if file else []


def snippets(config: Config, scenario: str) -> list[str] | str:
    """The snippets of reviews, where items are described with them; else none."""
    return f"results/{scenario}/semantics/snippets.parquet" if config.settings("semantics", scenario).reviews else []


def taxonomy_file(config: Config, scenario: str) -> list[str] | str:
    """The file that a scenario's taxonomy is taken from; none where a language model or columns make it."""
    engine = stage_engine(config, scenario, "taxonomy")
    if engine == "columns":
        own = config.settings("taxonomy", scenario)
        check_columns(own.columns, own.values, config.scenarios[scenario].domains)
    if engine != "file":
        return []
    file = config.settings("taxonomy", scenario).file.replace("{scenario}", scenario)
    found = resource(file, "taxonomy", "file")
    if not found.exists():
        raise SettingError(
            ("taxonomy", "file"),
            f"scenario {scenario} has no taxonomy {file}: write it (resources/taxonomies has examples), let a"
            " language model make it (`taxonomy: {engine: llm}`), or take category columns of your tables"
            " (`taxonomy: {columns: {domain.column: category}}`)",
        )
    return str(found)


def taxonomy_items(config: Config, scenario: str) -> list[str] | str:
    """The items that a taxonomy is made for; none where it is a file."""
    return f"results/{scenario}/items.parquet" if stage_engine(config, scenario, "taxonomy") != "file" else []
