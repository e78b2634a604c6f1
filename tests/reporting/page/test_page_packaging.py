"""An installed package has the templates."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_package_s_data_are_all_templates():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folder = ROOT / "src/semacdr"
    named = {path for package, globs in data.items() for glob in globs
             for path in (ROOT / "src" / package.replace(".", "/")).glob(glob)}  # fmt: skip
    others = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert named == others and len(named) >= 10
