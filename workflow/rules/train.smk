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
        variant=lambda wc: SYSTEMS[wc.system].get("variant", "full"),
        settings=own_settings(tuned=True),
        loss=loss_option(tuned=True),
        max_length=training("max_length"),
        visibility=training("visibility"),
        batch_size=training("batch_size"),
        negatives=training("negatives"),
        shared_negatives=training("shared_negatives"),
        calibration=training("calibration"),
        learning_rate=training("learning_rate"),
        semantic_learning_rate=training("semantic_learning_rate"),
        weight_decay=training("weight_decay"),
        epochs=training("epochs"),
        patience=training("patience"),
        precision=training("precision"),
        proposed="",
        deterministic=lambda wc: "--deterministic" if training("deterministic")(wc) else "",
        folder=folder,
    shell:
        "python -m semacdr.stages.train --interactions {input.interactions} --items {input.catalogue} --split {input.split}"
        " {params.options} --model {params.model} --variant {params.variant} --settings '{params.settings}'"
        " {params.loss} --max-length {params.max_length} --visibility {params.visibility} --batch-size {params.batch_size}"
        " --negatives {params.negatives} --shared-negatives {params.shared_negatives}"
        " --calibration {params.calibration} --learning-rate {params.learning_rate}"
        " --semantic-learning-rate {params.semantic_learning_rate} --weight-decay {params.weight_decay}"
        " --epochs {params.epochs} --patience {params.patience} --precision {params.precision}"
        " {params.proposed} {params.deterministic} --seed {wildcards.seed}"
        " --threads {params.threads} --output {params.folder} 2> {log}"
