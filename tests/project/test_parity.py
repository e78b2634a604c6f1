"""The comparison with official code: the numbers of both sides in its table."""

import json

import pytest
from parity import finished, pair, readable, row


def made(side, seed_values, *, seconds):
    """Runs of one side, one (full, sampled) pair per seed; two epochs, of which the first is the best."""
    epochs = [{"seconds": n * seconds, "cpu_seconds": n * 2.0, "valid_ndcg_10": 0.3 / n} for n in (1, 2)]
    return [
        {
            "versions": {side: "1.0", "torch": "2"},
            "epochs": epochs,
            "best": 1,
            "stopped": "patience" if full > 0.1 else "seconds",
            "test": {"ndcg_10": full},
            "test_sampled": {"ndcg_10": sampled},
        }
        for full, sampled in seed_values
    ]


def test_a_side_has_means_and_deviations_over_its_seeds():
    found = row("sasrec", "official", made("theirs", [(0.1, 0.4), (0.2, 0.4), (0.3, 0.7)], seconds=10.0), [2] * 3)
    assert (found.system, found.side, found.code, found.seeds) == ("sasrec", "official", "theirs 1.0", 3)
    assert (found.epochs, found.best_epoch, found.ended_by) == (2, 1, "patience, seconds")
    assert (found.seconds_an_epoch, found.cpu_seconds_an_epoch, found.valid_ndcg_10) == (10.0, 2.0, 0.3)
    assert (found.full_ndcg_10, found.full_deviation) == pytest.approx((0.2, 0.1))
    assert (found.sampled_ndcg_10, found.sampled_deviation) == pytest.approx((0.5, 0.03**0.5))


def test_the_tables_have_both_sides_of_a_model_in_a_line():
    official = made("theirs", [(0.25, 0.5)] * 2, seconds=10.0)
    ours = made("semacdr", [(0.2, 0.6), (0.4, 0.6)], seconds=2.5)
    lines = readable(pair("sasrec", {"official": official, "ours": ours})).splitlines()
    cells = ["0.2500 ± 0.0000", "0.3000 ± 0.1414", "+0.0500", "0.5000 ± 0.0000", "0.6000 ± 0.0000", "+0.1000"]
    cells += ["0.3000 ± 0.0000", "0.3000 ± 0.0000", "+0.0000"]
    assert lines[2] == f"| sasrec | 2 | {' | '.join(cells)} |"
    assert lines[6] == "| sasrec | 2 | 2 | 10.00 | 2.50 | 4.0 |"


def test_pretraining_which_counts_in_the_first_epoch_is_no_epochs_time():
    (run,) = made("semacdr", [(0.2, 0.5)], seconds=1.0)
    run["epochs"] = [{"seconds": s, "cpu_seconds": 2 * s, "valid_ndcg_10": 0.1} for s in (50.0, 53.0, 58.0)]
    several = row("tri_cdr", "ours", [run], [3])
    one = row("tri_cdr", "ours", [run | {"epochs": run["epochs"][:1]}], [1])
    assert (several.seconds_an_epoch, several.cpu_seconds_an_epoch) == (4.0, 8.0)
    assert (one.seconds_an_epoch, one.cpu_seconds_an_epoch) == (50.0, 100.0)


def test_validation_is_compared_after_as_many_epochs_as_both_have():
    official, ours = (made(side, [(0.2, 0.5)] * 3, seconds=1.0) for side in ("theirs", "semacdr"))
    valid = ([(0.1, 0.2), (0.5, 0.4), (0.2, 0.3)], [(0.1, 0.4, 0.8), (0.3,), (0.2, 0.5, 0.1)])
    for runs, values in zip((official, ours), valid, strict=True):
        for run, of_run in zip(runs, values, strict=True):
            run["epochs"] = [run["epochs"][0] | {"valid_ndcg_10": value} for value in of_run]
    theirs, own = pair("sasrec", {"official": official, "ours": ours})
    assert theirs.equal_epochs == own.equal_epochs == pytest.approx(5 / 3)
    assert (theirs.equal_ndcg_10, own.equal_ndcg_10) == pytest.approx(((0.2 + 0.5 + 0.3) / 3, (0.4 + 0.3 + 0.5) / 3))
    assert (theirs.equal_deviation, own.equal_deviation) == pytest.approx((0.023333**0.5, 0.1), rel=1e-4)


def test_both_sides_are_compared_on_the_seeds_that_both_have(tmp_path):
    for side, seeds in (("official", (1, 2, 10)), ("ours", (10, 3, 1))):
        for seed in seeds:
            (tmp_path / f"sasrec-{side}-{seed}.json").write_text(json.dumps([side, seed]))
    (tmp_path / "cl4srec-ours-2.json").write_text("{}")
    expected = {side: [[side, 1], [side, 10]] for side in ("official", "ours")}
    assert finished(tmp_path, "sasrec") == expected
    assert finished(tmp_path, "cl4srec") == {"official": [], "ours": []}
