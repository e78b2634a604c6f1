"""Who is ahead over all scenarios of `run`, both directions each: mean ranks and the critical difference.

REQUIRED  results/<scenario>/<experiment>.tsv of every scenario in `run`
OUTPUTS   results/standing.tsv and standing.png
"""


rule standing:
    """Mean ranks over {params.scenarios}."""
    input:
        tables=lambda wc: [f"results/{scenario}/{compared('standing')}.tsv" for scenario in config["run"]],
        code=code("semacdr.stages.mean_ranks"),
    output:
        table=report("results/standing.tsv", caption="../report/standing.rst"),
        picture=report("results/standing.png", caption="../report/standing.rst"),
    log:
        "logs/standing.log",
    benchmark:
        "logs/benchmarks/standing.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        experiment=lambda wc: compared("standing"),
        scenarios=" and ".join(config["run"]),
    shell:
        "python -m semacdr.stages.mean_ranks --tables {input.tables} --title '{params.experiment}, {params.scenarios}'"
        " --output {output.table} --picture {output.picture} 2> {log}"
