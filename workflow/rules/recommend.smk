"""What a trained system would put before each user at the test event.

REQUIRED  what train read, its checkpoint and settings
OUTPUTS   results/<scenario>/<source>_to_<target>/<system>/seed<N>/recommendations.parquet
"""


rule recommend:
    """Best {params.top} of {wildcards.system}, {wildcards.source} to {wildcards.target}, seed {wildcards.seed}."""
    input:
        unpack(model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        checkpoint="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/checkpoint.safetensors",
        settings="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/settings.json",
        code=lambda wc: sorted({*code("semacdr.stages.recommend"), *code(model_of(wc))}),
    output:
        "results/{scenario}/{source}_to_{target}/{system}/seed{seed}/recommendations.parquet",
    log:
        "logs/{scenario}/{source}_to_{target}/{system}/recommend_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{source}_to_{target}/{system}/recommend_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(setting("recommend", "threads"))
    resources:
        gpu=GPU,
    params:
        run=lambda wc, input: str(Path(input.checkpoint).parent),
        threads=setting("recommend", "threads"),
        options=model_options,
        top=setting("recommend", "top"),
        batch_size=setting("recommend", "batch_size"),
    shell:
        "python -m semacdr.stages.recommend --interactions {input.interactions} --items {input.catalogue}"
        " --split {input.split} {params.options} --run {params.run}"
        " --top {params.top} --batch-size {params.batch_size} --threads {params.threads} --output {output} 2> {log}"
