"""How long the systems trained, and what to do next: sentences for the summary at the top of a page."""

from collections.abc import Iterable, Mapping, Sequence

from semacdr.evaluation.costs import RunRecord
from semacdr.evaluation.lead import KINDS, LeadRow, RunKey
from semacdr.evaluation.validation import Plateau
from semacdr.reporting.findings import FEW_USERS, best_of, is_level, name_of, where
from semacdr.reporting.names import count_of

Records = Mapping[RunKey, Sequence[RunRecord]]  # of each run its seeds
ENDED, LIMIT = "patience", "limit"


def ended_by(record: RunRecord) -> str:
    """What ended a training: its patience (or the limit of plateau epochs), or the limit of epochs before that."""
    training, cost = record.settings["training"], record.cost
    patient = cost["epochs"] - cost["best_epoch"] >= training.get("patience", cost["epochs"] + 1)
    return ENDED if patient or cost["epochs"] < training.get("epochs", cost["epochs"] + 1) else LIMIT


def training_sentences(rows: Sequence[LeadRow], records: Records) -> list[str]:
    """How many systems were trained, with how many seeds, for how many epochs, and what ended them."""
    trained = [(row, one) for row in _learned(rows) for one in _records(row, records)]
    if not trained:
        return ["No system was trained: all are non-learned."]
    epochs = [record.cost["epochs"] for _, record in trained]
    seeds = sorted({row.seeds for row, _ in trained})
    systems = len({(row.model, row.variant) for row, _ in trained})
    limited = [(row, record) for row, record in trained if ended_by(record) == LIMIT]
    patience = sorted({record.settings["training"].get("patience") for _, record in trained} - {None})
    rule = f" ({' or '.join(map(str, patience))} epochs without a better validation value)" if patience else ""
    number = count_of(seeds[0], "seed") if len(seeds) == 1 else f"{_range(seeds)} seeds"
    sentences = [
        f"{count_of(systems, 'system')} trained with {number} in each direction, for {_range(epochs)} epochs; "
        "validation chose the best one.",
        f"Patience{rule} ended {len(trained) - len(limited)} of {count_of(len(trained), 'training')}.",
    ]
    if limited:
        names = dict.fromkeys(f"{name_of(row)} ({where(row)})" for row, _ in limited)
        sentences.append(f"The limit of epochs ended {', '.join(names)}.")
    return sentences


def next_steps(
    rows: Sequence[LeadRow], records: Records, plateaus: Mapping[str, Sequence[Plateau]], scenario: str
) -> list[str]:
    """What to do next, the most urgent first. `plateaus`: by system name, as for plateau_notes."""
    steps = [_plateaus(plateaus), _limits(rows, records), _few_users(rows), _one_seed(rows), _no_baseline(rows)]
    keys = dict.fromkeys((row.source, row.target, row.group) for row in rows)
    for key in keys:
        part = [row for row in rows if (row.source, row.target, row.group) == key]
        steps.append(_not_ahead(part) or _level(part))
    steps.append(_simulated(rows) or _untuned(rows, records, scenario))
    return [step for step in steps if step]


def _learned(rows: Iterable[LeadRow]) -> list[LeadRow]:
    """The rows of trained systems, each direction once."""
    found = {(row.source, row.target, row.model, row.variant): row for row in rows if row.kind == KINDS[True]}
    return list(found.values())


def _records(row: LeadRow, records: Records) -> list[RunRecord]:
    return [one for run in row.run.split(", ") for one in records.get((row.source, row.target, run), ())]


def _range(numbers: Sequence[int]) -> str:
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"


def _plateaus(plateaus: Mapping[str, Sequence[Plateau]]) -> str:
    names = [
        f"{name} ({source} → {target})"
        for name, own in plateaus.items()
        for source, target in dict.fromkeys((one.source, one.target) for one in own)
    ]
    if not names:
        return ""
    return (
        f"{', '.join(names)} did not leave the level of popularity: try another train.learning_rate, train.batch_size "
        "or dropout (train.settings) before you compare."
    )


def _limits(rows: Sequence[LeadRow], records: Records) -> str:
    names = [
        f"{name_of(row)} ({where(row)})"
        for row in _learned(rows)
        if any(ended_by(record) == LIMIT for record in _records(row, records))
    ]
    return f"{', '.join(names)} could still improve when training ended: raise train.epochs." if names else ""


def _few_users(rows: Sequence[LeadRow]) -> str:
    small = dict.fromkeys(f"{where(row)}: {row.users}" for row in rows if row.users < FEW_USERS)
    if not small:
        return ""
    return (
        f"Fewer than {FEW_USERS} users ({'; '.join(small)}): no order of systems is certain. Use more data, or lower "
        "the thresholds of section preprocess."
    )


def _one_seed(rows: Sequence[LeadRow]) -> str:
    if not any(row.seeds == 1 for row in _learned(rows)):
        return ""
    return (
        "One seed: the intervals do not include the variance between trainings. Set train.seeds to [1, 2, 3] before "
        "you rely on a difference."
    )


def _no_baseline(rows: Sequence[LeadRow]) -> str:
    missing = [model for model in ("popularity", "seq_rules") if not any(row.model == model for row in rows)]
    if not missing:
        return ""
    return f"Add {' and '.join(missing)} to metrics.systems: without them nothing shows whether the systems learned."


def _not_ahead(rows: Sequence[LeadRow]) -> str:
    """A step where no learned system is clearly ahead of the best non-learned one."""
    learned, counted = best_of(rows, learned=True), best_of(rows, learned=False)
    if learned is None or counted is None:
        return ""
    if rows[0] is learned and not is_level(counted):
        return ""
    return (
        f"{where(rows[0])}: no learned system is clearly better than {name_of(counted)}, which needs no training. Use "
        "it, or tune the learned ones."
    )


def _level(rows: Sequence[LeadRow]) -> str:
    """A step where learned systems are level with a learned best one. Without seconds: they differ from run to run."""
    level = [name_of(row) for row in rows[1:] if is_level(row) and row.kind == KINDS[True]]
    if rows[0].kind != KINDS[True] or not level:
        return ""
    verb = "is" if len(level) == 1 else "are"
    return (
        f"{where(rows[0])}: {', '.join(level)} {verb} not clearly worse than {name_of(rows[0])}. Let the cost of "
        "training decide, or train more seeds."
    )


def _simulated(rows: Sequence[LeadRow]) -> str:
    if rows[0].release != "sample":
        return ""
    return "The sample's users are simulated: run your own data (docs/your-own-data.md) before you choose a system."


def _untuned(rows: Sequence[LeadRow], records: Records, scenario: str) -> str:
    own = [one for row in _learned(rows) for one in _records(row, records)]
    if not own or any(record.settings.get("tuned") for record in own):
        return ""
    return f"No system is tuned: results/{scenario}/tuned.json tunes all with the same budget (docs/tuning.md)."
