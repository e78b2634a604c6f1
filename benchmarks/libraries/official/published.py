"""Import published code with changes: the checkout is not edited, pieces of its text are replaced when it is read."""

import importlib.util
import subprocess
import sys
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock


class _Changed(InspectLoader):
    def __init__(self, path: Path, pieces: dict[str, str]) -> None:
        self.path, self.pieces = path, pieces

    def get_source(self, fullname: str) -> str:
        text = self.path.read_text(encoding="utf-8")
        for old, new in self.pieces.items():
            if old not in text:
                raise SystemExit(f"{self.path}: has no '{old}'; the changes are for another version")
            text = text.replace(old, new)
        return text


def changed(name: str, path: Path, pieces: dict[str, str]) -> ModuleType:
    """The module in `path` with all pieces replaced; later imports of `name` get it, too."""
    spec = importlib.util.spec_from_loader(name, _Changed(path, pieces))
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def commit(code: Path) -> str:
    """The commit of a checkout."""
    found = subprocess.run(["git", "-C", code, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def stand_in(*names: str) -> None:
    """Replace packages that published code imports but nothing here needs: debuggers, plots."""
    for name in names:
        sys.modules[name] = MagicMock()
        sys.modules[name].__spec__ = ModuleSpec(name, None)  # torch looks for installed packages
