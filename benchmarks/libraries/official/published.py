"""Published code as the scripts beside this file read it: a checkout stays as cloned, pieces change in reading."""

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
                raise SystemExit(f"{self.path}: has no '{old}'; not the version that the changes are for")
            text = text.replace(old, new)
        return text


def changed(name: str, path: Path, pieces: dict[str, str]) -> ModuleType:
    """The module in `path` with all pieces replaced, which who imports `name` later gets, too."""
    spec = importlib.util.spec_from_loader(name, _Changed(path, pieces))
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def commit(code: Path) -> str:
    """Of a checkout."""
    found = subprocess.run(["git", "-C", code, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def stand_in(*names: str) -> None:
    """For packages that published code imports and nothing here needs of it: debuggers, plots."""
    for name in names:
        sys.modules[name] = MagicMock()
        sys.modules[name].__spec__ = ModuleSpec(name, None)  # torch asks what packages there are
