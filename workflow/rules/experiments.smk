"""Helpers of experiments: their variants, which are systems, and the runs that their tables and pictures are made of."""

import re
from pathlib import Path

EXPERIMENTS = {**config["compare"], "cold_start": config["cold_start"]}


def variants_of(experiment):
    """The changes that an experiment's variants are; of a sweep one a value of its setting, named by the value."""
    if "variants" in experiment:
        return experiment["variants"]
    ((name, values),) = experiment["sweep"].items()
    change = (lambda value: {name: value}) if name in config["train"] else (lambda value: {"settings": {name: value}})
    return {f"{value:g}": change(value) for value in values}


def variant_system(experiment, variant):
    """The system that a variant of an experiment is: one that is there already, or a new one `<experiment>-<variant>`."""
    base, change = EXPERIMENTS[experiment]["system"], CHANGES[experiment][variant]
    if not declared((base | change)["model"], "LOSS"):
        base = {name: value for name, value in base.items() if name != "loss"}  # it is for those that learn
    system = base | change | {"settings": base.get("settings", {}) | change.get("settings", {})}
    system = {name: value for name, value in system.items() if name not in ("scenario", "seeds")}
    for name, other in SYSTEMS.items():
        if told(other) == told(system):
            return name
    name = f"{experiment}-{variant}"
    if name in SYSTEMS:
        raise WorkflowError(f"config: variant {variant} of {experiment} has the name of another system, '{name}'")
    check_system(f"variant {variant} of {experiment}", system)
    SYSTEMS[name] = system | {"variant": variant}
    return name


CHANGES = {name: variants_of(experiment) for name, experiment in EXPERIMENTS.items()}
SWEPT = {name: next(iter(e["sweep"])) for name, e in EXPERIMENTS.items() if "sweep" in e}  # by experiment the setting
VARIANTS = {name: {variant: variant_system(name, variant) for variant in CHANGES[name]} for name in EXPERIMENTS}


wildcard_constraints:
    system="|".join(map(re.escape, SYSTEMS)),
    experiment="|".join(config["compare"]) or "none",


def runs_of(scenario, experiment, file, variants=None, directions=None):
    """By variant of an experiment (all, or some) a file of its seeds' runs, in one direction or both.

    They are those of the scenario, or of another one that the variant names.
    """
    first, second = SCENARIOS[scenario]["domains"]
    pairs = [(first, second), (second, first)][: directions or EXPERIMENTS[experiment].get("directions", 2)]
    runs = {}
    for variant in variants or VARIANTS[experiment]:
        change = CHANGES[experiment][variant]
        place, asked = change.get("scenario", scenario), EXPERIMENTS[experiment]["system"] | change
        system = trained_as(VARIANTS[experiment][variant], place)
        runs[variant] = [
            f"results/{place}/{source}_to_{target}/{system}/seed{seed}/{file}"
            for source, target in pairs
            for seed in seeds_of(asked, system, place)[: EXPERIMENTS[experiment].get("seeds")]
        ]
    return runs


def distinct(runs):
    """The files of runs by variant, each once."""
    return sorted({path for paths in runs.values() for path in paths})


def as_runs(runs):
    """Runs by variant as options of the command line."""
    return " ".join(f"--runs {name} {' '.join(paths)}" for name, paths in runs.items())


def compared(stage, wc=None):
    """The experiment that a stage's section names, or a scenario's override of it."""
    name = setting(stage, "experiment")(wc) if wc else config[stage]["experiment"]
    if name not in config["compare"]:
        raise WorkflowError(f"config: {stage} takes experiment '{name}'; there are {', '.join(config['compare'])}")
    return name


def swept(wc):
    """The sweeps that section `sensitivity` names."""
    names = setting("sensitivity", "experiments")(wc)
    for unknown in [name for name in names if name not in SWEPT]:
        known = ", ".join(SWEPT) or "none"
        raise WorkflowError(f"config: sensitivity.experiments names '{unknown}'; sweeps of compare are {known}")
    models = sorted({EXPERIMENTS[name]["system"]["model"] for name in names})
    if len(models) > 1:
        raise WorkflowError(f"config: sensitivity.experiments are sweeps of one system, not of {', '.join(models)}")
    return names


def efficiency_runs(wc, file):
    """By variant of the experiment that section `efficiency` names a file of its runs."""
    return runs_of(wc.scenario, compared("efficiency", wc), file)


def folders(runs):
    """The folders of runs by variant."""
    return {name: [str(Path(path).parent) for path in paths] for name, paths in runs.items()}


def overlap_vectors(wc):
    """By variant the vectors of its seeds, in the directions that section `overlap` asks for."""
    name, variants = compared("overlap", wc), setting("overlap", "variants")(wc)
    known = VARIANTS[name]
    for unknown in [variant for variant in variants if variant not in known]:
        raise WorkflowError(f"config: overlap takes variant '{unknown}'; experiment {name} has {', '.join(known)}")
    return runs_of(wc.scenario, name, "vectors.parquet", variants, setting("overlap", "directions")(wc))


def reported(wc):
    """By option of the report its files that section `report` asks for, and those of the table's runs."""
    systems, experiments, figures = (setting("report", name)(wc) for name in ("systems", "experiments", "figures"))
    for name, asked, known in (
        ("systems", systems, listed(wc)),
        ("experiments", experiments, EXPERIMENTS),
        ("figures", figures, ["overlap", "profiles", "efficiency", "sensitivity", *SWEPT]),
    ):
        for unknown in [one for one in asked if one not in known]:
            raise WorkflowError(f"config: report.{name} names '{unknown}'; there are {', '.join(known)}")
    runs = [Path(path).parent for path in all_ranks(wc)]
    first = {system: f"seed{seeds_of(COMPARED[system], system, wc.scenario)[0]}" for system in systems}
    shown = [run for system in systems for run in runs if (run.parent.name, run.name) == (system, first[system])]
    scenario = f"results/{wc.scenario}"
    return {
        "runs": [f"{run}/{name}" for run in runs for name in ("settings.json", "cost.json", "history.tsv")],
        "shown": [f"{run}/{name}.parquet" for run in shown for name in ("ranks", "recommendations")],
        "experiments": [f"{scenario}/{name}.tsv" for name in experiments],
        "figures": [f"{scenario}/{name}.{kind}" for name in figures for kind in ("png", "tsv")],
    }


def report_options(files):
    """Those files as options of the command line: of runs their folders, of figures the pictures."""
    folders = {name: dict.fromkeys(str(Path(path).parent) for path in files[name]) for name in ("runs", "shown")}
    pictures = [path for path in files["figures"] if path.endswith(".png")]
    given = folders | {"experiments": files["experiments"], "figures": pictures}
    return " ".join(f"--{name} {' '.join(paths)}" for name, paths in given.items() if paths)
