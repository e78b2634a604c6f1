"""What tuning may choose: by name of a setting a range of numbers, or choices."""

import dataclasses
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from semacdr.errors import UserError
from semacdr.runtime.cli import resolve
from semacdr.training.engine import Training
from semacdr.training.options import CHOICES, TRAINING, System

FIXED = ("epochs", "patience", "visibility", "evaluation_batch")  # the budget, or what is measured: the same for all
Space = dict[str, BaseDistribution]


def parse(given: dict[str, Any], system: System) -> Space:
    """The distributions of a JSON object {setting: {low, high, log, step} or {choices}}.

    A setting is one of training or one of the system's own. A UserError names one that neither has or that may not be
    chosen, and a range that is none.
    """
    return {name: _distribution(name, value, system) for name, value in given.items()}


def _distribution(name: str, value: Any, system: System) -> BaseDistribution:
    where = f"tune.space: {system.name}: {name}"
    if name in FIXED:
        raise UserError(f"{where} is the same for all systems and not tuned; leave it out")
    if name in getattr(system.module, "SETTING_INPUTS", {}):
        raise UserError(f"{where} makes another system, with other inputs; tune both forms")
    if not isinstance(value, dict) or not value.keys() <= {"low", "high", "log", "step", "choices"}:
        raise UserError(f"{where} is to be {{low, high}}, with log or step, or {{choices}}, not {value}")
    kind = Training if name in TRAINING else type(system.own)
    given = value.get("choices", [value.get("low"), value.get("high")])
    values = [getattr(resolve(kind, {name: one}, f"tune.space: {system.name}"), name) for one in given]
    for unknown in [one for one in values if name in CHOICES and one not in CHOICES[name]]:
        raise UserError(f"{where} is one of {', '.join(CHOICES[name])}, not {unknown}")
    if "choices" not in value:
        return _range(where, *values, value.get("log", False), value.get("step"))
    if len(value) > 1 or len(values) < 2:
        raise UserError(f"{where} needs two choices or more, and nothing beside them: {value}")
    return CategoricalDistribution(values)


def _range(where: str, low: float, high: float, log: bool, step: float | None) -> BaseDistribution:
    if not {type(low), type(high)} <= {int, float} or not low < high:
        raise UserError(f"{where} needs numbers, low below high, not {low} and {high}")
    whole = type(low) is type(high) is int
    if step is not None and (type(step) not in ((int,) if whole else (int, float)) or step <= 0):
        raise UserError(f"{where} needs a step above 0, a whole one between whole numbers, not {step}")
    try:
        if whole:
            return IntDistribution(low, high, log=log, step=step or 1)
        return FloatDistribution(low, high, log=log, step=step)
    except ValueError as error:
        raise UserError(f"{where} is no range: {error}") from error


def current(space: Space, system: System) -> dict[str, Any]:
    """Of each setting of the space what the system has now, where that lies within the space."""
    known = dataclasses.asdict(system.training) | dataclasses.asdict(system.own)
    return {name: known[name] for name, own in space.items() if _holds(own, known[name])}


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return isinstance(value, (int, float)) and distribution.low <= value <= distribution.high
