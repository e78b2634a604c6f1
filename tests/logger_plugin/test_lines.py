"""The lines that the logger writes for Snakemake's events, in a pipe and on a terminal."""

import io
import logging
import time
from collections import Counter

import pytest
from snakemake.logging import DefaultFilter, DefaultFormatter
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_semacdr import LogHandler, LogHandlerSettings
from snakemake_logger_plugin_semacdr.jobs import Job, Jobs, duration

START = time.mktime((2024, 1, 2, 10, 0, 0, 0, 0, -1))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Shown:
    """A logger as Snakemake makes it, with a stream to read."""

    def __init__(self, stream=None, detail=False, **settings):
        common = OutputSettings(**settings)
        self.handler = LogHandler(common, LogHandlerSettings(detail=detail))
        self.stream = self.handler.stream = self.handler.snakemake.stream = stream or io.StringIO()
        self.handler.terminal = self.stream.isatty()
        self.handler.addFilter(DefaultFilter(common.quiet, False, False, common.dryrun, common.printshellcmds))
        self.handler.setFormatter(DefaultFormatter(common.quiet, common.show_failed_logs))

    def say(self, event, text="", at=0.0, level=logging.INFO, **fields):
        record = logging.makeLogRecord({"msg": text, "levelno": level, "levelname": logging.getLevelName(level)})
        record.__dict__ |= {"created": START + at, "event": event} | fields
        self.handler.handle(record)

    def start(self, number, rule, at=0.0, message=None, reason="Missing output files: x", log=(), output=(), **more):
        shape = {"local": False, "is_checkpoint": False, "input": ["in"], "benchmark": None, "priority": 0}
        shape |= {
            "threads": 1,
            "resources": {},
            "rule_msg": message,
            "reason": reason,
            "wildcards": {"seed": "1"},
        } | more
        self.say(
            LogEvent.JOB_INFO, at=at, jobid=number, rule_name=rule, log=list(log), output=list(output), **shape,
        )  # fmt: skip

    def end(self, number, at):
        self.say(LogEvent.JOB_FINISHED, f"Finished jobid: {number}", at=at, job_id=number)

    def run(self, **stats):
        table = "Job stats:\njob  count\n"
        self.say(LogEvent.RUN_INFO, table, stats=stats | {"total": sum(stats.values())})

    def lines(self):
        return self.stream.getvalue().splitlines()


@pytest.fixture
def history(tmp_path):
    path = tmp_path / "seed1/history.tsv"
    path.parent.mkdir()
    path.write_text("epoch\tloss\tvalid_ndcg_10\n1\t0.7\t0.1\n2\t0.6\t0.25\n3\t0.5\t0.2\n")
    return path


def test_a_run_in_a_pipe_shows_two_lines_per_job_and_two_for_the_run(history):
    shown = Shown()
    shown.say(None, "Building DAG of jobs...")
    shown.run(train=1, rank=1, all=1)
    shown.say(None, "Select jobs to execute...")
    shown.start(2, "train", message="Train sasrec,  movie to book, seed 1.", output=[str(history)])
    shown.say(LogEvent.SHELLCMD, "Shell command: python", shellcmd="python -m semacdr.stages.train")
    shown.end(2, at=65)
    shown.say(LogEvent.PROGRESS, done=1, total=3)
    shown.start(1, "rank", at=66, reason="Updated input files: src/semacdr/stages/rank.py")
    shown.end(1, at=67.26)
    shown.start(0, "all", at=68)
    shown.end(0, at=68)
    shown.say(None, "Complete log(s): .snakemake/log/x.log")
    shown.say(None, "Elapsed time: 0:01:08", at=68)
    shown.handler.close()
    assert shown.lines() == [
        "10:00:00        2 jobs to run",
        "10:00:00 start  Train sasrec, movie to book, seed 1",
        "10:01:05 done   Train sasrec, movie to book, seed 1: 1 min 05 s, best validation NDCG@10 0.2500 (epoch 2)"
        "  [1 of 2]",
        "10:01:06 start  rank 1  (changed: src/semacdr/stages/rank.py)",
        "10:01:07 done   rank 1: 1.3 s  [2 of 2]",
        "10:01:08 end    2 of 2 jobs done in 1 min 08 s; full log: .snakemake/log/x.log",
    ]


