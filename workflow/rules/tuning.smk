"""Helpers of tuning: which chosen settings a system is trained with; what is tuned, and what may be chosen for it.

Chosen settings stand in resources/tuned/<scenario>.json, which only a person writes, by copying what the target
results/<scenario>/tuned.json made. A system's explicit settings come before them, all others after them.
"""

import json
from functools import cache
from pathlib import Path

NOTHING = {"training": {}, "settings": {}}
UNTUNED = (  # how a system is trained, beside the budget; tuning may choose of it
    "max_length",
    "visibility",
    "batch_size",
    "negatives",
    "shared_negatives",
    "calibration",
    "learning_rate",
    "semantic_learning_rate",
    "weight_decay",
    "precision",
)


@cache
def chosen_by_tuning(scenario):
    """By direction and kind of system what was chosen for a scenario; nothing where nobody tuned it."""
    path = Path(f"resources/tuned/{scenario}.json")
    if not path.exists():
        return {}
    try:
        directions = json.loads(path.read_text())["directions"]
        for entry in [entry for entries in directions.values() for entry in entries.values()]:
            entry["training"].items(), entry["settings"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkflowError(f"{path}: not what target results/{scenario}/tuned.json makes: {error!r}")
    return directions


def kind_of(system):
    """The kind of system that settings are tuned for: model, what turns more inputs on, its form if named, and loss.

    A system's ablations are of its kind, so they have its settings.
    """
    model, own = system["model"], system.get("settings", {})
    enhanced = [name for name in declared(model, "SETTING_INPUTS", None) or {} if own.get(name)]
    loss = system.get("loss", declared(model, "LOSS"))
    return "-".join([model, *enhanced, *(word for word in (system.get("form"), loss) if word)])


def tuned_for(wc):
    """The chosen settings of a system in a direction, by `training` and `settings`; none where that is switched off."""
    layers = (SYSTEMS[wc.system], config["scenarios"][wc.scenario].get("train", {}), config["train"])
    if not next(layer["tuned"] for layer in layers if "tuned" in layer):
        return NOTHING
    direction = f"{wc.source}_to_{wc.target}"
    return chosen_by_tuning(wc.scenario).get(direction, {}).get(kind_of(SYSTEMS[wc.system]), NOTHING)


@cache
def names_tuned(scenario=None):
    """The own settings of systems that tuning chose in a scenario, or in any: to name such a one's default is to set it."""
    scenarios = [chosen_by_tuning(name) for name in ([scenario] if scenario else config["scenarios"])]
    entries = [entry for found in scenarios for kinds in found.values() for entry in kinds.values()]
    return {name for entry in entries for name in entry["settings"]}


def own_settings(tuned):
    """A function of the wildcards: a system's own settings as JSON, with those that tuning chose or without."""

    def find(wc):
        chosen = tuned_for(wc)["settings"] if tuned else {}
        return json.dumps(chosen | SYSTEMS[wc.system].get("settings", {}), sort_keys=True)

    return find


def tuned_systems(scenario):
    """By name of a variant the systems that are tuned: those of an experiment that learn."""
    name = config["tune"]["experiment"]
    if name not in VARIANTS:
        raise WorkflowError(f"config: tune takes experiment '{name}'; there are {', '.join(VARIANTS)}")
    space = SCENARIOS[scenario].get("tune", {}).get("space", config["tune"]["space"])
    for unknown in [key for key in space if key != "common" and key not in VARIANTS[name]]:
        known = ", ".join(VARIANTS[name])
        raise WorkflowError(f"config: tune.space has '{unknown}'; it has `common` and systems of {name}: {known}")
    return {variant: s for variant, s in VARIANTS[name].items() if declared(SYSTEMS[s]["model"], "LOSS")}


def name_in_tuning(wc):
    """The name of a system in the experiment that is tuned."""
    names = {system: variant for variant, system in tuned_systems(wc.scenario).items()}
    if wc.system not in names:
        raise WorkflowError(f"config: tune.experiment has no system {wc.system}; it has {', '.join(names)}")
    return names[wc.system]


def space_of(wc):
    """The ranges of a system as JSON: the common ones, its own laid over them, without those that it sets to null."""
    given, name = setting("tune", "space")(wc), name_in_tuning(wc)
    space = {key: value for key, value in (given["common"] | given.get(name, {})).items() if value is not None}
    explicit = SYSTEMS[wc.system].keys() | SYSTEMS[wc.system].get("settings", {}).keys()
    known = {*UNTUNED, *default_settings(SYSTEMS[wc.system]["model"])}
    for unknown in sorted(space.keys() - known):
        raise WorkflowError(
            f"config: tune.space has '{unknown}' of {name}, which is none of {', '.join(sorted(known))}"
        )
    for fixed in sorted(space.keys() & explicit):
        raise WorkflowError(f"config: tune.space chooses {fixed} of {name}, which sets it itself; set it to null there")
    return json.dumps(space, sort_keys=True)


def untuned_options(wc):
    """Options of how the system is trained where nothing is chosen for it."""
    loss = SYSTEMS[wc.system].get("loss") or declared(SYSTEMS[wc.system]["model"], "LOSS")
    values = {name: training(name, tuned=False)(wc) for name in UNTUNED} | {"loss": loss}
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in values.items())


def all_tuned(wc):
    """What was found for all systems, in both directions."""
    check_local(wc.scenario)
    first, second = SCENARIOS[wc.scenario]["domains"]
    return [
        f"results/{wc.scenario}/{source}_to_{target}/tune/{system}.json"
        for source, target in ((first, second), (second, first))
        for system in tuned_systems(wc.scenario).values()
    ]
