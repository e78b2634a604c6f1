"""What a rule needs for a job: cores that never overload the machine, and GPUs only for models that are trained."""

import os
from types import SimpleNamespace

import pytest
from plans import plan_of

from semacdr.plan import jobs
from semacdr.plan.jobs import Jobs

PRESENT = len(os.sched_getaffinity(0))


def workflow(cores=None, remote=False, elsewhere=False):
    settings = SimpleNamespace(cores=cores)
    return SimpleNamespace(resource_settings=settings, remote_exec=remote, non_local_exec=elsewhere)


@pytest.mark.parametrize(
    ("cores", "remote", "wanted", "expected"),
    [
        (PRESENT, False, 1, 1),
        (None, False, 1, 1),
        (4 * PRESENT, False, 1, 4),  # with four times the cores, a job of one thread requests four of them
        (4 * PRESENT, True, 1, 1),
        (4 * PRESENT, False, 1000, 4 * PRESENT),
        (PRESENT, False, 1000, PRESENT),
    ],
)
def test_more_cores_than_cpus_run_no_more_threads_than_there_are_cpus(cores, remote, wanted, expected):
    made = Jobs(plan_of(), workflow(cores, remote))
    assert made.cpus(wanted) == expected
    assert made.cpus(lambda wc: wanted)(None) == expected


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("present", [None, "/usr/bin/nvidia-smi"])
def test_only_a_model_that_is_trained_requests_a_gpu_that_its_machine_may_have(elsewhere, present, monkeypatch):
    monkeypatch.setattr(jobs.shutil, "which", lambda name: present)
    plan = plan_of()
    made = Jobs(plan, workflow(elsewhere=elsewhere))
    for label, expected in (("sasrec/full", int(elsewhere or present is not None)), ("popularity/full", 0)):
        run = plan.table_runs("movie_book")[label][0]
        wildcards = SimpleNamespace(scenario="movie_book", direction=run.direction, run=run.record.folder)
        assert made.gpus_to_learn(wildcards) == expected
