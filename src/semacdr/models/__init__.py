"""One system a file. A system's module defines INPUTS, LOSS, Settings and Model; `load` finds it by its name.

INPUTS   a literal tuple of what the system needs beside the history: of "agnostic", "embeddings", "graphs"; the
         workflow reads it from the file to know what a training run depends on.
SETTING_INPUTS, where there is one, a literal mapping of settings, false by default, to what the system needs beside
         INPUTS where they are true; the workflow reads it too.
LOSS     a literal: the loss that it was published with, of semacdr.models.losses; None of what learns nothing.
Settings a frozen dataclass of the system's own settings; ablations are fields of it.
Model    a torch module built from a Problem and Settings (see semacdr.models.base).
"""

import importlib
import importlib.util
from types import ModuleType

from semacdr.errors import UserError


def load(name: str) -> ModuleType:
    """The module of the system `name`; a UserError where there is none, or that of a part that systems share."""
    if not importlib.util.find_spec(f"semacdr.models.{name}"):
        raise UserError(f"no system '{name}': there is no such file in semacdr/models")
    module = importlib.import_module(f"semacdr.models.{name}")
    if not hasattr(module, "INPUTS"):
        raise UserError(f"no system '{name}': that file of semacdr/models is a part that systems share")
    return module


def inputs(module: ModuleType, settings: object) -> tuple[str, ...]:
    """What the system of a module needs beside the history under these settings."""
    more = getattr(module, "SETTING_INPUTS", {})
    return module.INPUTS + tuple(need for name, needs in more.items() if getattr(settings, name) for need in needs)
