"""The plan: which runs, files and settings each target of the workflow needs."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from semacdr.errors import UserError
from semacdr.plan.config import Config, Scenario
from semacdr.plan.declarations import SOURCES
from semacdr.plan.experiments import check_same_data, experiments
from semacdr.plan.models import needs, published_loss
from semacdr.plan.runs import Record, record, untuned
from semacdr.plan.systems import System, table_systems
from semacdr.plan.tuning import Tuned
from semacdr.runtime.setting_errors import known_name, known_names, nearest
from semacdr.runtime.settings import as_json

RESULTS = "results"
GRAPHS = [  # a model's setting `graph` takes three of them
    f"{graph}{edges}"
    for graph in ("source", "target", "mixed")
    for edges in ("", "_counted", "_sequence")
    if graph + edges != "mixed_counted"  # a user interacts with an item once, so it would be `mixed` again
]
PERSONAS = ("personas", "vectors", "communities")  # the tables of a direction's personas


@dataclass(frozen=True)
class Run:
    """One training: a record, where it is, and its seed."""

    scenario: str
    direction: str
    record: Record
    seed: int

    @property
    def folder(self) -> str:
        """The folder of checkpoint, history, settings, cost and ranks."""
        return f"{RESULTS}/{self.scenario}/{self.direction}/{self.record.folder}/seed{self.seed}"


Runs = dict[str, list[Run]]  # by name of a variant or a row


class Plan:
    """The runs, files and settings of every target of a checked config."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.systems = table_systems(config)
        self.experiments = experiments(config)
        self.tuned = Tuned(config, (Path("resources/tuned"), SOURCES.parent / "resources/tuned"))
        self._records: dict[tuple[str, str, str], Record] = {}
        for name in config.scenarios:
            self._index(name)

    def scenario(self, name: str) -> Scenario:
        """A scenario by name."""
        return self.config.scenarios[name]

    def settings(self, section: str, scenario: str | None = None) -> str:
        """The complete settings of a stage as JSON; they are what makes its results stale."""
        return as_json(self.config.settings(section, scenario))

    def options(self, section: str, scenario: str | None = None) -> Any:
        """The options of a stage, which change no result."""
        return self.config.settings(section, scenario, "Options")

    def planned(self, section: str, scenario: str | None = None) -> Any:
        """The entries of a section that only the planner reads."""
        return self.config.settings(section, scenario, "Planned")

    # Runs

    def record(self, scenario: str, direction: str, system: System) -> Record:
        """What is trained for a system in a direction."""
        found = record(self.config, self.tuned, scenario, direction, system)
        self._records.setdefault((scenario, direction, found.folder), found)
        return found

    def _index(self, scenario: str) -> None:
        """Learn the folders of all runs that the config can ask for in a scenario."""
        variants = [
            variant.system
            for experiment in self.experiments.values()
            for variant in experiment.variants.values()
            if variant.scenario in (None, scenario)
        ]
        for system in [*self.systems.values(), *variants]:
            for direction in self.scenario(scenario).directions:
                found = self.tuned.chosen(scenario, direction, system).found
                if found or system.loss != "tuned":
                    self.record(scenario, direction, system)
                if found or system.loss == "tuned":  # else it is the same run
                    self.record(scenario, direction, untuned(system))

    def found(self, scenario: str, direction: str, folder: str) -> Record:
        """The record of a run's folder; a UserError where the config has no such run."""
        if (scenario, direction, folder) not in self._records:
            folders = [name for *place, name in self._records if place == [scenario, direction]]
            raise UserError(
                f"{scenario}, {direction}: no system or experiment of the config is the run {folder}"
                f"{nearest(folder, folders)}; `snakemake runs` lists all runs"
            )
        return self._records[scenario, direction, folder]

    def seeds(self, system: System, scenario: str) -> list[int]:
        """The seeds of a system; a non-learned baseline has its first one for each, as all would give the same."""
        seeds = list(system.seeds or self.planned("train", scenario).seeds)
        return seeds if system.learns else seeds[:1] * len(seeds)

    def table_runs(self, scenario: str, systems: Iterable[str] | None = None) -> Runs:
        """By row of the result table, model/variant, its runs in both directions."""
        names = self.listed(scenario) if systems is None else systems
        return {
            self.systems[name].label: [
                Run(scenario, direction, self.record(scenario, direction, self.systems[name]), seed)
                for direction in self.scenario(scenario).directions
                for seed in dict.fromkeys(self.seeds(self.systems[name], scenario))
            ]
            for name in names
        }

    def final_run(self, scenario: str, direction: str, name: str) -> Run:
        """The run on all events of a system of train.systems, under its first seed."""
        known_name(name, self.systems, "system", "train", "systems")
        system = self.systems[name]
        found = self.record(scenario, direction, system)
        return Run(scenario, f"{direction}/final", found, self.seeds(system, scenario)[0])

    def bundles(self) -> list[str]:
        """The bundles of the systems with `final: true`, for all scenarios of `run`."""
        return [
            f"{RESULTS}/{scenario}/{direction}/final/{name}.zip"
            for scenario in self.config.run
            for direction in self.scenario(scenario).directions
            for name, system in self.systems.items()
            if system.final
        ]

    def listed(self, scenario: str) -> list[str]:
        """The systems in a scenario's result table, in the order of train.systems."""
        asked = self.planned("metrics", scenario).systems
        known_names(() if asked == "all" else asked, self.systems, "system", "metrics", "systems")
        return [name for name, system in self.systems.items() if (system.listed if asked == "all" else name in asked)]

    def experiment_runs(
        self, scenario: str, name: str, variants: Iterable[str] | None = None, directions: int | None = None
    ) -> Runs:
        """By variant of an experiment its runs, in the experiment's directions or in the first so many."""
        experiment = self.experiments[name]
        pairs = list(self.scenario(scenario).directions)[: directions or experiment.directions]
        runs: Runs = {}
        for variant in variants or experiment.variants:
            own = experiment.variants[variant]
            place = own.scenario or scenario
            if place != scenario:
                check_same_data(self.config, scenario, place, name)
            runs[variant] = [
                Run(place, direction, self.record(place, direction, own.system), seed)
                for direction in pairs
                for seed in self.seeds(own.system, place)[: experiment.seeds]
            ]
        return runs

    @cached_property
    def swept(self) -> list[str]:
        """The experiments that are sweeps."""
        return [name for name, experiment in self.experiments.items() if experiment.sweep]

    # Stages

    def as_flags(self, section: str, scenario: str) -> list[str]:
        """The options of a stage as words of a command line."""
        own = dataclasses.asdict(self.options(section, scenario))
        return [word for name, value in own.items() for word in (f"--{name.replace('_', '-')}", str(value))]

    def splits(self, scenario: str) -> list[str]:
        """The splits of both directions."""
        return [f"{RESULTS}/{scenario}/{direction}/split.parquet" for direction in self.scenario(scenario).directions]

    def candidates(self, scenario: str) -> list[str]:
        """The stored candidates of both directions."""
        return [split.replace("split.parquet", "candidates.parquet") for split in self.splits(scenario)]

    def run_folders(self, scenario: str) -> list[str]:
        """The folders of the result table's runs."""
        return folders(self.table_runs(scenario))

    @cached_property
    def directions(self) -> list[str]:
        """The directions of all scenarios."""
        return list(dict.fromkeys(name for one in self.config.scenarios.values() for name in one.directions))

    # Training

    def learns(self, model: str) -> bool:
        """Whether a model is trained; a non-learned baseline is not."""
        return published_loss(model) is not None

    def persona_parts(self, scenario: str) -> list[str]:
        """The folders, within that of the personas, of those that leave out a part of the events."""
        return [f"/part{part + 1}" for part in range(self.config.settings("personas", scenario).parts)]

    def inputs(self, scenario: str, direction: str, run: Record) -> dict[str, Any]:
        """By option the files that a model reads in addition to the history."""
        folder = f"{RESULTS}/{scenario}"
        files: dict[str, Any] = {
            "agnostic": f"{folder}/semantics/agnostic.parquet",
            "embeddings": f"{folder}/embeddings.parquet",
            "graphs": [f"{folder}/{direction}/graphs/{name}.parquet" for name in GRAPHS],
            "personas": [
                f"{folder}/{direction}/personas{part}/{name}.parquet"
                for part in ("", *self.persona_parts(scenario))
                for name in PERSONAS
            ],
        }
        return {name: files[name] for name in needs(run.model, json.loads(run.settings))}


def distinct(runs: Mapping[str, list[Run]], *files: str) -> list[str]:
    """Files of runs, each once, sorted."""
    return sorted({f"{run.folder}/{file}" for own in runs.values() for run in own for file in files})


def folders(runs: Mapping[str, list[Run]]) -> list[str]:
    """The folders of runs, in their order."""
    return [run.folder for own in runs.values() for run in own]


def as_options(runs: Mapping[str, list[Run]]) -> list[str]:
    """Runs as words of a command line: --runs, the name, the folders."""
    return [word for name, own in runs.items() for word in ("--runs", name, *(run.folder for run in own))]
