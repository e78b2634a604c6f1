"""The graphs of one direction as normalised adjacency in Parquet, and as DGL files where dgl is installed.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet, <source>_to_<target>/split.parquet
OUTPUTS   results/<scenario>/<source>_to_<target>/graphs/source, target, mixed: .parquet; .bin where dgl is installed
"""


rule graph:
    """Building the graphs of {wildcards.source} to {wildcards.target} from training events."""
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        code=code("semacdr.stages.graph"),
    output:
        "results/{scenario}/{source}_to_{target}/graphs/source.parquet",
        "results/{scenario}/{source}_to_{target}/graphs/target.parquet",
        "results/{scenario}/{source}_to_{target}/graphs/mixed.parquet",
        multiext("results/{scenario}/{source}_to_{target}/graphs/source", "_counted.parquet", "_sequence.parquet"),
        multiext("results/{scenario}/{source}_to_{target}/graphs/target", "_counted.parquet", "_sequence.parquet"),
        "results/{scenario}/{source}_to_{target}/graphs/mixed_sequence.parquet",
    log:
        "logs/{scenario}/{source}_to_{target}/graph.log",
    benchmark:
        "logs/benchmarks/{scenario}/{source}_to_{target}/graph.tsv"
    conda:
        "../../envs/graph.yaml"
    threads: cpus(1)
    params:
        max_history=setting("graph", "max_history"),
        folder=folder,
    shell:
        "python -m semacdr.stages.graph --interactions {input.interactions} --items {input.catalogue} --split {input.split}"
        " --max-history {params.max_history} --output {params.folder} 2> {log}"
