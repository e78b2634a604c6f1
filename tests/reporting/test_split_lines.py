"""The lines of a page that say how events were held out."""

from types import SimpleNamespace

from semacdr.reporting.split_lines import REPEATS, split_lines


def run(**metadata):
    return SimpleNamespace(
        direction=("pod", "song"), split="test", users=range(50), tied_share=0.25, metadata=metadata
    )  # fmt: skip


def test_the_share_of_repeats_is_stated_where_users_repeat_items():
    plain = "* pod → song: leave-one-out; the test event is a user's last; 25.0 % of these 50 events are tied"
    assert split_lines({"a": [run()]})[0] == f"{plain}."
    assert split_lines({"a": [run(repeated_test="0.125000")]})[0] == f"{plain}; 12.5 % are repeats, {REPEATS}."


def test_the_share_of_training_events_is_stated_where_some_are_left_out():
    line = split_lines({"a": [run(training_share="0.4", training_kept="0.451200")]})[0]
    assert "the test event is a user's last; 45.1 % of the target's training events are used; 25.0 %" in line