def test_a_failed_job_shows_its_name_the_end_of_its_log_and_where_the_log_is(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)) + "error: config.yaml: no such model\n")
    shown = Shown()
    shown.run(train=1)
    shown.start(2, "train", log=[str(log)])
    error = "RuleException:\nCommand 'set -euo pipefail; python' returned non-zero exit status 1."
    shown.say(LogEvent.ERROR, error, level=logging.ERROR, exception="RuleException")
    shown.say(LogEvent.JOB_ERROR, at=3, level=logging.ERROR, jobid=2, rule_name="train", rule_msg=None, log=[str(log)])
    shown.say(
        LogEvent.ERROR, "WorkflowError:\nAt least one job failed.", level=logging.ERROR, exception="WorkflowError"
    )
    shown.handler.close()
    assert shown.lines()[2] == "10:00:03 failed train 1: after 3.0 s"
    assert shown.lines()[3:13] == [f"    line {number}" for number in range(91, 100)] + [
        "    error: config.yaml: no such model"
    ]
    assert shown.lines()[13:] == [f"    log: {log}", "WorkflowError:", "At least one job failed."]


def test_a_dry_run_shows_the_table_once_and_one_line_per_job():
    shown = Shown(dryrun=True)
    shown.run(rank=1)
    shown.start(1, "rank")
    shown.run(rank=1)
    shown.say(None, "Reasons:\n    (check individual jobs above for details)")
    assert shown.lines() == ["Job stats:", "job  count", "", "rank 1  (no output yet)"]


@pytest.mark.parametrize(("asked", "lines"), [(True, ["    python -m x"]), (False, [])])
def test_commands_go_to_the_log_and_only_with_p_to_the_terminal(asked, lines):
    shown = Shown(printshellcmds=asked)
    shown.say(LogEvent.SHELLCMD, "Shell command: python -m x", shellcmd="python -m x")
    assert shown.lines() == lines
    assert shown.handler.common_settings.printshellcmds  # from which Snakemake makes the filter of its log file


def test_quiet_hides_what_it_hides_in_snakemake():
    from snakemake.settings.enums import Quietness

    shown = Shown(quiet={Quietness.RULES, Quietness.PROGRESS})
    shown.run(rank=1)
    shown.start(1, "rank")
    shown.end(1, at=1)
    shown.say(None, "careful", level=logging.WARNING)
    assert shown.lines() == ["careful"]


def test_a_fault_of_the_logger_shows_snakemakes_text_and_the_fault(tmp_path):
    shown = Shown()
    shown.run(train=1)
    shown.start(2, "train", output=[str(tmp_path / "history.tsv")])  # which the job has not written
    shown.end(2, at=1)
    shown.handler.close()
    assert shown.lines()[-2] == "Finished jobid: 2"
    assert shown.lines()[-1].startswith("(logger semacdr: FileNotFoundError: ")


def test_detail_is_snakemakes_own_output():
    shown = Shown(detail=True)
    shown.start(2, "train", log=["logs/train.log"])
    assert "rule train:\n    input: in\n    log: logs/train.log\n    jobid: 2\n" in shown.stream.getvalue()
    shown.say(LogEvent.SHELLCMD, "Shell command: python -m x", shellcmd="python -m x")
    assert shown.lines()[-1] == "Shell command: python -m x"


def test_a_terminal_shows_the_epoch_of_a_long_training_until_the_run_ends(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("10:00:00 epoch 11: loss 0.5\n10:00:01 epoch 12: loss 0.4\n")
    shown = Shown(Terminal(), nocolor=True)
    shown.run(train=1, rank=1)
    shown.start(2, "train", log=[str(log)])  # in 2024: longer than 20 s ago
    shown.end(0, at=1)
    assert shown.lines()[-1].endswith("0 of 2 jobs done; running: epoch 12 of train 1")
    shown.handler.close()
    assert shown.stream.getvalue().endswith("\r\033[K")


def test_time_left_is_a_lower_bound_until_every_rule_has_finished_once():
    jobs = Jobs(Counter(train=4, rank=2), began=0.0)
    assert jobs.time_left(100.0) == ""
    jobs.took["train"] = [100.0, 100.0]  # one at a time
    jobs.running[3] = Job("train", "train", [], [], 200.0)
    assert jobs.time_left(220.0) == ", at least 3 min 00 s left"  # 80 s of this one, 100 s of the last
    jobs.took["rank"] = [10.0]
    jobs.running[3] = Job("train", "train", [], [], 210.0)
    assert jobs.time_left(220.0) == ", about 3 min 20 s left"


def test_durations():
    assert [duration(seconds) for seconds in (0.04, 59.9, 59.96, 3599.7, 7505)] == [
        "0.0 s", "59.9 s", "1 min 00 s", "1 h 00 min", "2 h 05 min",
    ]  # fmt: skip
