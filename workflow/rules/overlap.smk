"""Whether the items of both domains mix in a system's space: variants of an experiment beside each other.

REQUIRED  vectors.parquet of the runs of the variants that the config names
OUTPUTS   results/<scenario>/overlap.tsv and overlap.png (the paper's figure 3)
"""


rule overlap:
    """How the domains of {wildcards.scenario} mix under {params.experiment}."""
    input:
        vectors=lambda wc: distinct(overlap_vectors(wc)),
        code=code("semacdr.stages.domain_mixing"),
    output:
        table=report("results/{scenario}/overlap.tsv", category="{scenario}", caption="../report/overlap.rst"),
        picture=report("results/{scenario}/overlap.png", category="{scenario}", caption="../report/overlap.rst"),
    log:
        "logs/{scenario}/overlap.log",
    benchmark:
        "logs/benchmarks/{scenario}/overlap.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        runs=lambda wc: as_runs(folders(overlap_vectors(wc))),
        experiment=setting("overlap", "experiment"),
        neighbours=setting("overlap", "neighbours"),
        permutations=setting("overlap", "permutations"),
        points=setting("overlap", "points"),
        perplexity=setting("overlap", "perplexity"),
        seed=setting("overlap", "seed"),
    shell:
        "python -m semacdr.stages.domain_mixing {params.runs} --neighbours {params.neighbours}"
        " --permutations {params.permutations} --points {params.points} --perplexity {params.perplexity}"
        " --seed {params.seed} --output {output.table} --picture {output.picture} 2> {log}"
