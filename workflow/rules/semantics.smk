"""Item semantics: the shared categories, each item's text within its domain, and its place in the categories.

REQUIRED  results/<scenario>/items.parquet, resources/taxonomies/<scenario>.json
OUTPUTS   results/<scenario>/semantics/taxonomy.json, inner.parquet, agnostic.parquet
"""


rule taxonomy:
    """Checking the categories of {wildcards.scenario}."""
    input:
        taxonomy=lambda wc: f"{setting('taxonomy', 'folder')(wc)}/{wc.scenario}.json",
        code=code("semacdr.taxonomy"),
    output:
        "results/{scenario}/semantics/taxonomy.json",
    log:
        "logs/{scenario}/taxonomy.log",
    benchmark:
        "logs/benchmarks/{scenario}/taxonomy.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    shell:
        "python -m semacdr.taxonomy --taxonomy {input.taxonomy} --output {output} 2> {log}"


rule semantics:
    """Describing and filing the items of {wildcards.scenario} with engine {params.engine}."""
    input:
        catalogue="results/{scenario}/items.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        code=code("semacdr.semantics"),
    output:
        inner="results/{scenario}/semantics/inner.parquet",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
    log:
        "logs/{scenario}/semantics.log",
    benchmark:
        "logs/benchmarks/{scenario}/semantics.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: cpus(setting("semantics", "threads"))
    resources:
        gpu=GPU,
    params:
        threads=setting("semantics", "threads"),
        engine=setting("semantics", "engine"),
        encoder=setting("semantics", "encoder"),
        max_characters=setting("semantics", "max_characters"),
        max_subcategories=setting("semantics", "max_subcategories"),
        margin=setting("semantics", "margin"),
        folder=folder,
    shell:
        "python -m semacdr.semantics --items {input.catalogue} --taxonomy {input.taxonomy} --engine {params.engine}"
        " --encoder {params.encoder} --max-characters {params.max_characters}"
        " --max-subcategories {params.max_subcategories} --margin {params.margin} --threads {params.threads}"
        " --output {params.folder} 2> {log}"
