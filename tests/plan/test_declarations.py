"""Settings classes read from source equal those that Python imports."""

import dataclasses
import importlib

import pytest

from semacdr.errors import UserError
from semacdr.plan import declarations
from semacdr.plan.declarations import SOURCES, has_class, literal, settings_class
from semacdr.plan.models import models
from semacdr.runtime.schema import schema
from semacdr.runtime.settings import describe, types_of

STAGES = [f"semacdr.stages.{path.stem}" for path in sorted(SOURCES.glob("semacdr/stages/[!_]*.py"))]
OTHERS = ["semacdr.training.settings", "semacdr.llm.options", *(f"semacdr.models.{model}" for model in models())]
CACHED = ("file_of", "tree_of", "settings_class", "_imports", "_assigned")
CLASSES = [(m, n) for m in STAGES + OTHERS for n in ("Settings", "Training", "Options") if has_class(m, n)]


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_a_class_read_from_source_is_the_one_that_is_imported(module, name):
    read, imported = settings_class(module, name), getattr(importlib.import_module(module), name)
    assert dataclasses.asdict(read()) == dataclasses.asdict(imported())
    assert _plain(types_of(read)) == _plain(types_of(imported))
    tunable = [[field.metadata.get("tunable") for field in dataclasses.fields(kind)] for kind in (read, imported)]
    assert tunable[0] == tunable[1]


def _plain(hints):
    """Types in words and as schema, for comparison: nested classes are also read and so are different objects."""
    return {name: (describe(kind), schema(kind)) for name, kind in hints.items()}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function that writes a module into a new package and returns its name."""
    monkeypatch.setattr(declarations, "SOURCES", tmp_path)
    for cached in CACHED:
        getattr(declarations, cached).cache_clear()

    def write(text, name="one"):
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    for cached in CACHED:
        getattr(declarations, cached).cache_clear()


def test_bases_nested_classes_and_constants_are_followed_into_other_modules(module):
    module("DEFAULT = 'x'\n@dataclass(frozen=True)\nclass Base:\n    a: int = 1\n", "two")
    one = module(
        "from two import DEFAULT, Base\n@dataclass(frozen=True)\nclass Inner:\n    b: bool = True\n"
        "@dataclass(frozen=True)\nclass Settings(Base):\n"
        "    c: Inner = setting(Inner(), 'nested')\n    d: str = setting(DEFAULT, 'text', tunable=False)\n"
        "    e: Annotated[tuple[Natural, ...], Bounds(1)] = (1, 2)\n    f: Literal['x', 'y'] | None = None\n"
    )
    read = settings_class(one)
    assert dataclasses.asdict(read()) == {"a": 1, "c": {"b": True}, "d": "x", "e": (1, 2), "f": None}
    assert [field.metadata.get("help") for field in dataclasses.fields(read)] == [None, "nested", "text", None, None]


@pytest.mark.parametrize("line", ["a: int = max(1, 2)", "a: Unknown = 1", "a: list[int] = setting((), 'x')"])
def test_what_cannot_be_read_is_refused_with_its_line(module, line):
    one = module(f"@dataclass(frozen=True)\nclass Settings:\n    {line}\n")
    with pytest.raises(UserError, match=r"one\.py(, line 3:| has no class)"):
        settings_class(one)


def test_a_literal_that_is_not_declared_is_refused(module):
    one = module("INPUTS = ('a',)\n")
    assert literal(one, "INPUTS") == ("a",)
    assert literal(one, "LOSS", None) is None
    with pytest.raises(UserError, match="does not declare LOSS"):
        literal(one, "LOSS")
