"""The comparison of LightGCN and NeuMF with RecBole's: equal settings, and the numbers of the table."""

import json
import sys

import backbones
import pytest
from backbones import SYSTEMS, compared, main, readable, table

from semacdr import models
from semacdr.runtime.settings import resolve
from semacdr.storage import tsv
from semacdr.training.settings import Training


def made(name, *curve, test=0.2):
    """A run with an epoch for each (CPU seconds, validation NDCG@10); the best one counts."""
    epochs = [{"epoch": n, "seconds": 9 * s, "cpu_seconds": s, "valid_ndcg_10": v} for n, (s, v) in enumerate(curve, 1)]
    best = max(epochs, key=lambda epoch: epoch["valid_ndcg_10"])["epoch"]
    common = {"settings": {"lr": 0.1}, "stopped": "patience", "test": {"ndcg_10": test, "hr_10": 2 * test}}
    return common | {"name": name, "epochs": epochs, "best": best}


THEIRS = made("theirs", (10.0, 0.1), (20.0, 0.3), (30.0, 0.2))
BETTER = made("better", (1.0, 0.2), (2.0, 0.35), (3.0, 0.4), (4.0, 0.1))
WORSE = made("worse", (1.0, 0.05), (2.0, 0.1), (3.0, 0.08))


def test_both_sides_are_timed_to_the_lower_of_their_best_values():
    assert compared([BETTER], [THEIRS]) == (0.3, 2.0, 20.0)
    assert compared([WORSE], [THEIRS]) == (0.1, 2.0, 10.0)
    assert compared([BETTER, WORSE], [THEIRS, THEIRS]) == pytest.approx((0.2, 2.0, 15.0))


def test_a_row_compares_the_seeds_that_both_sides_have_and_has_means_over_its_own():
    ours = {1: BETTER, 2: WORSE | {"test": {"ndcg_10": 0.4, "hr_10": 0.8}}}
    theirs, own = table({"lightgcn": ours, "recbole-lightgcn": {1: THEIRS}})
    assert (theirs.system, theirs.against, theirs.ratio, theirs.test_deviation) == (
        "recbole-lightgcn",
        None,
        None,
        None,
    )
    assert (theirs.epochs, theirs.best_epoch, theirs.cpu_seconds_an_epoch, theirs.valid_ndcg_10) == (3, 2, 10.0, 0.3)
    assert (own.seeds, own.epochs, own.best_epoch, own.cpu_seconds_an_epoch) == (2, 3.5, 2.5, 1.0)
    assert (own.valid_ndcg_10, own.test_ndcg_10, own.test_hr_10) == pytest.approx((0.25, 0.3, 0.6))
    assert own.test_deviation == pytest.approx(0.02**0.5)
    assert (own.against, own.same_ndcg_10, own.cpu_seconds_to_same) == ("recbole-lightgcn", 0.3, 2.0)
    assert (own.against_cpu_seconds_to_same, own.ratio) == (20.0, 10.0)
    last, first = readable([own, theirs]).splitlines()[2:]
    start = "| lightgcn | patience | 2 | 4 | 2 | 1.00 | 0.2500 | 0.3000 ± 0.1414 | 0.6000 |"
    assert last == f"{start} 0.3000 | 2.0 | 20.0 | 10.0 |"
    assert first == "| recbole-lightgcn | patience | 1 | 3 | 2 | 10.00 | 0.3000 | 0.2000 | 0.4000 |  |  |  |  |"


def test_a_row_without_a_run_of_the_other_side_has_no_ratio():
    (own,) = table({"neumf": {1: BETTER}, "recbole-neumf": {}})
    assert (own.against, own.same_ndcg_10, own.ratio) == (None, None, None)


@pytest.mark.parametrize("name", ["lightgcn", "neumf", "neumf-256"])
def test_both_sides_of_a_pair_have_equal_settings(name):
    given, theirs = dict(SYSTEMS[name].settings), SYSTEMS[SYSTEMS[name].against].settings
    module = models.load(given.pop("model"))
    settings, training = module.Settings(), resolve(Training, {"loss": module.LOSS} | given, "training")
    assert training.learning_rate == theirs["learning_rate"]
    if name == "lightgcn":
        assert (settings.dim, settings.layers, settings.l2) == (64, theirs["n_layers"], theirs["reg_weight"])
        assert (training.loss, training.train_negatives) == ("bpr", 1)
    else:
        assert [settings.dim >> layer for layer in range(settings.layers)] == theirs["mlp_hidden_size"]
        assert (settings.dim, settings.dropout, settings.l2) == (64, theirs["dropout_prob"], 0.0)
        assert training.train_negatives == theirs["train_neg_sample_args"]["sample_num"]
        assert (training.loss, training.calibration) == ("gbce", 0.0)


def test_a_run_that_is_there_is_not_trained_again(tmp_path, monkeypatch, capsys):
    trained = []

    def train(python, script, folder, name, output, threads, options):
        trained.append((str(python), script.name, name, options["seed"], threads))
        output.write_text(json.dumps(made(name, (1.0, 0.1), (2.0, 0.2))))

    monkeypatch.setattr(backbones.launch, "train", train)
    command = ["backbones.py", tmp_path, "--recbole", "/venv/python", "--seeds", "1", "2", "--runs", tmp_path / "runs"]
    command += ["--only", "recbole-neumf", "neumf", "--output", tmp_path / "table.tsv"]
    monkeypatch.setattr(sys, "argv", [*map(str, command)])
    main()
    theirs, ours = ("/venv/python", "recbole_backbones.py", "recbole-neumf"), (sys.executable, "own.py", "neumf")
    assert trained == [(*side, seed, 1) for seed in (1, 2) for side in (theirs, ours)]
    trained.clear()
    (tmp_path / "runs/neumf.2.json").unlink()
    main()
    assert trained == [(*ours, 2, 1)]
    assert "| neumf | patience | 2 |" in capsys.readouterr().out
    assert len(tsv.read(tmp_path / "table.tsv")) == 2
