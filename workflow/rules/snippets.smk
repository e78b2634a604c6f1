"""What people wrote of each item, from training reviews alone; made where `semantics: reviews` asks for it.

REQUIRED  raw reviews of both domains, results/<scenario>/interactions.parquet, users.parquet, items.parquet,
          <source>_to_<target>/split.parquet of both directions
OUTPUTS   results/<scenario>/semantics/snippets.parquet
"""


rule snippets:
    """Choosing {params.per_item} snippets of reviews an item of {wildcards.scenario}."""
    input:
        reviews=raw_files("reviews"),
        interactions="results/{scenario}/interactions.parquet",
        users="results/{scenario}/users.parquet",
        catalogue="results/{scenario}/items.parquet",
        splits=both_splits,
        code=code("semacdr.stages.snippets"),
    output:
        "results/{scenario}/semantics/snippets.parquet",
    log:
        "logs/{scenario}/snippets.log",
    benchmark:
        "logs/benchmarks/{scenario}/snippets.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        domains=lambda wc: " ".join(SCENARIOS[wc.scenario]["domains"]),
        per_item=setting("snippets", "per_item"),
        max_characters=setting("snippets", "max_characters"),
        seed=setting("snippets", "seed"),
    shell:
        "POLARS_MAX_THREADS={threads} python -m semacdr.stages.snippets --domains {params.domains}"
        " --reviews {input.reviews} --interactions {input.interactions} --users {input.users}"
        " --items {input.catalogue} --splits {input.splits} --per-item {params.per_item}"
        " --max-characters {params.max_characters} --seed {params.seed} --output {output} 2> {log}"
