"""The targets of a command: an unknown one is refused with the names that are known, before anything runs."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from semacdr.errors import UserError
from semacdr.plan.config import Scenario
from semacdr.plan.plan import RESULTS, Plan
from semacdr.plan.raw import check_local
from semacdr.plan.tune import TunePlan
from semacdr.plan.tuning import tuning_key
from semacdr.runtime.settings import nearest

TABLES = {  # files of a scenario that are not named after an experiment
    "metrics": (".tsv", ".md"),
    "report": (".html",),
    "cold_start": (".tsv", ".md"),
    "efficiency": (".tsv", ".md", ".png"),
    "sensitivity": (".tsv", ".png"),
    "domain_mixing": (".tsv", ".png"),
    "taste_similarity": (".tsv", ".png"),
    "tuned": (".json",),
    "tune": (".tsv", ".md"),
    "interactions": (".parquet",),
    "users": (".parquet",),
    "items": (".parquet",),
    "statistics": (".tsv",),
    "preprocess": (".tsv",),
    "embeddings": (".parquet",),
}


def check(plan: Plan, targets: Iterable[str]) -> None:
    """Refuse targets under results/ that cannot be made: a UserError or ConfigError says why. No target means `run`."""
    for target in list(targets) or [f"{RESULTS}/{name}/metrics.tsv" for name in plan.config.run]:
        parts = PurePosixPath(target).parts
        if len(parts) > 2 and parts[0] == RESULTS:
            _check_scenario(plan, target, parts[1], parts[2:])


def _check_scenario(plan: Plan, target: str, name: str, rest: Sequence[str]) -> None:
    known = plan.config.scenarios
    if name not in known:
        raise UserError(f"{target}: there is no scenario '{name}'{nearest(name, known)}; known: {', '.join(known)}")
    scenario = plan.scenario(name)
    if len(rest) == 1:
        _check_file(plan, target, scenario, Path(rest[0]))
    elif rest[0] not in ("semantics", *scenario.directions):
        places = [*scenario.directions, "semantics"]
        raise UserError(
            f"{target}: {name} has no folder '{rest[0]}'{nearest(rest[0], places)}; it has {', '.join(places)}"
        )
    elif rest[0] in scenario.directions and len(rest) > 2 and rest[1] not in ("graphs", "tune"):
        plan.found(name, rest[0], rest[1])
    check_local(plan.config, name)


def _check_file(plan: Plan, target: str, scenario: Scenario, file: Path) -> None:
    name, name_of = scenario.name, file.stem
    experiments = [one for one in plan.experiments if one != "cold_start"]
    endings = TABLES.get(name_of, (".tsv", ".md", ".png") if name_of in plan.swept else (".tsv", ".md"))
    if name_of not in TABLES and name_of not in experiments:
        names = [*TABLES, *experiments]
        raise UserError(
            f"{target}: nothing makes '{name_of}'{nearest(name_of, names)}; experiments are {', '.join(experiments)};"
            f" other files are {', '.join(TABLES)}"
        )
    if file.suffix not in endings:
        raise UserError(f"{target}: '{name_of}' is made as {', '.join(name_of + ending for ending in endings)}")
    if name_of in plan.experiments:
        plan.experiment_runs(name, name_of)
    tune = TunePlan(plan)
    needed: dict[str, Callable[[str], object]] = {
        "metrics": plan.table_runs,
        "report": plan.report_files,
        "domain_mixing": plan.mixing_runs,
        "sensitivity": plan.sweeps,
        "efficiency": plan.efficiency_runs,
        "tuned": lambda one: [tune.space(one, tuning_key(system)) for system in tune.systems(one).values()],
    }
    needed["tune"] = needed["tuned"]
    if name_of in needed:
        needed[name_of](name)


def needed_runs(plan: Plan) -> dict[str, list[str]]:
    """By folder of a run, without the seed, the tables that the config makes of it."""
    needed: dict[str, list[str]] = {}
    for scenario in plan.config.scenarios:
        for table in ("metrics", *plan.experiments):
            try:
                runs = plan.table_runs(scenario) if table == "metrics" else plan.experiment_runs(scenario, table)
            except UserError:  # such an experiment cannot be made in this scenario, so it needs none of its runs
                continue
            for run in {str(Path(run.folder).parent): run for own in runs.values() for run in own}:
                needed.setdefault(run, []).append(f"{scenario}/{table}")
    return needed
