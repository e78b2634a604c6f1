"""What tuning chose for all systems of an experiment, in both directions.

REQUIRED  what tune found for each of them, and the trainings of confirm
OUTPUTS   results/<scenario>/tuned.json; tune.tsv, and tune.md to read. To train with what was chosen, a person copies
          tuned.json to resources/tuned/<scenario>.json
"""


localrules:
    tuned,


rule tuned:
    """Settings that tuning chose on {wildcards.scenario}."""
    input:
        found=all_tuned,
        confirmed=all_confirmed,
        code=code("semacdr.stages.tune_select"),
    output:
        settings="results/{scenario}/tuned.json",
        table=report("results/{scenario}/tune.tsv", category="{scenario}", caption="../report/tuned.rst"),
        page="results/{scenario}/tune.md",
    log:
        "logs/{scenario}/tuned.log",
    benchmark:
        "logs/benchmarks/{scenario}/tuned.tsv"
    conda:
        "../../envs/data.yaml"
    threads: cpus(1)
    params:
        retrained=lambda wc: list(dict.fromkeys(str(Path(path).parent) for path in all_confirmed(wc))),
        filtered=lambda wc: json.dumps(filtered(wc.scenario)),
    shell:
        "python -m semacdr.stages.tune_select --found {input.found} --retrained {params.retrained} --preprocess '{params.filtered}' --output {output.settings}"
        " --table {output.table} --page {output.page} 2> {log}"
