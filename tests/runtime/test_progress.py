"""Progress: a line that is updated on a terminal, and an occasional line in a log."""

import io
import itertools
import logging
import sys
import time

import pytest

from semacdr.runtime.progress import Progress, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def slow(monkeypatch):
    """A clock that shows ten seconds more at each look."""
    clock = itertools.count(0, 10)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))


def terminal_of(monkeypatch):
    """A terminal as stderr; not a fixture, as pytest sets stderr again before the test."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


def test_short_work_logs_nothing(caplog):
    caplog.set_level(logging.INFO)
    assert list(progress(range(5), "steps")) == [0, 1, 2, 3, 4]
    assert caplog.text == ""


def test_a_log_has_a_line_every_twenty_seconds(slow, caplog):
    caplog.set_level(logging.INFO)
    assert list(progress(iter("abcd"), "letters", 4)) == [*"abcd"]
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["letters: 2/4 (50%) in 20 s, 20 s left", "letters: 4/4 (100%) in 40 s, 0 s left"]


def test_without_a_total_only_the_count_is_shown(slow, caplog):
    caplog.set_level(logging.INFO)
    list(progress(iter("abc"), "letters"))
    assert [record.getMessage() for record in caplog.records] == ["letters: 2 in 20 s"]


def test_a_terminal_has_one_line_and_a_line_break_at_the_end(monkeypatch):
    terminal = terminal_of(monkeypatch)
    list(progress([1, 2], "steps"))
    shown = terminal.getvalue()
    assert shown.startswith("\r[##############################] steps: 2/2 (100%)") and shown.endswith("\x1b[K\n")
    assert shown.count("\n") == 1


def test_the_line_is_ended_when_the_work_fails(monkeypatch, slow):
    terminal = terminal_of(monkeypatch)
    steps = progress([1, 2, 3], "steps")
    next(steps), next(steps)
    steps.close()
    assert terminal.getvalue().endswith("\n")


def test_work_that_showed_nothing_leaves_the_terminal_alone(monkeypatch):
    terminal = terminal_of(monkeypatch)
    shown = Progress("steps", 9)
    shown.show(1)
    shown.end()
    assert terminal.getvalue() == ""


def test_bytes_are_shown_in_megabytes_with_the_speed_of_this_run(slow, caplog):
    caplog.set_level(logging.INFO)
    shown = Progress("x.gz", 40_000_000, every=10, start=10_000_000, megabytes=True)
    shown.show(30_000_000, ", more")
    assert caplog.records[0].getMessage() == "x.gz: 30.0 of 40.0 MB (75%), 2.00 MB/s, more"
