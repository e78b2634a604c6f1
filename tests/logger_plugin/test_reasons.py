"""The reason for a job in one line: which settings changed, from what to what, and which files."""

import json

from snakemake.persistence import ParamsChange

from snakemake_logger_plugin_semacdr.reasons import shorten


def params(old: list, new: list) -> str:
    """Snakemake's reason for changed parameters, made by Snakemake."""
    change = ParamsChange(only_old=set(map(repr, old)), only_new=set(map(repr, new)), files={"x"})
    return f"Params have changed since last execution: {change}"


def test_a_changed_setting_is_named_with_both_values():
    reason = params([json.dumps({"candidates": 100, "seed": 0})], [json.dumps({"candidates": 20, "seed": 0})])
    assert shorten(reason, "split", planned=False) == "split: candidates 100 → 20"


def test_nested_new_and_removed_settings_and_texts_with_commas():
    old = json.dumps({"loss": {"name": "bce"}, "precision": "it's, ; now: so", "gone": [1, 2]})
    new = json.dumps({"loss": {"name": "ce"}, "precision": "float32", "added": True})
    reason = f"Updated input files: src/a.py; {params([old], [new])}; Software environment definition has changed"
    assert shorten(reason, "train", planned=False) == (
        "train: loss.name bce → ce, precision it's, ; now: so → float32, gone [1, 2] → unset, added unset → true; "
        "changed: src/a.py; Software environment definition has changed"
    )


def test_parameters_without_names_show_their_values():
    assert shorten(params([20], [15]), "split", planned=True) == "split: parameters 20 → 15"
    assert shorten(params(["a/b"], []), "split", planned=True) == "split: parameters a/b → unset"


def test_missing_output_and_other_jobs_are_worth_a_word_in_a_dry_run_only():
    reason = "Missing output files: a, b; Input files updated by another job: c, d"
    assert shorten(reason, "rank", planned=False) == ""
    assert shorten(reason, "rank", planned=True) == "no output yet; input from another job"


def test_many_changed_files_are_counted():
    reason = f"Updated input files: {', '.join(f'src/{name}.py' for name in 'gfedcba')}"
    changed = "changed: src/a.py, src/b.py, src/c.py, src/d.py, src/e.py, and 2 more"
    assert shorten(reason, "rank", planned=False) == changed


def test_a_long_value_is_cut_and_other_reasons_are_kept():
    line = shorten(params([json.dumps({"prompt": "x" * 500})], [json.dumps({"prompt": "y"})]), "tell", planned=False)
    assert line == f"tell: prompt {'x' * 59}… → y"
    assert shorten("Forced execution", "tell", planned=False) == "Forced execution"
    assert (
        shorten("Code has changed since last execution", "a", planned=True) == "Code has changed since last execution"
    )
