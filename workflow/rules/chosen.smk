"""Helpers of settings that tuning chose: which of them a system is trained with.

They stand in resources/tuned/<scenario>.json, which no rule writes: a person puts there what target
results/<scenario>/tuned.json made. A system's explicit settings come before them, all others after them.
"""

import json
from functools import cache
from pathlib import Path

NOTHING = {"training": {}, "settings": {}}


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
    """The kind of system that settings are tuned for: model, what turns more inputs on, and loss.

    A system's ablations are of its kind, so they have its settings.
    """
    model, own = system["model"], system.get("settings", {})
    enhanced = [name for name in declared(model, "SETTING_INPUTS", None) or {} if own.get(name)]
    loss = system.get("loss", declared(model, "LOSS"))
    return "-".join([model, *enhanced, *([loss] if loss else [])])


def tuned_for(wc):
    """The chosen settings of a system in a direction, by `training` and `settings`; none where that is switched off."""
    layers = (SYSTEMS[wc.system], config["scenarios"][wc.scenario].get("train", {}), config["train"])
    if not next(layer["tuned"] for layer in layers if "tuned" in layer):
        return NOTHING
    direction = f"{wc.source}_to_{wc.target}"
    return chosen_by_tuning(wc.scenario).get(direction, {}).get(kind_of(SYSTEMS[wc.system]), NOTHING)


@cache
def names_tuned():
    """The own settings of systems that tuning chose anywhere: to name such a one's default is to set it."""
    scenarios = [chosen_by_tuning(scenario) for scenario in config["scenarios"]]
    entries = [entry for found in scenarios for kinds in found.values() for entry in kinds.values()]
    return {name for entry in entries for name in entry["settings"]}


def own_settings(tuned):
    """A function of the wildcards: a system's own settings as JSON, with those that tuning chose or without."""

    def find(wc):
        chosen = tuned_for(wc)["settings"] if tuned else {}
        return json.dumps(chosen | SYSTEMS[wc.system].get("settings", {}), sort_keys=True)

    return find
