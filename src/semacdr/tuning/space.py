"""The search space of tuning: a range of numbers, or choices, for each setting."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from semacdr.errors import UserError
from semacdr.runtime.settings import resolve, types_of, untunable
from semacdr.training.settings import Training
from semacdr.training.system import System

Space = dict[str, BaseDistribution]


def parse(given: Mapping[str, Any], system: System) -> Space:
    """The distributions of a JSON object {setting: {low, high, log, step} or {choices}}.

    A setting is one of training or one of the model's. A UserError names a setting that neither has or that may not be
    tuned, and a range that is not valid.
    """
    return {name: _distribution(name, value, system) for name, value in given.items()}


def _distribution(name: str, value: Any, system: System) -> BaseDistribution:
    where = f"tune.space: {system.name}: {name}"
    if name in untunable(Training) | untunable(type(system.settings)):
        raise UserError(f"{where} is the same for all models and not tuned; remove it")
    if name in getattr(system.module, "SETTING_INPUTS", {}):
        raise UserError(f"{where} changes the model's inputs, so it is not tuned; tune each form separately instead")
    if not isinstance(value, dict) or not value.keys() <= {"low", "high", "log", "step", "choices"}:
        raise UserError(f"{where} must be {{low, high}}, with log or step, or {{choices}}, not {value}")
    kind = Training if name in types_of(Training) else type(system.settings)
    given = value.get("choices", [value.get("low"), value.get("high")])
    if not isinstance(given, list):
        raise UserError(f"{where}: choices must be a list, not {given!r}")
    values = [getattr(resolve(kind, {name: one}, f"tune.space: {system.name}"), name) for one in given]
    if "choices" not in value:
        low, high = values
        return _range(where, low, high, value.get("log", False), value.get("step"))
    if len(value) > 1 or len(values) < 2:
        raise UserError(f"{where} needs at least two choices and nothing else: {value}")
    return CategoricalDistribution(values)


def _range(where: str, low: Any, high: Any, log: bool, step: float | None) -> BaseDistribution:
    if not {type(low), type(high)} <= {int, float} or not low < high:
        raise UserError(f"{where} needs numbers, low below high, not {low} and {high}")
    whole = type(low) is type(high) is int
    if step is not None and (type(step) not in ((int,) if whole else (int, float)) or step <= 0):
        raise UserError(f"{where} needs a step above 0, a whole number between whole numbers, not {step}")
    try:
        if whole:
            return IntDistribution(low, high, log=log, step=int(step or 1))
        return FloatDistribution(low, high, log=log, step=step)
    except ValueError as error:
        raise UserError(f"{where} is not a valid range: {error}") from error


def current(space: Space, system: System) -> dict[str, Any]:
    """The values that the system has now, of those settings whose value lies within the space."""
    known = dataclasses.asdict(system.training) | dataclasses.asdict(system.settings)
    return {name: known[name] for name, distribution in space.items() if _contains(distribution, known[name])}


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return isinstance(value, (int, float)) and distribution.low <= value <= distribution.high
