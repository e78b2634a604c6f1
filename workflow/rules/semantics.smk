"""Item semantics: the shared categories, each item's text within its domain, and its place in the categories.

REQUIRED  results/<scenario>/items.parquet, resources/taxonomies/<scenario>.json, with engine llm resources/prompts, with
          reviews semantics/snippets.parquet
OUTPUTS   results/<scenario>/semantics/taxonomy.json, inner.parquet, agnostic.parquet, semantics.tsv
ON DEMAND results/<scenario>/semantics/price.txt: what asking would cost, before a request is sent
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
        prompts=lambda wc: prompts(wc, "inner", setting("semantics", "method")(wc)),
        snippets=snippets,
        recorded=recorded,
        shards=shards,
        code=code("semacdr.semantics"),
    output:
        inner="results/{scenario}/semantics/inner.parquet",
        agnostic="results/{scenario}/semantics/agnostic.parquet",
        counts=report(
            "results/{scenario}/semantics/semantics.tsv", category="{scenario}", caption="../report/semantics.rst"
        ),
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
        llm=lambda wc: model_asked(wc, "semantics"),
        how=how_asked,
        reviews=lambda wc, input: f"--snippets {input.snippets}" if input.snippets else "",
        goal=lambda wc, output: f"--output {Path(output[0]).parent}",
    shell:
        "python -m semacdr.semantics --items {input.catalogue} --taxonomy {input.taxonomy} --engine {params.engine}"
        " {params.reviews} --encoder {params.encoder} --max-characters {params.max_characters}"
        " --max-subcategories {params.max_subcategories} --margin {params.margin} --threads {params.threads}"
        " {params.llm} {params.how} {params.goal} 2> {log}"


use rule semantics as shard with:
    input:
        catalogue="results/{scenario}/items.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        prompts=lambda wc: prompts(wc, "inner", setting("semantics", "method")(wc)),
        snippets=snippets,
        recorded=recorded,
        code=code("semacdr.semantics"),
    output:
        "results/{scenario}/semantics/shards/{shard}of{shards}.parquet",
    log:
        "logs/{scenario}/shard_{shard}of{shards}.log",
    benchmark:
        "logs/benchmarks/{scenario}/shard_{shard}of{shards}.tsv"
    params:
        goal=lambda wc, output: f"--shard {wc.shard}/{wc.shards} --export {output}",


use rule semantics as price with:
    input:
        catalogue="results/{scenario}/items.parquet",
        taxonomy="results/{scenario}/semantics/taxonomy.json",
        prompts=lambda wc: prompts(wc, "inner", setting("semantics", "method")(wc)),
        snippets=snippets,
        recorded=recorded,
        code=code("semacdr.semantics"),
    output:
        "results/{scenario}/semantics/price.txt",
    log:
        "logs/{scenario}/price.log",
    benchmark:
        "logs/benchmarks/{scenario}/price.tsv"
    params:
        goal=lambda wc, output: f"--dry-run > {output}",
