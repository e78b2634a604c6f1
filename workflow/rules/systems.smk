"""Helpers of systems: what a system is, which ones are the same, and what they need."""

import ast
from functools import cache
from pathlib import Path

COMPARED = config["train"]["systems"]  # of which metrics.tsv holds those that are listed
GRAPHS = [  # of which settings.graph takes three
    f"{graph}{edges}"
    for graph in ("source", "target", "mixed")
    for edges in ("", "_counted", "_sequence")
    if graph + edges != "mixed_counted"  # a user's interactions with an item are one there as they are
]
SYSTEMS = dict(COMPARED)  # and the variants of experiments, see experiments.smk


@cache
def source_of(model):
    """The syntax tree of a model's file, which is not imported."""
    path = Path(f"src/semacdr/models/{model}.py")
    if not path.exists():
        raise WorkflowError(f"config: train.systems takes the model '{model}', but there is no {path}")
    return ast.parse(path.read_text())


@cache
def declared(model, name, default=...):
    """The literal that a model's file declares under a name (INPUTS, LOSS); else the default."""
    for node in source_of(model).body:
        if isinstance(node, ast.Assign) and any(getattr(goal, "id", "") == name for goal in node.targets):
            return ast.literal_eval(node.value)
    if default is ...:
        raise WorkflowError(f"src/semacdr/models/{model}.py does not declare {name}")
    return default


@cache
def default_settings(model, name="Settings"):
    """What a model's Settings take where nothing else is said, those of the classes they extend too; `...`: no literal."""
    (owner,) = (node for node in source_of(model).body if getattr(node, "name", "") == name)
    found = {}
    for parent in owner.bases:  # classes of models/settings.py
        found |= default_settings("settings" if model != "settings" else model, parent.id)
    fields = (node for node in owner.body if isinstance(node, ast.AnnAssign))
    literal = lambda value: ast.literal_eval(value.args[0])  # noqa: E731
    return found | {field.target.id: literal(field.value) for field in fields}


def check_system(name, system):
    """Raise where a system sets what its model has no setting of, before anything runs."""
    known = default_settings(system["model"])
    for unknown in sorted(system.get("settings", {}).keys() - known.keys()):
        raise WorkflowError(
            f"config: {name} sets '{unknown}'; {system['model']} has the settings {', '.join(known) or 'none'}"
        )


for name, system in COMPARED.items():
    check_system(f"train.systems.{name}", system)


@cache
def names_common(scenario):
    """What section train sets of every system that has it, in a scenario; raises where no model has it, used or not."""
    given = config["train"]["settings"] | config["scenarios"][scenario].get("train", {}).get("settings", {})
    files = [path.stem for path in sorted(Path("src/semacdr/models").glob("*.py"))]
    models = [name for name in files if declared(name, "INPUTS", None) is not None]
    for name in given:
        if any(name in (declared(model, "SETTING_INPUTS", None) or {}) for model in models):
            raise WorkflowError(
                f"config: train.settings has '{name}', which makes another system; name it in train.systems"
            )
        if not any(name in default_settings(model) for model in models):
            raise WorkflowError(f"config: train.settings has '{name}', which no system has")
    return given


def common_settings(model, scenario):
    """Those of them that a model has."""
    return {name: value for name, value in names_common(scenario).items() if name in default_settings(model)}


def told(system, scenario=None):
    """What makes a system what it is in a scenario, or in all: two told alike are one, whatever their seeds.

    To name a default says nothing, but where tuning or section train sets another value. How a system is trained has its
    defaults by scenario.
    """
    settings, default, chosen = system.get("settings", {}), default_settings(system["model"]), names_tuned(scenario)
    if scenario:
        default = default | common_settings(system["model"], scenario)
    else:
        chosen = chosen.union(*map(names_common, config["scenarios"]))
    new = {name for name, value in settings.items() if name not in default or default[name] != value}
    own = {name: value for name, value in settings.items() if name in new | chosen}
    train = config["train"] | config["scenarios"][scenario].get("train", {}) if scenario else {}
    said = {name for name, value in system.items() if name in chosen or train.get(name, ...) != value}
    named = {name: system[name] for name in said - {"variant", "seeds"}}
    return {"loss": declared(system["model"], "LOSS")} | named | {"settings": own}


@cache
def trained_as(system, scenario):
    """The first name of a system that is the same in a scenario."""
    return next(name for name, other in SYSTEMS.items() if told(other, scenario) == told(SYSTEMS[system], scenario))


def model_of(wc):
    """The module of a system's model."""
    return f"semacdr.models.{SYSTEMS[wc.system]['model']}"


def seeds_of(asked, system, scenario):
    """The seeds of a system that `asked`, the table's entry or the variant, names; else the scenario's.

    The first in place of each if the system learns nothing, as all would be the same.
    """
    seeds = asked.get("seeds", SCENARIOS[scenario].get("train", {}).get("seeds", config["train"]["seeds"]))
    return seeds if declared(SYSTEMS[system]["model"], "LOSS") else seeds[:1] * len(seeds)


def model_inputs(wc):
    """The inputs that a system takes beside the history, by the name of their option."""
    scenario = f"results/{wc.scenario}"
    direction = f"{scenario}/{wc.source}_to_{wc.target}"
    files = {
        "agnostic": f"{scenario}/semantics/agnostic.parquet",
        "embeddings": f"{scenario}/embeddings.parquet",
        "graphs": [f"{direction}/graphs/{name}.parquet" for name in GRAPHS],
    }
    model, settings = SYSTEMS[wc.system]["model"], SYSTEMS[wc.system].get("settings", {})
    more = [needs for name, needs in (declared(model, "SETTING_INPUTS", None) or {}).items() if settings.get(name)]
    return {name: files[name] for needs in (declared(model, "INPUTS"), *more) for name in needs}


def model_options(wc, input):
    """Those inputs as options of the command line."""
    given = {name: input.get(name) for name in ("agnostic", "embeddings", "graphs") if input.get(name)}
    folder = {name: str(Path(files[0]).parent) if name == "graphs" else files for name, files in given.items()}
    return " ".join(f"--{name} {path}" for name, path in folder.items())


def listed(wc):
    """The systems that stand in the scenario's result table, in the order of train.systems."""
    asked = setting("metrics", "systems")(wc)
    asked = list(COMPARED) if asked == "all" else asked
    for unknown in [name for name in asked if name not in COMPARED]:
        raise WorkflowError(f"config: metrics.systems names '{unknown}'; train.systems are {', '.join(COMPARED)}")
    rows, names = {}, [name for name in COMPARED if name in asked]
    for name in names:
        row = COMPARED[name]["model"], COMPARED[name].get("variant", "full")
        if rows.setdefault(row, name) != name:
            raise WorkflowError(
                f"config: {rows[row]} and {name} of train.systems would both be {' '.join(row)} in the result table;"
                " give one a `variant`"
            )
    return names


def all_ranks(wc):
    """The ranks of all systems of the result table and their seeds, in both directions."""
    return all_runs(wc, "ranks.parquet")


def all_runs(wc, file):
    """A file of each of those runs."""
    check_local(wc.scenario)
    first, second = SCENARIOS[wc.scenario]["domains"]
    return [
        f"results/{wc.scenario}/{source}_to_{target}/{system}/seed{seed}/{file}"
        for source, target in ((first, second), (second, first))
        for system in listed(wc)
        for seed in dict.fromkeys(seeds_of(COMPARED[system], system, wc.scenario))
    ]
