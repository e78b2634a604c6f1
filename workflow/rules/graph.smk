"""The source, target and mixed graph of one direction, with DGL, and their normalised adjacency in Parquet.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet, <source>_to_<target>/split.parquet
OUTPUTS   results/<scenario>/<source>_to_<target>/graphs/source, target, mixed: .bin (DGL) and .parquet
"""


rule graph:
    """Building the graphs of {wildcards.source} to {wildcards.target} from training events."""
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        code=code("semacdr.stages.graph"),
    output:
        multiext("results/{scenario}/{source}_to_{target}/graphs/source", ".bin", ".parquet"),
        multiext("results/{scenario}/{source}_to_{target}/graphs/target", ".bin", ".parquet"),
        multiext("results/{scenario}/{source}_to_{target}/graphs/mixed", ".bin", ".parquet"),
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
