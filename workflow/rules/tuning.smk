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
    "train_negatives",
    "shared_negatives",
    "calibration",
    "learning_rate",
    "semantic_learning_rate",
    "weight_decay",
    "precision",
)


@cache
def chosen_by_tuning(scenario):
    """By direction and kind of system what was chosen for a scenario; the release and how its data were filtered.

    Nothing where nobody tuned.

    A WorkflowError names a file that is none of that scenario.
    """
    path = Path(f"resources/tuned/{scenario}.json")
    if not path.exists():
        return {}, None, None
    first, second = config["scenarios"][scenario]["domains"]
    try:
        content = json.loads(path.read_text())
        directions, of = content["directions"], content["scenario"]
        for entry in [entry for entries in directions.values() for entry in entries.values()]:
            entry["training"].items(), entry["settings"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkflowError(f"{path}: not what target results/{scenario}/tuned.json makes: {error!r}")
    if of != scenario or not directions.keys() <= {f"{first}_to_{second}", f"{second}_to_{first}"}:
        raise WorkflowError(f"{path}: of scenario {of}, {', '.join(directions)}; it is to be of {scenario}")
    return directions, content.get("release"), content.get("preprocess")


def filtered(scenario):
    """How a scenario's data are filtered: what was chosen on others of the release may suit these less."""
    names = ("min_item_interactions", "min_user_interactions", "filter")
    return {
        name: config["scenarios"][scenario].get("preprocess", {}).get(name, config["preprocess"][name])
        for name in names
    }


def kind_of(system):
    """The kind of system that settings are tuned for: model, what turns more inputs on, its form if named, and loss.

    A system's ablations are of its kind, so they have its settings.
    """
    model, own = system["model"], system.get("settings", {})
    enhanced = [name for name in declared(model, "SETTING_INPUTS", None) or {} if own.get(name)]
    loss = system.get("loss", declared(model, "LOSS"))
    return "-".join([model, *enhanced, *(word for word in (system.get("form"), loss) if word)])


def in_force(scenario, direction, system):
    """What tuning chose for a system in a direction; None where it chose nothing or that is switched off."""
    layers = (SYSTEMS[system], config["scenarios"][scenario].get("train", {}), config["train"])
    if not next(layer["tuned"] for layer in layers if "tuned" in layer):
        return None
    (directions, release, _), own = chosen_by_tuning(scenario), config["scenarios"][scenario]["release"]
    if release not in (None, own):
        raise WorkflowError(
            f"resources/tuned/{scenario}.json: chosen on release {release}, the scenario is of {own}; switch it off"
            " (`train: {tuned: false}`), tuning anew needs that too, or remove it"
        )
    return directions.get(direction, {}).get(kind_of(SYSTEMS[system]))


def tuned_for(wc):
    """The chosen settings of a system in a direction, by `training` and `settings`."""
    return in_force(wc.scenario, f"{wc.source}_to_{wc.target}", wc.system) or NOTHING


def budgets(paths):
    """Options of a table's page that name the systems that were tuned and those that were not, where both are there.

    `paths` are files of runs by name; a direction counts alone, and what learns nothing needs no tuning. Where settings
    in force were chosen on data that were filtered otherwise than the scenario's, another option says how.
    """
    tuned, elsewhere = {}, {}
    for name, path in [(name, path) for name, own in paths.items() for path in own]:
        _, scenario, direction, system, *_ = Path(path).parts
        if declared(SYSTEMS[system]["model"], "LOSS"):
            tuned.setdefault(direction, {})[name] = in_force(scenario, direction, system) is not None
            before = chosen_by_tuning(scenario)[2] or filtered(scenario)
            if tuned[direction][name] and before != filtered(scenario):
                elsewhere = before
    mixed = [own for own in tuned.values() if len({*own.values()}) == 2]
    told = {"tuned": [name for own in mixed for name in own if own[name]]}
    told["untuned"] = [name for own in mixed for name in own if not own[name]]
    told["tuned-on"] = [f"{name}={value}" for name, value in elsewhere.items()]
    return " ".join(f"--{option} {' '.join(dict.fromkeys(names))}" for option, names in told.items() if names)


def table_budgets(wc):
    """The same of the result table's systems."""
    return budgets({name: [path for path in all_ranks(wc) if Path(path).parts[3] == name] for name in listed(wc)})


@cache
def names_tuned(scenario=None):
    """The settings that tuning chose in a scenario, or in any: to name such a one's default is to set it."""
    scenarios = [chosen_by_tuning(name)[0] for name in ([scenario] if scenario else config["scenarios"])]
    entries = [entry for found in scenarios for kinds in found.values() for entry in kinds.values()]
    return {name for entry in entries for name in entry["training"] | entry["settings"]}


def own_settings(tuned):
    """A function of the wildcards: a system's own settings as JSON, with those that tuning chose or without.

    They stand before what section train sets of every system that has it.
    """

    def find(wc):
        system, chosen = SYSTEMS[wc.system], tuned_for(wc)["settings"] if tuned else {}
        common = common_settings(system["model"], wc.scenario)
        return json.dumps(common | chosen | system.get("settings", {}), sort_keys=True)

    return find


def training_settings(tuned, names=None):
    """A function of the wildcards: how a system is trained, as JSON."""
    names = names or (*UNTUNED, "epochs", "patience", "deterministic")

    def find(wc):
        loss = loss_of(tuned)(wc) or declared(SYSTEMS[wc.system]["model"], "LOSS")
        settings = {name: training(name, tuned=tuned)(wc) for name in names} | ({"loss": loss} if loss else {})
        return json.dumps(settings, sort_keys=True)

    return find


def loss_of(tuned):
    """A function of the wildcards: the loss that a system names; None: the one it was published with.

    A system whose loss is `tuned` has the one that tuning chose with its other settings, and nothing to be trained with
    before that.
    """

    def find(wc):
        loss = SYSTEMS[wc.system].get("loss")
        if loss == "tuned":
            loss = chosen_loss(wc) if tuned else None
        return loss

    return find


def chosen_loss(wc):
    """The loss that tuning chose for a system that leaves it that; None: the published one. Nothing in force is refused."""
    direction = f"{wc.source}_to_{wc.target}"
    found = in_force(wc.scenario, direction, wc.system)
    if found is None:
        raise WorkflowError(
            f"config: {wc.system} leaves its loss to tuning, and for '{kind_of(SYSTEMS[wc.system])}', {direction},"
            f" nothing is in force: make results/{wc.scenario}/tuned.json (examples/tune_loss.yaml) and put it to"
            f" resources/tuned/{wc.scenario}.json"
        )
    return found["training"].get("loss")


def tuned_systems(scenario):
    """By name of a variant the systems that are tuned: those of an experiment that learn."""
    name = config["tune"]["experiment"]
    if name not in VARIANTS:
        raise WorkflowError(f"config: tune takes experiment '{name}'; there are {', '.join(VARIANTS)}")
    space = SCENARIOS[scenario].get("tune", {}).get("space", config["tune"]["space"])
    shipped = load_configfile("config.yaml")["tune"]["experiment"]  # whose ranges a file laid over cannot take away
    for unknown in [key for key in space if key not in ("common", *VARIANTS[name], *VARIANTS.get(shipped, ()))]:
        known = ", ".join(VARIANTS[name])
        raise WorkflowError(f"config: tune.space has '{unknown}'; it has `common` and systems of {name}: {known}")
    learned = {variant: s for variant, s in VARIANTS[name].items() if declared(SYSTEMS[s]["model"], "LOSS")}
    tuned = {variant: s for variant, s in learned.items() if SYSTEMS[s].get("tuned", True)}
    kinds = {}
    for variant, system in tuned.items():
        kind = kind_of(SYSTEMS[system])
        if kinds.setdefault(kind, variant) != variant:
            raise WorkflowError(
                f"config: {kinds[kind]} and {variant} of {name} are both {kind}, for which training has one place;"
                " give one a `form`, or switch its tuning off (`tuned: false`)"
            )
    return tuned


def name_in_tuning(wc):
    """The name of a system in the experiment that is tuned."""
    names = {system: variant for variant, system in tuned_systems(wc.scenario).items()}
    if wc.system not in names:
        raise WorkflowError(f"config: tune.experiment has no system {wc.system}; it has {', '.join(names)}")
    return names[wc.system]


def space_of(wc):
    """The ranges of a system as JSON: the common ones, its own laid over them, without those that it sets to null.

    That of the loss is for systems whose loss is `tuned`.
    """
    given, name, system = setting("tune", "space")(wc), name_in_tuning(wc), SYSTEMS[wc.system]
    common, known = dict(given["common"]), {*UNTUNED, *default_settings(system["model"])}
    if system.get("loss") == "tuned":
        known.add("loss")
    else:
        common.pop("loss", None)
    space = {key: value for key, value in (common | given.get(name, {})).items() if value is not None}
    explicit = {key for key, value in system.items() if value != "tuned"} | system.get("settings", {}).keys()
    for unknown in sorted(space.keys() - known):
        hint = "; of a system with `loss: tuned` it can be chosen" if unknown == "loss" else ""
        raise WorkflowError(
            f"config: tune.space has '{unknown}' of {name}, which is none of {', '.join(sorted(known))}{hint}"
        )
    for fixed in sorted(space.keys() & explicit):
        raise WorkflowError(f"config: tune.space chooses {fixed} of {name}, which sets it itself; set it to null there")
    return json.dumps(space, sort_keys=True)


def untuned_options(wc):
    """How the system is trained without tuning, as JSON."""
    return training_settings(tuned=False, names=UNTUNED)(wc)


def proposal(wc):
    """What trials propose for a system in a direction."""
    name_in_tuning(wc)  # raises where the system is not tuned
    return f"results/{wc.scenario}/{wc.source}_to_{wc.target}/tune/{wc.system}.json"


def all_tuned(wc):
    """What trials propose for all systems, in both directions."""
    check_local(wc.scenario)
    first, second = SCENARIOS[wc.scenario]["domains"]
    return [
        f"results/{wc.scenario}/{source}_to_{target}/tune/{system}.json"
        for source, target in ((first, second), (second, first))
        for system in tuned_systems(wc.scenario).values()
    ]


def all_confirmed(wc):
    """Of all trainings to their end, with what was proposed and without, what stage tuned reads."""
    return [
        f"{Path(path).with_suffix('')}/{settings}/seed{seed}/{file}"
        for path in all_tuned(wc)
        for settings in ("untuned", "proposed")
        for seed in setting("tune", "seeds")(wc)
        for file in ("history.tsv", "settings.json", "cost.json")
    ]
