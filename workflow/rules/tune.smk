"""Tuning: settings chosen by trials on validation events, with the same budget for every system of an experiment.

tune_search runs trials; tune_retrain trains the proposed and the untuned settings fully; tune_select chooses between them
on validation. To use the chosen settings, copy results/<scenario>/tuned.json to resources/tuned/<scenario>.json.

REQUIRED  the inputs of train
OUTPUTS   results/<scenario>/<source>_to_<target>/tune/<key>.json and the four files of train in
          tune/<key>/proposed/seed<N>/; results/<scenario>/tuned.json, tune.tsv, and a readable tune.md. The trials
          are next to <key>.json in <key>.sqlite, which is not an output, so that a killed search can resume.
"""

from semacdr.plan.tune import TunePlan

tuning = TunePlan(plan)


localrules:
    tune_select,


rule tune_search:
    input:
        unpack(lambda wc: plan.inputs(wc.scenario, wc.direction, tuning.record(wc))),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        code=lambda wc: code("semacdr.stages.tune_search", f"semacdr.models.{tuning.record(wc).model}"),
    output:
        "results/{scenario}/{direction}/tune/{key}.json",
    log:
        "logs/{scenario}/{direction}/tune/{key}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/tune/{key}.tsv"
    wildcard_constraints:
        key="[A-Za-z0-9_-]+",
    conda:
        "../../envs/tune.yaml"
    threads: cpus(option("tune", "threads"))
    resources:
        gpu=lambda wc: jobs.gpus(wc) if plan.learns(tuning.record(wc).model) else 0,
    params:
        paths=paths,
        model=lambda wc: tuning.record(wc).model,
        training=lambda wc: tuning.record(wc).training,
        model_settings=lambda wc: tuning.record(wc).settings,
        name=lambda wc: tuning.system(wc.scenario, wc.key)[0],
        settings=settings("tune"),
        space=lambda wc: tuning.space(wc.scenario, wc.key),
        threads=lambda wc, input: plan.options("tune", wc.scenario).threads,
        storage=lambda wc, output: str(Path(output[0]).with_suffix(".sqlite")),
    message:
        "Tuning {wildcards.key}, {wildcards.direction} ({wildcards.scenario})"
    shell:
        "python -m semacdr.stages.tune_search {params.paths:q} --code {input.code:q} --model {params.model:q}"
        " --training {params.training:q} --model-settings {params.model_settings:q} --name {params.name:q}"
        " --key {wildcards.key:q} --space {params.space:q} --settings {params.settings:q} --threads {params.threads:q}"
        " --storage {params.storage:q} --output {output:q} 2> {log:q}"


rule tune_retrain:
    input:
        unpack(lambda wc: plan.inputs(wc.scenario, wc.direction, tuning.record(wc))),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        found="results/{scenario}/{direction}/tune/{key}.json",
        code=lambda wc: code("semacdr.stages.train", f"semacdr.models.{tuning.record(wc).model}"),
    output:
        checkpoint="results/{scenario}/{direction}/tune/{key}/proposed/seed{seed}/checkpoint.safetensors",
        history="results/{scenario}/{direction}/tune/{key}/proposed/seed{seed}/history.tsv",
        settings="results/{scenario}/{direction}/tune/{key}/proposed/seed{seed}/settings.json",
        cost="results/{scenario}/{direction}/tune/{key}/proposed/seed{seed}/cost.json",
    log:
        "logs/{scenario}/{direction}/tune/{key}_retrain_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/tune/{key}_retrain_seed{seed}.tsv"
    wildcard_constraints:
        key="[A-Za-z0-9_-]+",
    conda:
        "../../envs/train.yaml"
    threads: cpus(option("tune", "threads"))
    resources:
        gpu=lambda wc: jobs.gpus(wc) if plan.learns(tuning.record(wc).model) else 0,
    params:
        paths=paths,
        model=lambda wc: tuning.record(wc).model,
        settings=lambda wc: tuning.record(wc).training,
        model_settings=lambda wc: tuning.record(wc).settings,
        threads=lambda wc, input: plan.options("tune", wc.scenario).threads,
        folder=folder,
    message:
        "Training the proposed settings of {wildcards.key}, {wildcards.direction}, seed {wildcards.seed}"
    shell:
        "python -m semacdr.stages.train {params.paths:q} --model {params.model:q} --settings {params.settings:q}"
        " --model-settings {params.model_settings:q} --proposed {input.found:q} --seed {wildcards.seed:q}"
        " --threads {params.threads:q} --output {params.folder:q} 2> {log:q}"


rule tune_select:
    input:
        found=lambda wc: tuning.proposals(wc.scenario),
        retrained=lambda wc: [
            f"{folder}/{file}"
            for folder in tuning.retrained(wc.scenario)
            for file in ("history.tsv", "settings.json", "cost.json")
        ],
        code=code("semacdr.stages.tune_select"),
    output:
        settings="results/{scenario}/tuned.json",
        table=report("results/{scenario}/tune.tsv", category="{scenario}", caption="../report/tuned.rst"),
        page="results/{scenario}/tune.md",
    log:
        "logs/{scenario}/tune_select.log",
    benchmark:
        "logs/benchmarks/{scenario}/tune_select.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        retrained=lambda wc: tuning.retrained(wc.scenario),
        filters=lambda wc: tuning.filters(wc.scenario),
    message:
        "Choosing the tuned settings of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.tune_select --found {input.found:q} --retrained {params.retrained:q}"
        " --preprocess {params.filters:q} --output {output.settings:q} --table {output.page:q} --tsv {output.table:q}"
        " 2> {log:q}"
