"""Whether the items of both domains mix in a system's space: variants of an experiment beside each other.

REQUIRED  vectors.parquet of the runs of the variants that the config names
OUTPUTS   results/<scenario>/overlap.tsv and overlap.png (the paper's figure 3)
"""


def overlap_vectors(wc):
    """By variant the vectors of its seeds, in the directions that section `overlap` asks for."""
    name, variants = setting("overlap", "experiment")(wc), setting("overlap", "variants")(wc)
    known = VARIANTS.get(name)
    if known is None:
        raise WorkflowError(f"config: overlap takes experiment '{name}'; compare has {', '.join(VARIANTS) or 'none'}")
    for unknown in [variant for variant in variants if variant not in known]:
        raise WorkflowError(f"config: overlap takes variant '{unknown}'; experiment {name} has {', '.join(known)}")
    return runs_of(wc.scenario, name, "vectors.parquet", variants, setting("overlap", "directions")(wc))


rule overlap:
    """How the domains of {wildcards.scenario} mix under {params.experiment}."""
    input:
        vectors=lambda wc: distinct(overlap_vectors(wc)),
        code=code("semacdr.overlap"),
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
        runs=lambda wc: as_runs(overlap_vectors(wc)),
        experiment=setting("overlap", "experiment"),
        neighbours=setting("overlap", "neighbours"),
        permutations=setting("overlap", "permutations"),
        points=setting("overlap", "points"),
        perplexity=setting("overlap", "perplexity"),
        seed=setting("overlap", "seed"),
    shell:
        "python -m semacdr.overlap {params.runs} --neighbours {params.neighbours}"
        " --permutations {params.permutations} --points {params.points} --perplexity {params.perplexity}"
        " --seed {params.seed} --output {output.table} --picture {output.picture} 2> {log}"
