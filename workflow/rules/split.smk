"""Leave-one-out split and stored candidates of one direction.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet
OUTPUTS   results/<scenario>/<source>_to_<target>/split.parquet, candidates.parquet
"""


rule split:
    """Splitting {wildcards.target} for {wildcards.source} to {wildcards.target}, {params.candidates} candidates."""
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        code=code("semacdr.stages.split"),
    output:
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        candidates="results/{scenario}/{source}_to_{target}/candidates.parquet",
    log:
        "logs/{scenario}/{source}_to_{target}/split.log",
    benchmark:
        "logs/benchmarks/{scenario}/{source}_to_{target}/split.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        candidates=setting("split", "candidates"),
        seed=setting("split", "seed"),
        cold_users=setting("split", "cold_users"),
        folder=folder,
    shell:
        "POLARS_MAX_THREADS={threads} python -m semacdr.stages.split"
        " --interactions {input.interactions} --items {input.catalogue}"
        " --source {wildcards.source} --target {wildcards.target}"
        " --candidates {params.candidates} --seed {params.seed} --cold-users {params.cold_users}"
        " --output {params.folder} 2> {log}"
