"""The split and the stored candidates of one direction.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet
OUTPUTS   results/<scenario>/<source>_to_<target>/split.parquet, candidates.parquet
"""


rule split:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        code=code("semacdr.stages.split"),
    output:
        split="results/{scenario}/{direction}/split.parquet",
        candidates="results/{scenario}/{direction}/candidates.parquet",
    log:
        "logs/{scenario}/{direction}/split.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/split.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        domains=lambda wc: plan.scenario(wc.scenario).directions[wc.direction],
        settings=settings("split"),
        folder=folder,
    message:
        "Splitting {wildcards.direction} of {wildcards.scenario}"
    shell:
        "POLARS_MAX_THREADS={threads} python -m semacdr.stages.split"
        " --interactions {input.interactions:q} --items {input.catalogue:q}"
        " --source {params.domains[0]:q} --target {params.domains[1]:q}"
        " --settings {params.settings:q} --output {params.folder:q} 2> {log:q}"
