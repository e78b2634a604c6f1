"""The sections of the config: a stage's Settings and Options, and what only the planner reads."""

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from semacdr.data.own_tables import OwnTable
from semacdr.plan.declarations import SOURCES, has_class, settings_class
from semacdr.runtime.settings import Bounds, Count, Natural, setting

Names = tuple[str, ...]
Seeds = Annotated[tuple[Natural, ...], Bounds(1)]


@dataclass(frozen=True)
class Train:
    """Which systems are trained, with which seeds, and where their settings come from."""

    seeds: Seeds = setting((1, 2, 3), "one training each")
    tuned: bool | None = setting(
        None,
        "settings in resources/tuned/<scenario>.json: true uses them, false does not; null uses them"
        " if the scenario has the release and the filters that they were tuned on",
    )
    tuned_from: str | None = setting(
        None, "a scenario whose tuned settings are used instead, its first direction's for the first one here"
    )
    texts: bool = setting(
        True, "false where the items have no texts: every system is then trained without item semantics"
    )
    settings: dict = setting({}, "of the models' own settings, for every system whose model has them")


@dataclass(frozen=True)
class Tune:
    """What is tuned, within which ranges."""

    experiment: str = setting("baselines", "the experiment whose trained systems are tuned")
    space: dict[str, dict] = setting(
        {"common": {}}, "ranges by system: {low, high} with log or step, or {choices}; `common` is for all systems"
    )


@dataclass(frozen=True)
class Metrics:
    """Which rows the result table has."""

    systems: Literal["all"] | Names = setting(
        "all", "names in train.systems; all: those that do not say `listed: false`"
    )


@dataclass(frozen=True)
class Experiment:
    """The experiment that a stage summarises."""

    experiment: str = setting("baselines", "a name in section compare")


@dataclass(frozen=True)
class DataSets:
    """The experiments whose runs on all scenarios of `run` share one table."""

    experiments: Annotated[Names, Bounds(1)] = setting(("baselines",), "names in section compare")


@dataclass(frozen=True)
class Density:
    """The experiment and the scenarios whose gains share one table."""

    experiment: str = setting("sphere", "a name in section compare, whose variants with SPHERE name their backbone")
    scenarios: Names = setting((), "names in scenarios, thinned ones too; empty: those of `run`")
    variants: Names = setting(
        (), "variants whose gain is taken; empty: all of model sphere with another model as reference"
    )


@dataclass(frozen=True)
class Gate:
    """The runs whose gates are shown."""

    experiment: str = setting("sphere", "a name in section compare")
    variants: Names = setting((), "variants of that experiment; empty: all of model sphere")


@dataclass(frozen=True)
class Sensitivity:
    """Which sweeps share one table."""

    experiments: Annotated[Names, Bounds(1)] = setting(
        ("sweep_categories", "sweep_contrast", "sweep_semantic_rate", "sweep_rate"), "sweeps in section compare"
    )


@dataclass(frozen=True)
class DomainMixing:
    """The runs whose item vectors are compared."""

    experiment: str = setting("ablation", "a name in section compare")
    variants: Annotated[Names, Bounds(1)] = setting(("full", "without_agnostic"), "variants of that experiment")
    directions: Literal[1, 2] = setting(1, "1: the first direction; 2: both")


@dataclass(frozen=True)
class Report:
    """What the report page shows."""

    systems: Names = setting((), "names in train.systems whose recommendations are shown, under their first seed")
    experiments: Names = setting((), "names in section compare, or cold_start; each costs its trainings")
    figures: Names = setting(
        ("taste_similarity",), "pictures: " + "domain_mixing, efficiency, sensitivity and sweeps cost trainings"
    )


@dataclass(frozen=True)
class Comparison:
    """An experiment: variants of a system, compared with the first one, or with one they name, by paired tests."""

    system: dict = setting({}, "the system that all variants start from: an entry as in train.systems")
    variants: dict[str, dict] | None = setting(
        None, "by name what a variant changes; `against` names the variant that it is compared with, else the first one"
    )
    sweep: dict[str, tuple[Any, ...]] | None = setting(None, "one setting and its values, in place of variants")
    directions: Literal[1, 2] = setting(2, "1: the first direction alone")
    seeds: Count | None = setting(None, "number of seeds to use; null: all")
    cutoffs: Annotated[tuple[Count, ...], Bounds(1)] = setting(
        (10,), "cut-offs of NDCG and HR, 10 among them; the page tests NDCG at the first one"
    )
    split: Literal["test", "valid"] = setting("test", "split to rank; valid is for model selection")


@dataclass(frozen=True)
class Release:
    """Where the raw files come from. A release may also carry the sections of stages, for all its scenarios."""

    source: Literal["sample", "local", "download", "table"] = setting(
        "download", "simulated, a folder, a known address, or tables of your own"
    )
    folder: str | None = setting(None, "the folder of source local")
    url: dict[str, str] | None = setting(None, "{reviews: …, meta: …} with {category} in them, for source download")
    tables: dict[str, OwnTable] | None = setting(None, "by category the files of source table and their columns")


PLANNED: dict[str, type] = {
    "train": Train,
    "tune": Tune,
    "metrics": Metrics,
    "efficiency": Experiment,
    "mean_ranks": Experiment,
    "data_sets": DataSets,
    "density": Density,
    "gate": Gate,
    "sensitivity": Sensitivity,
    "domain_mixing": DomainMixing,
    "report": Report,
    "cold_start": Comparison,
}
ELSEWHERE = {  # sections whose classes are not in the stage's own module
    "train": "semacdr.training.settings",
    "tune": "semacdr.stages.tune_search",
    "llm": "semacdr.llm.options",
}
UNSCOPED = ("sample", "mean_ranks", "data_sets", "density")  # sections that no scenario or release can change
WITHOUT = ("tune_search",)  # stages whose settings are in another section


@cache
def sections() -> dict[str, tuple[type, ...]]:
    """By section its settings classes, in the order Settings, Options, the planner's."""
    stages = (path.stem for path in sorted(SOURCES.glob("semacdr/stages/[!_]*.py")))
    places = {name: f"semacdr.stages.{name}" for name in stages if name not in WITHOUT} | ELSEWHERE
    found = {}
    for section, module in places.items():
        kinds = [
            settings_class(module, name) for name in ("Settings", "Training", "Options") if has_class(module, name)
        ]
        kinds += [PLANNED[section]] if section in PLANNED else []
        if kinds:
            found[section] = tuple(kinds)
    return found


def kind(section: str, name: str) -> type:
    """The class Settings, Training or Options of a section."""
    return next(one for one in sections()[section] if one.__name__ == name)


def fields(section: str) -> dict[str, dataclasses.Field]:
    """By name all settings of a section."""
    return {field.name: field for one in sections()[section] for field in dataclasses.fields(one)}
