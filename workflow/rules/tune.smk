"""Settings by trials on validation events: one system, one direction; the same budget for every system.

REQUIRED  what train reads
OUTPUTS   results/<scenario>/<source>_to_<target>/tune/<system>.json; the trials stand beside it in <system>.sqlite, which
          is not an output, so that a killed job goes on from there
"""

UNTUNED = (
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


rule tune:
    """Tuning {wildcards.system}, {wildcards.source} to {wildcards.target}."""
    input:
        unpack(model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        code=lambda wc: sorted({*code("semacdr.tune"), *code(model_of(wc))}),
    output:
        "results/{scenario}/{source}_to_{target}/tune/{system}.json",
    log:
        "logs/{scenario}/{source}_to_{target}/{system}/tune.log",
    benchmark:
        "logs/benchmarks/{scenario}/{source}_to_{target}/{system}/tune.tsv"
    conda:
        "../../envs/tune.yaml"
    threads: cpus(training("threads"))
    resources:
        gpu=GPU,
    params:
        threads=training("threads"),
        inputs=model_options,
        model=lambda wc: SYSTEMS[wc.system]["model"],
        settings=own_settings(tuned=False),
        options=untuned_options,
        name=name_in_tuning,
        key=lambda wc: kind_of(SYSTEMS[wc.system]),
        space=space_of,
        trials=setting("tune", "trials"),
        seconds=setting("tune", "seconds"),
        seeds=lambda wc: " ".join(map(str, setting("tune", "seeds")(wc))),
        epochs=setting("tune", "epochs"),
        patience=setting("tune", "patience"),
        startup=setting("tune", "startup"),
        warmup=setting("tune", "warmup"),
        seed=setting("tune", "seed"),
        storage=lambda wc, output: str(Path(output[0]).with_suffix(".sqlite")),
    shell:
        "python -m semacdr.tune --interactions {input.interactions} --items {input.catalogue} --split {input.split}"
        " {params.inputs} --code {input.code} --model {params.model} --settings '{params.settings}' {params.options}"
        " --name {params.name} --key {params.key} --space '{params.space}' --trials {params.trials}"
        " --seconds {params.seconds} --seeds {params.seeds} --epochs {params.epochs} --patience {params.patience}"
        " --startup {params.startup} --warmup {params.warmup} --seed {params.seed} --threads {params.threads}"
        " --storage {params.storage} --output {output} 2> {log}"
