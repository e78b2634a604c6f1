"""Raw files to the tables of a scenario: filtered interactions, users, items, statistics.

REQUIRED  raw reviews and metadata of both domains
OUTPUTS   results/<scenario>/interactions.parquet, users.parquet, items.parquet, statistics.tsv, preprocess.tsv
"""


rule preprocess:
    """Filtering {wildcards.scenario}: items with >= {params.min_item}, users with >= {params.min_user} interactions."""
    input:
        reviews=raw_files("reviews"),
        metadata=raw_files("meta"),
        code=code("semacdr.stages.preprocess"),
    output:
        interactions="results/{scenario}/interactions.parquet",
        users="results/{scenario}/users.parquet",
        catalogue="results/{scenario}/items.parquet",
        statistics=report(
            "results/{scenario}/statistics.tsv", category="{scenario}", caption="../report/statistics.rst"
        ),
        steps="results/{scenario}/preprocess.tsv",
    log:
        "logs/{scenario}/preprocess.log",
    benchmark:
        "logs/benchmarks/{scenario}/preprocess.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(2)
    params:
        domains=lambda wc: " ".join(SCENARIOS[wc.scenario]["domains"]),
        release=lambda wc: SCENARIOS[wc.scenario]["release"],
        min_item=setting("preprocess", "min_item_interactions"),
        min_user=setting("preprocess", "min_user_interactions"),
        filter=setting("preprocess", "filter"),
        max_malformed=setting("preprocess", "max_malformed_share"),
        folder=folder,
    shell:
        "POLARS_MAX_THREADS={threads} python -m semacdr.stages.preprocess --domains {params.domains}"
        " --reviews {input.reviews} --metadata {input.metadata}"
        " --release {params.release} --scenario {wildcards.scenario}"
        " --min-item-interactions {params.min_item} --min-user-interactions {params.min_user}"
        " --filter {params.filter} --max-malformed-share {params.max_malformed} --output {params.folder} 2> {log}"
