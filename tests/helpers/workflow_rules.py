"""The rules of the workflow as Snakemake reads them, in this process."""

import sys
from functools import cache
from pathlib import Path
from unittest import mock

from plans import ROOT
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings


@cache
def workflow_rules(*overlays: Path) -> list:
    """All rules of the Snakefile, under the shipped config with files laid over it."""
    arguments = mock.patch.object(sys, "argv", ["snakemake"])
    with arguments, SnakemakeApi(OutputSettings(skip_plugin_handlers=True)) as api:
        workflow = api.workflow(
            ResourceSettings(cores=1), ConfigSettings(configfiles=overlays), snakefile=Path(ROOT, "Snakefile")
        )._workflow
        return list(workflow.rules)
