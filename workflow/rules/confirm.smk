"""Trials are short: a system trained to its end with the settings that tune proposes, and with those without tuning.

REQUIRED  what train reads; of `proposed` what tune found
OUTPUTS   results/<scenario>/<source>_to_<target>/tune/<system>/<settings>/seed<N>/, <settings> untuned or proposed, the
          four files of train; the better on validation is what tuned chooses
"""


use rule train as confirm with:
    input:
        unpack(model_inputs),
        unpack(lambda wc: {"found": proposal(wc)} if wc.settings == "proposed" else {}),
        interactions="results/{scenario}/interactions.parquet",
        catalogue="results/{scenario}/items.parquet",
        split="results/{scenario}/{source}_to_{target}/split.parquet",
        code=lambda wc: sorted({*code("semacdr.stages.train"), *code(model_of(wc))}),
    output:
        checkpoint="results/{scenario}/{source}_to_{target}/tune/{system}/{settings}/seed{seed}/checkpoint.safetensors",
        history="results/{scenario}/{source}_to_{target}/tune/{system}/{settings}/seed{seed}/history.tsv",
        settings="results/{scenario}/{source}_to_{target}/tune/{system}/{settings}/seed{seed}/settings.json",
        cost="results/{scenario}/{source}_to_{target}/tune/{system}/{settings}/seed{seed}/cost.json",
    log:
        "logs/{scenario}/{source}_to_{target}/{system}/confirm_{settings}_seed{seed}.log",
    benchmark:
        "logs/benchmarks/{scenario}/{source}_to_{target}/{system}/confirm_{settings}_seed{seed}.tsv"
    wildcard_constraints:
        settings="untuned|proposed",
    params:
        training=training_settings(tuned=False),
        settings=own_settings(tuned=False),
        proposed=lambda wc, input: f"--proposed {input.found}" if wc.settings == "proposed" else "",
