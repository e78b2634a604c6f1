"""Users' histograms over the categories, one domain against the other.

REQUIRED  results/<scenario>/interactions.parquet, items.parquet, semantics/agnostic.parquet,
          <source>_to_<target>/split.parquet of both directions
OUTPUTS   results/<scenario>/profiles.tsv and profiles.png (the paper's figure 4)
"""


rule profiles:
    """Users of {wildcards.scenario} in both domains, by category."""
    input:
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        splits=both_splits,
        code=code("semacdr.stages.taste_similarity"),
    output:
        table=report("results/{scenario}/profiles.tsv", category="{scenario}", caption="../report/profiles.rst"),
        picture=report("results/{scenario}/profiles.png", category="{scenario}", caption="../report/profiles.rst"),
    log:
        "logs/{scenario}/profiles.log",
    benchmark:
        "logs/benchmarks/{scenario}/profiles.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        min_events=lambda wc: " ".join(map(str, setting("profiles", "min_events")(wc))),
        permutations=setting("profiles", "permutations"),
        seed=setting("profiles", "seed"),
        user=lambda wc: "" if setting("profiles", "user")(wc) is None else f"--user {setting('profiles', 'user')(wc)}",
    shell:
        "python -m semacdr.stages.taste_similarity --interactions {input.interactions} --items {input.catalogue}"
        " --agnostic {input.agnostic} --splits {input.splits} --min-events {params.min_events}"
        " --permutations {params.permutations} --seed {params.seed} {params.user}"
        " --output {output.table} --picture {output.picture} 2> {log}"
