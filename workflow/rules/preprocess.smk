"""Raw files, or tables of your own, to the tables of a scenario: filtered interactions, users, items, statistics.

REQUIRED  raw reviews and metadata of both domains, or the tables of a release with source: table
OUTPUTS   results/<scenario>/interactions.parquet, users.parquet, items.parquet, attributes.parquet, statistics.tsv, preprocess.tsv
"""

from semacdr.plan.raw import raw_files, source_options, table_files


rule preprocess:
    input:
        reviews=lambda wc: raw_files(plan.config, wc.scenario, "reviews"),
        metadata=lambda wc: raw_files(plan.config, wc.scenario, "meta"),
        tables=lambda wc: table_files(plan.config, wc.scenario),
        code=code("semacdr.stages.preprocess"),
    output:
        interactions="results/{scenario}/interactions.parquet",
        users="results/{scenario}/users.parquet",
        catalogue="results/{scenario}/items.parquet",
        attributes="results/{scenario}/attributes.parquet",
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
        domains=lambda wc: list(plan.scenario(wc.scenario).domains),
        release=lambda wc: plan.scenario(wc.scenario).release,
        source=lambda wc: source_options(plan.config, wc.scenario),
        settings=settings("preprocess"),
        folder=folder,
    message:
        "Filtering interactions of {wildcards.scenario}"
    shell:
        "POLARS_MAX_THREADS={threads} python -m semacdr.stages.preprocess --domains {params.domains:q}"
        " {params.source:q} --release {params.release:q} --scenario {wildcards.scenario:q}"
        " --settings {params.settings:q} --output {params.folder:q} 2> {log:q}"
