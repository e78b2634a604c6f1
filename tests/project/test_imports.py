"""Imports go one way between the folders of the package, and only entry points know the command line."""

from graphlib import TopologicalSorter

from semacdr.plan.code_inputs import imported
from semacdr.plan.declarations import SOURCES

MODULES = {
    ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((SOURCES / "semacdr").rglob("*.py"))
}
COMMAND_LINE = {"stages", "commands", "runtime"}  # runtime makes the parser and the flags of settings


def folder_of(module):
    return module.split(".")[1] if "." in module else "semacdr"


def imports():
    """The other folders that each folder imports."""
    found = {folder_of(module): set() for module in MODULES}
    for module in MODULES:
        for name in imported(module):
            if name.startswith("semacdr.") and folder_of(name) != folder_of(module):
                found[folder_of(module)].add(folder_of(name))
    return found


def test_the_folders_import_each_other_in_no_circle():
    order = list(TopologicalSorter(imports()).static_order())  # raises CycleError
    assert {"runtime", "storage", "models", "stages"} <= set(order)


def test_nothing_imports_the_entry_points_and_only_they_import_the_planner():
    found = imports()
    assert [folder for folder, others in found.items() if others & {"stages", "commands"}] == []
    assert {folder for folder, others in found.items() if "plan" in others} <= {"stages", "commands"}
    assert "training" not in found["models"] and "reporting" not in found["evaluation"]


def test_no_stage_imports_another():
    stages = [module for module in MODULES if module.startswith("semacdr.stages.")]
    pairs = {(one, name) for one in stages for name in imported(one) if name.startswith("semacdr.stages.")}
    assert {(one, name) for one, name in pairs if not name.startswith("semacdr.stages._")} == set()


def test_only_entry_points_parse_arguments():
    users = {module for module in MODULES if "argparse" in MODULES[module].read_text()}
    assert {folder_of(module) for module in users - {"semacdr.llm.local"}} <= COMMAND_LINE


def test_the_top_of_the_package_has_at_most_18_entries():
    entries = {module.split(".")[1] for module in MODULES if "." in module} | {"__init__.py"}
    assert len(entries) <= 18
