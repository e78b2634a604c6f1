"""What the rules share: the plan, what it says of jobs, a shell that finds the package, and constraints of wildcards."""

import re
import sys
from pathlib import Path

SOURCES = str(Path(workflow.basedir, "src"))
sys.path.insert(0, SOURCES)

from semacdr.plan import summaries
from semacdr.plan.code_inputs import code, shown
from semacdr.plan.jobs import SHELL_PREFIX, Jobs, folder, paths
from semacdr.plan.plan import as_options, distinct
from semacdr.plan.start import Command

command = Command(config, workflow)
plan = command.plan()
jobs = Jobs(plan, workflow)
settings, option, cpus, record = jobs.settings, jobs.option, jobs.cpus, jobs.record
shell.prefix(SHELL_PREFIX)


wildcard_constraints:
    scenario="|".join(map(re.escape, plan.config.scenarios)),
    direction="|".join(map(re.escape, plan.directions)),
    run=r"[\w.-]+-[0-9a-f]{8}",
    seed=r"\d+",
    part=r"(/part\d+)?",
    system="|".join(map(re.escape, plan.systems)) or "none",
