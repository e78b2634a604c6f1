"""The source, target and mixed graph of one direction: normalised adjacency in Parquet, from training events only.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet, <source>_to_<target>/split.parquet
OUTPUTS   results/<scenario>/<source>_to_<target>/graphs/*.parquet
"""

from semacdr.plan.plan import GRAPHS


rule graph:
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{direction}/split.parquet",
        code=code("semacdr.stages.graph"),
    output:
        expand("results/{{scenario}}/{{direction}}/graphs/{graph}.parquet", graph=GRAPHS),
    log:
        "logs/{scenario}/{direction}/graph.log",
    benchmark:
        "logs/benchmarks/{scenario}/{direction}/graph.tsv"
    conda:
        "../../envs/graph.yaml"
    threads: cpus(1)
    params:
        settings=settings("graph"),
        folder=folder,
    message:
        "Building the graphs of {wildcards.direction} of {wildcards.scenario}"
    shell:
        "python -m semacdr.stages.graph --interactions {input.interactions:q} --items {input.catalogue:q}"
        " --split {input.split:q} --settings {params.settings:q} --output {params.folder:q} 2> {log:q}"
