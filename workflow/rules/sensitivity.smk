"""How much a system hangs on each of several settings: sweeps in one table and one picture.

REQUIRED  results/<scenario>/<experiment>.tsv of every sweep that section `sensitivity` names
OUTPUTS   results/<scenario>/sensitivity.tsv and .png (the paper's figure 5)
"""


rule sensitivity:
    """Sensitivity to the settings on {wildcards.scenario}."""
    input:
        tables=lambda wc: [f"results/{wc.scenario}/{name}.tsv" for name in swept(wc)],
        code=code("semacdr.stages.sensitivity"),
    output:
        table=report("results/{scenario}/sensitivity.tsv", category="{scenario}", caption="../report/curves.rst"),
        picture=report("results/{scenario}/sensitivity.png", category="{scenario}", caption="../report/curves.rst"),
    log:
        "logs/{scenario}/sensitivity.log",
    benchmark:
        "logs/benchmarks/{scenario}/sensitivity.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: cpus(1)
    params:
        sweeps=lambda wc: " ".join(f"--sweep {SWEPT[name]} results/{wc.scenario}/{name}.tsv" for name in swept(wc)),
        system=lambda wc: EXPERIMENTS[swept(wc)[0]]["system"]["model"],
    shell:
        "python -m semacdr.stages.sensitivity {params.sweeps} --system {params.system}"
        " --output {output.table} --picture {output.picture} 2> {log}"
