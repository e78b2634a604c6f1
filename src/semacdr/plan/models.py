"""The models, and what their files declare: settings, published loss, inputs."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from semacdr.plan.declarations import SOURCES, literal, settings_class
from semacdr.runtime.settings import switched_on

INPUTS = ("agnostic", "embeddings", "graphs", "personas")
FROM_TEXTS = ("agnostic", "embeddings", "personas")  # inputs that are made from the texts of items


@cache
def models() -> tuple[str, ...]:
    """The models: the files of semacdr/models that declare INPUTS."""
    names = (path.stem for path in sorted(SOURCES.glob("semacdr/models/[!_]*.py")))
    return tuple(name for name in names if literal(f"semacdr.models.{name}", "INPUTS", None) is not None)


def own_settings(model: str) -> type:
    """The class of a model's own settings."""
    return settings_class(f"semacdr.models.{model}")


def published_loss(model: str) -> str | None:
    """The loss that a model was published with; None of a non-learned baseline."""
    return literal(f"semacdr.models.{model}", "LOSS")


def setting_inputs(model: str) -> dict[str, tuple[str, ...]]:
    """By setting, the inputs that a model needs in addition where it is on (neither false nor "none")."""
    return literal(f"semacdr.models.{model}", "SETTING_INPUTS", {})


def switches(model: str) -> list[str]:
    """The settings, off by default, that give a model more inputs: with one, it is another system."""
    defaults = own_settings(model)()
    return [name for name in setting_inputs(model) if not switched_on(getattr(defaults, name))]


def without_texts(model: str) -> dict[str, Any]:
    """The settings with which a model reads nothing that is made from the items' texts."""
    defaults = own_settings(model)()
    named = [name for name, inputs in setting_inputs(model).items() if {*inputs} & {*FROM_TEXTS}]
    kinds = {name: type(getattr(defaults, name)) for name in named}
    return {name: "none" if kind is str else kind() for name, kind in kinds.items()}


def needs(model: str, settings: Mapping[str, Any]) -> list[str]:
    """The inputs of a model under settings, in the order of INPUTS."""
    switched = (names for switch, names in setting_inputs(model).items() if switched_on(settings.get(switch)))
    more = [name for names in switched for name in names]
    return [name for name in INPUTS if name in (*literal(f"semacdr.models.{model}", "INPUTS"), *more)]
