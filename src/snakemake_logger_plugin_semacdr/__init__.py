"""Snakemake's output on the terminal: a line when a job starts, a line when it ends, one line on the whole run.

Snakemake finds this package by its name; the profile turns it on (`logger: semacdr`). It replaces only the
output on the terminal: the file in .snakemake/log has every detail and every command. See docs/terminal.md.
"""

import contextlib
import logging
import os
import shutil
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from snakemake_logger_plugin_semacdr.jobs import Job, Jobs, duration, end_of
from snakemake_logger_plugin_semacdr.reasons import shorten

LOG_LINES = 10  # of a failed job's log
DETAILS = (
    "Assuming unrestricted shared", "Building DAG of jobs", "Using shell: ", "Conda environments: ",
    "Singularity containers: ", "Select jobs to execute", "Reasons:\n", "Some jobs were triggered by provenance",
    "Rules with provenance triggered", "Shutting down, this might",
)  # fmt: skip


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """The plugin's flag on the command line."""

    detail: bool = field(default=False, metadata={"help": "Show Snakemake's own output instead of short lines."})


class LogHandler(LogHandlerBase):
    """Writes the lines. Snakemake adds its own filter (for --quiet) and formatter."""

    writes_to_stream = True
    writes_to_file = has_filter = has_formatter = needs_rulegraph = False
    lock: threading.RLock  # logging holds it around emit

    def __post_init__(self) -> None:
        """Choose the stream as Snakemake does. Only a terminal has a line that is written over."""
        common = self.common_settings
        self.stream = sys.stdout if common.stdout else sys.stderr
        self.terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb" and "CI" not in os.environ
        self.detailed = getattr(self.settings, "detail", False) or common.verbose or common.debug_dag
        self.commands = common.printshellcmds
        common.printshellcmds = True  # Snakemake's log file gets every command; -p applies only to the terminal
        self.snakemake = ColorizingTextHandler(nocolor=common.nocolor, stream=self.stream)
        self.jobs = Jobs()
        self.full_log = ""
        self.table_shown = False
        self.stopped = threading.Event()
        self.clock = threading.Thread(target=self.tick, daemon=True)
        self.events = {
            LogEvent.RUN_INFO: self.run_info, LogEvent.JOB_INFO: self.job_starts, LogEvent.SHELLCMD: self.command,
            LogEvent.JOB_FINISHED: self.job_ends, LogEvent.JOB_ERROR: self.job_fails,
            LogEvent.ERROR: self.error, None: self.message,
        }  # fmt: skip
        silent = ("RESOURCES_INFO", "JOB_STARTED", "PROGRESS", "WORKFLOW_STARTED", "RULEGRAPH")
        self.events |= {LogEvent[name]: lambda record: "" for name in silent}

    def emit(self, record: logging.LogRecord) -> None:
        """Write what a record says. Where that fails, write Snakemake's own text and the fault."""
        event: Any = getattr(record, "event", None)
        if self.detailed:
            self.snakemake.setFormatter(self.formatter)
            self.snakemake.emit(record)
            return
        try:
            text = self.events.get(event, self.format)(record)
        except Exception as fault:  # the display must not stop a run that may take days
            text = f"{self.format(record)}\n(logger semacdr: {type(fault).__name__}: {fault})"
        if text:
            if self.terminal and not self.common_settings.nocolor and record.levelno >= logging.WARNING:
                text = f"\033[{31 if record.levelno >= logging.ERROR else 33}m{text}\033[0m"
            self.send(f"{text}\n")

    def run_info(self, record: Any) -> str:
        """Return the table of jobs, once, in a dry run; else the number of jobs, and start the clock."""
        if self.common_settings.dryrun:
            first, self.table_shown = not self.table_shown, True
            return self.format(record) if first else ""
        counts = {rule: count for rule, count in record.stats.items() if rule not in ("total", "all")}
        self.jobs = Jobs(Counter(counts), record.created)
        if not self.common_settings.quiet:
            self.clock.start()
        return stamped(record.created, "", f"{self.jobs.planned.total()} jobs to run")

    def job_starts(self, record: Any) -> str:
        """Return the line on a job's start, or on a planned job, with what made it run. Rule all does nothing."""
        rule, dry = record.rule_name, self.common_settings.dryrun
        if rule == "all":
            return ""
        text = " ".join((record.rule_msg or " ".join([rule, *record.wildcards.values()])).split()).rstrip(".")
        reason = shorten(record.reason, rule, planned=dry)
        line = f"{text}  ({reason})" if reason else text
        if dry:
            return line
        self.jobs.running[record.jobid] = Job(rule, text, record.log, record.output, record.created)
        return stamped(record.created, "start", line)

    def command(self, record: Any) -> str:
        """Return a job's command where -p asks for it."""
        return f"    {record.shellcmd}" if self.commands and getattr(record, "shellcmd", None) else ""

    def job_ends(self, record: Any) -> str:
        """Return the line on a job's end: its duration, a training's best validation value, how many jobs are done."""
        job = self.jobs.running.pop(record.job_id, None)
        if job is None:  # rule all
            return ""
        took = record.created - job.started
        self.jobs.took[job.rule].append(took)
        return stamped(record.created, "done", f"{job.text}: {duration(took)}{job.best()}  [{self.jobs.done()}]")

    def job_fails(self, record: Any) -> str:
        """Return which job failed, the last lines of its logs, and where the logs are."""
        job = self.jobs.running.pop(record.jobid, None)
        text = f"{job.text}: after {duration(record.created - job.started)}" if job else record.rule_name
        lines = [record.rule_msg] if record.rule_msg else []
        for log in record.log:
            lines += [*end_of(log).splitlines()[-LOG_LINES:], f"log: {log}"]
        return "\n    ".join([stamped(record.created, "failed", text), *lines])

    def error(self, record: Any) -> str:
        """Return an error; "" of a failed command, which job_fails reports without the whole command."""
        return "" if "returned non-zero exit status" in record.getMessage() else self.format(record)

    def message(self, record: Any) -> str:
        """Return a message as it is, without the details that the full log has; keep the full log's path."""
        text = self.format(record).rstrip()
        if text.startswith("Complete log(s): ") and not self.common_settings.quiet:
            self.full_log = f"; full log: {os.path.relpath(text.partition(': ')[2])}"
            return ""
        if text.startswith("Elapsed time: ") and self.jobs.began and not self.common_settings.quiet:
            self.stopped.set()
            took = duration(record.created - self.jobs.began)
            return stamped(record.created, "end", f"{self.jobs.done()} jobs done in {took}{self.full_log}")
        return "" if record.levelno < logging.WARNING and text.startswith(DETAILS) else text

    def send(self, text: str) -> None:
        """Write whole lines, on a terminal above the line on the run."""
        running = self.terminal and self.clock.is_alive() and not self.stopped.is_set()
        line = self.jobs.line(time.time())[: shutil.get_terminal_size().columns - 1] if running else ""
        with contextlib.suppress(BrokenPipeError):  # nobody reads any more, e.g. after `| head`; the run goes on
            self.stream.write(("\r\033[K" if self.terminal else "") + text + line)
            self.stream.flush()

    def tick(self) -> None:
        """Renew the line on the run each second on a terminal; write it each 30 s elsewhere."""
        while not self.stopped.wait(1 if self.terminal else 30):
            with self.lock:  # emit runs in another thread
                now = time.time()
                self.send("" if self.terminal else stamped(now, "", self.jobs.line(now)) + "\n")

    def close(self) -> None:
        """Stop the clock and remove the line on the run, also where Snakemake stops early."""
        if self.clock.is_alive():
            self.stopped.set()
            with self.lock:
                self.send("")
        super().close()


def stamped(created: float, word: str, text: str) -> str:
    """Return a line that begins with the time of day and what happened."""
    return f"{time.strftime('%H:%M:%S', time.localtime(created))} {word:<6} {text}"
