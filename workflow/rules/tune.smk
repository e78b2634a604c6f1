"""Settings by trials on validation events: one system, one direction; the same budget for every system.

REQUIRED  what train reads
OUTPUTS   results/<scenario>/<source>_to_<target>/tune/<system>.json; the trials stand beside it in <system>.sqlite, which
          is not an output, so that a killed job goes on from there
"""


rule tune:
    """Tuning {wildcards.system}, {wildcards.source} to {wildcards.target}."""
    input:
        unpack(model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        code=lambda wc: sorted({*code("semacdr.stages.tune_search"), *code(model_of(wc))}),
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
        trial_seconds=setting("tune", "trial_seconds"),
        seeds=lambda wc: " ".join(map(str, setting("tune", "seeds")(wc))),
        epochs=setting("tune", "epochs"),
        patience=setting("tune", "patience"),
        random_trials=setting("tune", "random_trials"),
        prune_after_epoch=setting("tune", "prune_after_epoch"),
        seed=setting("tune", "seed"),
        storage=lambda wc, output: str(Path(output[0]).with_suffix(".sqlite")),
    shell:
        "python -m semacdr.stages.tune_search --interactions {input.interactions} --items {input.catalogue} --split {input.split}"
        " {params.inputs} --code {input.code} --model {params.model} --model-settings '{params.settings}' --training '{params.options}'"
        " --name {params.name} --key {params.key} --space '{params.space}' --trials {params.trials}"
        " --trial-seconds {params.trial_seconds} --seeds {params.seeds} --epochs {params.epochs} --patience {params.patience}"
        " --random-trials {params.random_trials} --prune-after-epoch {params.prune_after_epoch} --seed {params.seed} --threads {params.threads}"
        " --storage {params.storage} --output {output} 2> {log}"
