"""What the stages need that join runs or experiments: figures, costs, the report."""

from semacdr.plan.experiments import Experiment
from semacdr.plan.plan import RESULTS, Plan, Runs, distinct
from semacdr.runtime.setting_errors import SettingError, known_name, known_names

GATED = "sphere"  # the model with a gate


def summarised(plan: Plan, section: str, scenario: str | None = None) -> Experiment:
    """The experiment that a section summarises."""
    name = plan.planned(section, scenario).experiment
    known = [one for one in plan.experiments if one != "cold_start"]
    known_name(name, known, "experiment", section, "experiment")
    return plan.experiments[name]


def efficiency_runs(plan: Plan, scenario: str) -> Runs:
    """By variant the runs of the experiment whose costs are compared."""
    return plan.experiment_runs(scenario, summarised(plan, "efficiency", scenario).name)


def data_set_experiments(plan: Plan) -> list[str]:
    """The experiments of section data_sets."""
    names = plan.planned("data_sets").experiments
    known_names(
        names, [one for one in plan.experiments if one != "cold_start"], "experiment", "data_sets", "experiments"
    )
    return list(names)


def data_set_runs(plan: Plan) -> dict[tuple[str, str], Runs]:
    """By experiment of section data_sets and scenario of `run` the runs by variant."""
    experiments = data_set_experiments(plan)
    return {(name, one): plan.experiment_runs(one, name) for name in experiments for one in plan.config.run}


def data_set_files(plan: Plan, *files: str) -> list[str]:
    """Files of the runs of stage data_sets, each once, sorted."""
    return sorted({path for runs in data_set_runs(plan).values() for path in distinct(runs, *files)})


def data_set_options(plan: Plan) -> list[str]:
    """The runs of stage data_sets as words of a command line."""
    return [
        word
        for place, runs in data_set_runs(plan).items()
        for variant, own in runs.items()
        for word in ("--runs", *place, variant, *(run.folder for run in own))
    ]


def density_scenarios(plan: Plan) -> list[str]:
    """The scenarios whose gains share one table."""
    names = plan.planned("density").scenarios
    known_names(names, plan.config.scenarios, "scenario", "density", "scenarios")
    return list(names or plan.config.run)


def density_tables(plan: Plan) -> list[str]:
    """The tables that stage density reads."""
    experiment = summarised(plan, "density")
    known_names(plan.planned("density").variants, experiment.variants, "variant", "density", "variants")
    names = (f"{experiment.name}.tsv", "interactions.parquet", "items.parquet", "semantics/agnostic.parquet")
    scenarios = density_scenarios(plan)
    own = [f"{RESULTS}/{one}/{name}" for one in scenarios for name in names]
    return own + [split for one in scenarios for split in plan.splits(one)[: experiment.directions]]


def joined_experiments(plan: Plan, stage: str) -> list[tuple[str, str]]:
    """The scenarios and experiments that a stage joins; none of any other stage."""
    if stage == "density":
        density_tables(plan)  # raises where the section is wrong
        return [(one, summarised(plan, stage).name) for one in density_scenarios(plan)]
    names = data_set_experiments(plan) if stage == "data_sets" else []
    names += [summarised(plan, stage).name] if stage == "mean_ranks" else []
    return [(one, name) for one in plan.config.run for name in names]


def gate_runs(plan: Plan, scenario: str) -> Runs:
    """By variant the runs of model sphere whose gates are shown."""
    own = plan.planned("gate", scenario)
    experiment = summarised(plan, "gate", scenario)
    known_names(own.variants, experiment.variants, "variant", "gate", "variants")
    chosen = own.variants or [name for name, variant in experiment.variants.items() if variant.system.model == GATED]
    if not chosen:
        raise SettingError(("gate", "experiment"), f"{experiment.name} has no variant of model {GATED}")
    return plan.experiment_runs(scenario, experiment.name, chosen)


def mixing_runs(plan: Plan, scenario: str) -> Runs:
    """By variant the runs whose item vectors are compared."""
    own = plan.planned("domain_mixing", scenario)
    experiment = summarised(plan, "domain_mixing", scenario)
    known_names(own.variants, experiment.variants, "variant", "domain_mixing", "variants")
    return plan.experiment_runs(scenario, experiment.name, own.variants, own.directions)


def sweeps(plan: Plan, scenario: str) -> list[Experiment]:
    """The sweeps of one model that section sensitivity joins."""
    names = plan.planned("sensitivity", scenario).experiments
    known_names(names, plan.swept, "sweep", "sensitivity", "experiments")
    models = sorted({plan.experiments[name].model for name in names})
    if len(models) > 1:
        raise SettingError(("sensitivity", "experiments"), f"must be sweeps of one model, not of {', '.join(models)}")
    return [plan.experiments[name] for name in names]


def sweep_options(plan: Plan, scenario: str) -> list[str]:
    """The sweeps of section sensitivity as words of a command line: --sweep, the setting, the table."""
    return [
        word
        for sweep in sweeps(plan, scenario)
        for word in ("--sweep", str(sweep.sweep), f"{RESULTS}/{scenario}/{sweep.name}.tsv")
    ]


def report_files(plan: Plan, scenario: str) -> dict[str, list[str]]:
    """By option of the report its files: the folders of the runs shown, tables of experiments, pictures."""
    own = plan.planned("report", scenario)
    pictures = ["domain_mixing", "taste_similarity", "efficiency", "sensitivity", *plan.swept]
    known_names(own.systems, plan.listed(scenario), "system", "report", "systems")
    known_names(own.experiments, plan.experiments, "experiment", "report", "experiments")
    known_names(own.figures, pictures, "figure", "report", "figures")
    runs = plan.table_runs(scenario, own.systems)
    folder = f"{RESULTS}/{scenario}"
    shown = [run for row in runs.values() for run in row if run.seed == row[0].seed]
    readers = [run for run in shown if "personas" in plan.inputs(scenario, run.direction, run.record)]
    return {
        "shown": [run.folder for run in shown],
        "personas": list(dict.fromkeys(f"{folder}/{run.direction}/personas" for run in readers)),
        "gates": [f"{run.folder}/gate_weights.parquet" for run in readers],
        "experiments": [f"{folder}/{name}.tsv" for name in own.experiments],
        "figures": [f"{folder}/{name}.png" for name in own.figures],
    }


def report_options(plan: Plan, scenario: str) -> list[str]:
    """The files of a report as words of a command line."""
    given = {name: paths for name, paths in report_files(plan, scenario).items() if paths}
    return [word for name, paths in given.items() for word in (f"--{name}", *paths)]
