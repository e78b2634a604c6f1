"""The command `semacdr` finds its commands and refuses others."""

import importlib

import pytest

from semacdr.commands.main import commands, dispatch, usage
from semacdr.errors import UserError


def test_every_command_has_a_line_of_help_and_a_main():
    for name, line in commands().items():
        assert line.endswith(".") and line in usage()
        assert callable(importlib.import_module(f"semacdr.commands.{name}").main)


def test_an_unknown_command_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="no command 'chekc'; the commands are"):
        dispatch(["chekc"])


def test_without_words_the_usage_is_printed(capsys):
    dispatch([])
    assert "usage: semacdr COMMAND" in capsys.readouterr().out
