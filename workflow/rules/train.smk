"""One system, one direction, one seed. A system's inputs are those that its file in semacdr/models declares.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet, <source>_to_<target>/split.parquet; by system
          embeddings.parquet, semantics/agnostic.parquet, <source>_to_<target>/graphs
OUTPUTS   results/<scenario>/<source>_to_<target>/<system>/seed<N>/checkpoint.safetensors, history.tsv, settings.json,
          cost.json
"""


rule train:
    """Training {wildcards.system}, {wildcards.source} to {wildcards.target}, seed {wildcards.seed}."""
    input:
        unpack(model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        code=lambda wc: sorted({*code("semacdr.stages.train"), *code(model_of(wc))}),
    output:
        checkpoint="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/checkpoint.safetensors",
        history="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/history.tsv",
        settings="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/settings.json",
        cost="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/cost.json",
    log:
        "logs/{scenario}/{source}_to_{target}/{system}/train_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{source}_to_{target}/{system}/train_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(training("threads"))
    resources:
        gpu=GPU,
    params:
        threads=training("threads"),
        options=model_options,
        model=lambda wc: SYSTEMS[wc.system]["model"],
        settings=own_settings(tuned=True),
        training=training_settings(tuned=True),
        proposed="",
        folder=folder,
    shell:
        "python -m semacdr.stages.train --interactions {input.interactions} --items {input.catalogue} --split {input.split}"
        " {params.options} --model {params.model} --model-settings '{params.settings}' --settings '{params.training}'"
        " {params.proposed} --seed {wildcards.seed} --threads {params.threads} --output {params.folder} 2> {log}"
