"""List all trials of searches in one table, such as docs/results/tune_loss.tsv.

    python benchmarks/tune_trials.py results/kitchen_food/*_to_*/tune/*.sqlite > tune_loss.tsv

Reads the Optuna studies that stage tune_search writes, one per system and direction.
"""

import sys

import optuna

COLUMNS = ["source", "target", "system", "trial", "loss", "valid_ndcg_10", "state", "epochs", "seconds", "ended_by"]


def text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(paths: list[str]) -> None:
    print(*COLUMNS, "settings", sep="\t")
    for path in paths:
        *_, direction, _, name = path.split("/")
        for trial in optuna.load_study(study_name=None, storage=f"sqlite:///{path}").trials:
            settings, notes = dict(trial.params), trial.user_attrs
            row = [*direction.split("_to_"), name.removesuffix(".sqlite"), trial.number + 1, settings.pop("loss", "")]
            row += [text(trial.value), trial.state.name.lower()]
            row += [notes[column] for column in ("epochs", "seconds", "ended_by")]
            print(*row, ", ".join(f"{key} {text(settings[key])}" for key in sorted(settings)), sep="\t")


if __name__ == "__main__":
    main(sys.argv[1:])
