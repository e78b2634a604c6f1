"""The item vectors of a trained system, source and target items in one space.

REQUIRED  what train read, its checkpoint and settings
OUTPUTS   results/<scenario>/<source>_to_<target>/<system>/seed<N>/vectors.parquet
"""


rule vectors:
    """Item vectors of {wildcards.system}, {wildcards.source} to {wildcards.target}, seed {wildcards.seed}."""
    input:
        unpack(model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        checkpoint="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/checkpoint.safetensors",
        settings="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/settings.json",
        code=lambda wc: sorted({*code("semacdr.stages.vectors"), *code(model_of(wc))}),
    output:
        "results/{scenario}/{source}_to_{target}/{system}/seed{seed}/vectors.parquet",
    log:
        "logs/{scenario}/{source}_to_{target}/{system}/vectors_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{source}_to_{target}/{system}/vectors_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(1)
    params:
        run=lambda wc, input: str(Path(input.checkpoint).parent),
        options=model_options,
    shell:
        "python -m semacdr.stages.vectors --interactions {input.interactions} --items {input.catalogue} --split {input.split}"
        " {params.options} --run {params.run} --threads 1 --device cpu"
        " --output {output} 2> {log}"
