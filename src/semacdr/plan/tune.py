"""What stages tune_search, tune_retrain and tune_select need: systems, ranges, files."""

import json
from typing import Any

from semacdr.errors import UserError
from semacdr.plan.plan import RESULTS, Plan, Run
from semacdr.plan.runs import Record, untuned
from semacdr.plan.systems import System
from semacdr.plan.tuning import ranges, space, tuning_key
from semacdr.runtime.setting_errors import SettingError, known_name, nearest


class TunePlan:
    """The tuning of a plan's scenarios."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def systems(self, scenario: str) -> dict[str, System]:
        """By variant of the tuned experiment the systems that are tuned; no two may share a tuning key.

        These are the systems that learn, and the non-learned ones that have ranges of their own in tune.space.
        """
        name = self.plan.planned("tune", scenario).experiment
        known_name(name, self.plan.experiments, "experiment", "tune", "experiment")
        systems = {key: one.system for key, one in self.plan.experiments[name].variants.items()}
        found = {
            key: system
            for key, system in systems.items()
            if system.tuned is not False and (system.learns or ranges(self.plan.config, scenario, key, system))
        }
        keys: dict[str, str] = {}
        for variant, system in found.items():
            other = keys.setdefault(tuning_key(system), variant)
            if other != variant:
                raise SettingError(
                    ("compare", name),
                    f"{other} and {variant} would both be tuned as {tuning_key(system)}; give one a `tuning_group`,"
                    " or `tuned: false`",
                )
        return found

    def system(self, scenario: str, key: str) -> tuple[str, System]:
        """The variant and the system of a tuning key; a UserError where it is not tuned."""
        found = {tuning_key(system): (name, system) for name, system in self.systems(scenario).items()}
        if key not in found:
            raise UserError(f"tune.experiment has no system {key}{nearest(key, found)}; it has {', '.join(found)}")
        return found[key]

    def record(self, wc: Any) -> Record:
        """The record from which the trials of a job start; `wc` are the job's wildcards."""
        return self.start(wc.scenario, wc.direction, wc.key)

    def start(self, scenario: str, direction: str, key: str) -> Record:
        """What the trials of a system start from: its settings without tuning."""
        return self.plan.record(scenario, direction, untuned(self.system(scenario, key)[1]))

    def space(self, scenario: str, key: str) -> str:
        """The ranges of a system's settings as JSON."""
        name, system = self.system(scenario, key)
        default = self.plan.experiments.get(type(self.plan.planned("tune")).experiment)
        known = [*self.systems(scenario), *(default.variants if default else ())]
        return json.dumps(space(self.plan.config, scenario, name, system, known), sort_keys=True)

    def retrained(self, scenario: str) -> list[str]:
        """The folders of the trainings that tune_select compares: with the proposed settings and without tuning."""
        found = []
        for direction in self.plan.scenario(scenario).directions:
            for system in self.systems(scenario).values():
                key, start = tuning_key(system), self.plan.record(scenario, direction, untuned(system))
                for seed in self.plan.config.settings("tune", scenario).seeds:
                    found.append(Run(scenario, direction, start, seed).folder)
                    found.append(f"{RESULTS}/{scenario}/{direction}/tune/{key}/proposed/seed{seed}")
        return found

    def proposals(self, scenario: str) -> list[str]:
        """The files of what trials propose, of all tuned systems in both directions."""
        keys = [tuning_key(system) for system in self.systems(scenario).values()]
        return [
            f"{RESULTS}/{scenario}/{d}/tune/{key}.json" for d in self.plan.scenario(scenario).directions for key in keys
        ]

    def filters(self, scenario: str) -> str:
        """How a scenario's data are filtered, as JSON."""
        return json.dumps(self.plan.tuned.filters(scenario))
