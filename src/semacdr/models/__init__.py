"""The models, one per file. A model's module defines INPUTS, LOSS, Settings and Model; `load` finds it by name.

INPUTS          a literal tuple of what the model needs besides the history, from "agnostic", "embeddings", "graphs",
                "personas".
SETTING_INPUTS  (optional) a literal mapping of settings to what the model needs besides INPUTS where they are on
                (neither false nor "none"). The planner reads both from the file, so that a run has the right inputs.
LOSS            a literal: the loss that the model was published with (semacdr.models.losses); None for a non-learned
                baseline.
Settings        a frozen dataclass of the model's settings (semacdr.runtime.settings), including its ablations.
Model           a torch module built from ModelInputs and Settings (semacdr.models.base).

A file without INPUTS is a part that models share.
"""

import importlib
import importlib.util
from types import ModuleType

from semacdr.errors import UserError
from semacdr.runtime.settings import switched_on


def load(name: str) -> ModuleType:
    """The module of the model `name`; a UserError if there is none, or it is a part that models share."""
    if not name.isidentifier() or not importlib.util.find_spec(f"semacdr.models.{name}"):
        raise UserError(f"no model '{name}': there is no such file in semacdr/models")
    module = importlib.import_module(f"semacdr.models.{name}")
    if not hasattr(module, "INPUTS"):
        raise UserError(f"no model '{name}': that file of semacdr/models is a part that models share")
    return module


def required_inputs(module: ModuleType, settings: object) -> tuple[str, ...]:
    """What the model of a module needs besides the history under these settings."""
    more = getattr(module, "SETTING_INPUTS", {})
    needs = (names for setting, names in more.items() if switched_on(getattr(settings, setting)))
    return (*module.INPUTS, *(name for names in needs for name in names))
