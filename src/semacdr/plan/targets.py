"""The targets of a command: an unknown one is refused with the names that are known, before anything runs."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from semacdr.errors import UserError
from semacdr.plan.asking import filings, taxonomy_file
from semacdr.plan.experiments import experiment_of
from semacdr.plan.models import FROM_TEXTS
from semacdr.plan.plan import RESULTS, Plan, folders
from semacdr.plan.raw import check_files
from semacdr.plan.summaries import efficiency_runs, gate_runs, joined_experiments, mixing_runs, report_files, sweeps
from semacdr.plan.tune import TunePlan
from semacdr.plan.tuning import tuning_key
from semacdr.runtime.setting_errors import nearest

WILDCARD = re.compile(r"\{(\w+)(?:,(?:[^{}]|\{[\d,]+\})*)?\}")  # a constraint after the comma may have {8}


class Rule(Protocol):
    """What is used of a rule of Snakemake."""

    name: str
    output: Any

    def has_wildcards(self) -> bool:
        """Whether its outputs have wildcards."""

    def is_producer(self, requested_output: str) -> bool:
        """Whether it makes a file."""


def check(plan: Plan, targets: Iterable[str], rules: Sequence[Rule]) -> None:
    """Refuse targets that cannot be made: a UserError or SettingError says why. No target means section `run`."""
    by_name = {rule.name: rule for rule in rules}
    for target in list(targets) or [f"{RESULTS}/{name}/metrics.tsv" for name in plan.config.run]:
        if target in by_name and by_name[target].has_wildcards():
            files = ", ".join(_expanded(plan, by_name[target], {}))
            raise UserError(f"{target}: rule {target} makes several files; name one of {files}")
        path = PurePosixPath(target)
        if target not in by_name and path.parts[0] == RESULTS:
            _check_result(plan, path, rules)
        elif target not in by_name and not any(rule.is_producer(target) for rule in rules):
            names = [rule.name for rule in rules if not rule.has_wildcards()]
            hint = nearest(target, [*names, RESULTS, *_known(plan, path, rules)])
            raise UserError(
                f"{target}: no rule makes it{hint}; targets are {', '.join(names)}, or files in {RESULTS}/<scenario>/"
            )


def _check_result(plan: Plan, path: PurePosixPath, rules: Sequence[Rule]) -> None:
    """Refuse a target in the folder of results."""
    known, parts = plan.config.scenarios, path.parts
    if len(parts) > 2 and parts[1] not in known:
        raise UserError(
            f"{path}: there is no scenario '{parts[1]}'{nearest(parts[1], known)}; known: {', '.join(known)}"
        )
    if len(parts) > 4 and parts[2] in plan.scenario(parts[1]).directions:
        _check_run(plan, parts[1], parts[2], list(parts[3:]))
    if not any(rule.is_producer(str(path)) for rule in rules):
        files = [PurePosixPath(file) for file in _known(plan, path, rules)]
        names = list(dict.fromkeys(file.name for file in files if file.parent == path.parent))
        if not names:
            folders_known = sorted({str(file.parent) for file in files if file.parts[0] == RESULTS})
            near = nearest(path.parent, folders_known)
            raise UserError(f"{path}: no rule makes it{near}; files are in {', '.join(folders_known)}")
        raise UserError(f"{path}: no rule makes it{nearest(path.name, names)}; {path.parent} has {', '.join(names)}")
    if len(parts) > 2:
        _check_scenario(plan, parts[1], Path(*parts[2:]))
    for scenario, experiment in joined_experiments(plan, path.stem):
        _check_scenario(plan, scenario, Path(f"{experiment}.tsv"))


def _check_run(plan: Plan, scenario: str, direction: str, parts: list[str]) -> None:
    """Refuse a file of a direction, given by the parts of its path, where the config has no such run or system."""
    final = parts[0] == "final"
    if final:
        parts = parts[1:]
        if len(parts) == 1 and parts[0].endswith((".zip", ".tsv")):
            plan.final_run(scenario, direction, parts[0][:-4])
    if len(parts) > 1 and parts[0] not in ("graphs", "personas", "tune"):
        plan.found(scenario, direction, parts[0])


def _check_scenario(plan: Plan, scenario: str, file: Path) -> None:
    """Refuse a file of a scenario where an entry of the config that it needs is wrong, or raw files are missing."""
    name, tune = experiment_of(file.stem, plan.experiments), TunePlan(plan)
    if file.parts[0] in plan.scenario(scenario).directions and file.parts[1] == "tune":
        tune.system(scenario, Path(file.parts[2]).stem)
    elif len(file.parts) == 1 and name in plan.experiments:
        plan.experiment_runs(scenario, name)
    elif len(file.parts) == 1:
        ranges = lambda: [tune.space(scenario, tuning_key(one)) for one in tune.systems(scenario).values()]  # noqa: E731
        needed: dict[str, Callable[[], object]] = {
            "metrics": lambda: plan.table_runs(scenario),
            "report": lambda: report_files(plan, scenario),
            "domain_mixing": lambda: mixing_runs(plan, scenario),
            "sensitivity": lambda: sweeps(plan, scenario),
            "efficiency": lambda: efficiency_runs(plan, scenario),
            "gate": lambda: gate_runs(plan, scenario),
            "tuned": ranges,
            "tune": ranges,
        }
        needed.get(name, list)()
    check_files(plan.config, scenario)
    if _needs_semantics(plan, scenario, file):
        taxonomy_file(plan.config, scenario)
        filings(plan.config, scenario)


def _needs_semantics(plan: Plan, scenario: str, file: Path) -> bool:
    """Whether a file of a scenario is made from the semantics of its items."""
    name = experiment_of(file.stem, plan.experiments)
    if name in ("metrics", *plan.experiments):
        runs = plan.table_runs(scenario) if name == "metrics" else plan.experiment_runs(scenario, name)
        models = [(run.scenario, run.direction, run.record) for own in runs.values() for run in own]
        return any({*FROM_TEXTS} & plan.inputs(*one).keys() for one in models)
    return file.parts[0] == "semantics" or file.stem in ("report", "taste_similarity", "embeddings")


def _known(plan: Plan, path: PurePosixPath, rules: Sequence[Rule]) -> list[str]:
    """The files that rules make in the scenario and the direction of a path, else in all of `run`."""
    parts = path.parts
    scenario = parts[1] if len(parts) > 1 and parts[1] in plan.config.scenarios else None
    direction = parts[2] if scenario and len(parts) > 2 and parts[2] in plan.scenario(scenario).directions else None
    chosen = {"scenario": scenario, "direction": direction}
    return [file for rule in rules for file in _expanded(plan, rule, {k: v for k, v in chosen.items() if v})]


def _expanded(plan: Plan, rule: Rule, chosen: dict[str, str]) -> list[str]:
    """The outputs of a rule; wildcards that are not `chosen` have all their values, or are shown as <name>."""
    directions = plan.scenario(chosen["scenario"]).directions if "scenario" in chosen else plan.directions
    values = {
        "scenario": [chosen["scenario"]] if "scenario" in chosen else plan.config.run,
        "direction": [chosen["direction"]] if "direction" in chosen else list(directions),
        "experiment": list(plan.experiments),
    }
    made = []
    for pattern in map(str, rule.output):
        names = list(dict.fromkeys(WILDCARD.findall(pattern)))
        shown = [name for name in names if name not in values]
        for some in itertools.product(*(values.get(name, [f"<{name}>"]) for name in names)):
            given = dict(zip(names, some, strict=True))
            file = pattern
            for found in reversed(list(WILDCARD.finditer(pattern))):
                file = file[: found.start()] + given[found[1]] + file[found.end() :]
            if shown or rule.is_producer(file):
                made.append(file)
    return made


def needed_runs(plan: Plan) -> dict[str, list[str]]:
    """By folder of a run, without the seed, the tables and tuned settings that the config makes of it."""
    needed: dict[str, list[str]] = {}
    for scenario, table in itertools.product(plan.config.scenarios, ("metrics", *plan.experiments, "tuned")):
        try:
            made = _made_from(plan, scenario, table)
        except UserError:  # what cannot be made in this scenario needs none of its runs
            continue
        for run in dict.fromkeys(str(Path(folder).parent) for folder in made):
            needed.setdefault(run, []).append(f"{scenario}/{table}")
    return needed


def _made_from(plan: Plan, scenario: str, table: str) -> list[str]:
    """The folders of the runs that a table, or the tuned settings, of a scenario are made from."""
    if table == "tuned":
        return TunePlan(plan).retrained(scenario)
    return folders(plan.table_runs(scenario) if table == "metrics" else plan.experiment_runs(scenario, table))
