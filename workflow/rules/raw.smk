"""Raw reviews and metadata, under the 2014 release's names whatever the release.

REQUIRED  nothing (download), a folder (local) or the embedded catalogue (sample)
OUTPUTS   resources/raw/<release>/reviews_<Category>.json.gz, meta_<Category>.json.gz
"""


localrules:
    raw,


rule sample:
    """Simulating {params.users} users over the embedded catalogue."""
    input:
        books="resources/sample/books.tsv",
        films="resources/sample/films.tsv",
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
        users=config["sample"]["users"],
        seed=config["sample"]["seed"],
        folder=folder,
    shell:
        "python -m semacdr.stages.sample --books {input.books} --films {input.films}"
        " --users {params.users} --seed {params.seed} --output {params.folder} 2> {log}"


rule raw:
    """Bringing {wildcards.kind} of {wildcards.category} ({params.source})."""
    input:
        # No code here: gigabytes are not to be fetched again because a line of code changed; the checksum holds them.
        local=local_file,
    output:
        "resources/raw/{release}/{kind}_{category}.json.gz",
    log:
        "logs/raw/{release}/{kind}_{category}.log",
    benchmark:
        "logs/benchmarks/raw/{release}/{kind}_{category}.tsv"
    wildcard_constraints:
        release="|".join(name for name, release in config["raw"].items() if release["source"] != "sample"),
        kind="reviews|meta",
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        source=lambda wc: config["raw"][wc.release]["source"],
        folder=lambda wc: (
            f"--folder '{config['raw'][wc.release]['folder']}'" if "folder" in config["raw"][wc.release] else ""
        ),
        url=lambda wc: (
            f"--url '{config['raw'][wc.release]['url'][wc.kind]}'" if "url" in config["raw"][wc.release] else ""
        ),
        checksums="resources/checksums",
    shell:
        "python -m semacdr.stages.raw --source {params.source} --release {wildcards.release} --kind {wildcards.kind}"
        " --category {wildcards.category} {params.folder} {params.url} --checksums {params.checksums} --inbox resources/inbox"
        " --output {output} 2> {log}"
