"""Raw reviews and metadata of any release, under the names of the 2014 release.

REQUIRED  nothing (download), a folder (local) or the embedded catalogue (sample)
OUTPUTS   resources/raw/<release>/reviews_<Category>.json.gz, meta_<Category>.json.gz
"""

from semacdr.plan.raw import local_file, place_options


localrules:
    raw,


rule sample:
    input:
        books=shown(Path(workflow.basedir, "resources/sample/books.tsv")),
        films=shown(Path(workflow.basedir, "resources/sample/films.tsv")),
        code=code("semacdr.stages.sample"),
    output:
        expand(
            "resources/raw/sample/{kind}_{category}.json.gz",
            kind=["reviews", "meta"],
            category=["Books", "Movies_and_TV"],
        ),
        planted=directory("resources/raw/sample/planted"),
    log:
        "logs/sample.log",
    benchmark:
        "logs/benchmarks/sample.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        settings=lambda wc: plan.settings("sample"),
        folder=folder,
    message:
        "Simulating users of the embedded catalogue"
    shell:
        "python -m semacdr.stages.sample --books {input.books:q} --films {input.films:q}"
        " --settings {params.settings:q} --output {params.folder:q} 2> {log:q}"


rule raw:
    input:
        # No code as input: a changed line of code must not download gigabytes again. The checksum protects the files.
        local=lambda wc: local_file(plan.config, wc.release, wc.kind, wc.category),
    output:
        "resources/raw/{release}/{kind}_{category}.json.gz",
    log:
        "logs/raw/{release}/{kind}_{category}.log",
    benchmark:
        "logs/benchmarks/raw/{release}/{kind}_{category}.tsv"
    wildcard_constraints:
        release="|".join(name for name, own in plan.config.raw.items() if own.source not in ("sample", "table"))
        or "none",
        kind="reviews|meta",
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        source=lambda wc: plan.config.raw[wc.release].source,
        place=lambda wc: place_options(plan.config, wc.release, wc.kind),
        inbox="resources/inbox",
        checksums=shown(Path(workflow.basedir, "resources/checksums")),
    message:
        "Fetching {wildcards.kind} of {wildcards.category} ({params.source})"
    shell:
        "python -m semacdr.stages.raw --source {params.source:q} --release {wildcards.release:q} --kind {wildcards.kind:q}"
        " --category {wildcards.category:q} {params.place:q} --inbox {params.inbox:q}"
        " --checksums {params.checksums:q} --output {output:q} 2> {log:q}"
