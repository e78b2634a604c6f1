"""Ranks of the validation and test events under a trained system; the only stage that looks at the test split.

REQUIRED  what train read, its checkpoint and settings, and candidates.parquet
OUTPUTS   results/<scenario>/<source>_to_<target>/<system>/seed<N>/ranks.parquet
"""


rule rank:
    """Ranking with {wildcards.system}, {wildcards.source} to {wildcards.target}, seed {wildcards.seed}."""
    input:
        unpack(model_inputs),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        candidates="results/{scenario}/{source}_to_{target}/candidates.parquet",
        checkpoint="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/checkpoint.safetensors",
        settings="results/{scenario}/{source}_to_{target}/{system}/seed{seed}/settings.json",
        code=lambda wc: sorted({*code("semacdr.stages.rank"), *code(model_of(wc))}),
    output:
        "results/{scenario}/{source}_to_{target}/{system}/seed{seed}/ranks.parquet",
    log:
        "logs/{scenario}/{source}_to_{target}/{system}/rank_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{source}_to_{target}/{system}/rank_seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: cpus(setting("rank", "threads"))
    resources:
        gpu=GPU,
    params:
        run=lambda wc, input: str(Path(input.checkpoint).parent),
        threads=setting("rank", "threads"),
        options=model_options,
        batch_size=setting("rank", "batch_size"),
    shell:
        "python -m semacdr.stages.rank --interactions {input.interactions} --items {input.catalogue} --split {input.split}"
        " {params.options} --candidates {input.candidates} --run {params.run} --batch-size {params.batch_size}"
        " --threads {params.threads} --output {output} 2> {log}"
