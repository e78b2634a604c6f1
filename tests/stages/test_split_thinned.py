"""Split with a share of the training events: which are kept, and what stays the same."""

import logging
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_split import DATES, by_time, many_users, run, tables_of, three_in_time
from tiny_dataset import World

from semacdr.data.history import load_history
from semacdr.errors import UserError
from semacdr.stages import split
from semacdr.storage import tables


def thinned(folder, share, target="film", **more):
    """The split with a share of the training events, and its metadata."""
    world = many_users(target)
    paths = world.write(folder)
    argv = ["--interactions", paths["interactions"], "--items", paths["items"], "--source", world.source, "--target"]
    argv += [target, "--candidates", 3, "--output", folder / "out", "--training-share", share]
    split.main([str(part) for part in [*argv, *(part for pair in more.items() for part in pair)]])
    return tables_of(folder / "out")[0], tables.read(folder / "out/split.parquet", "split")[1]


def kept(frame):
    return set(frame.filter(pl.col("role") == "train").select("user", "item").rows())


def test_a_share_of_the_training_events_is_kept_and_a_larger_share_contains_it(tmp_path):
    frames, shares = {}, (0.1, 0.4, 0.7, 1.0)
    for share in shares:
        frames[share], meta = thinned(tmp_path / str(share), share)
        whole = kept(frames[share]) | set(
            frames[share].filter(pl.col("role") == "thinned").select("user", "item").rows()
        )
        assert len(whole) == 100 * (1 + 2 + 3)  # of 300 users, each third has so many
        if share < 1:
            assert (meta["training_share"], float(meta["training_kept"])) == (
                str(share),
                round(len(kept(frames[share])) / 600, 6),
            )
        assert {user for user, _ in kept(frames[share])} == set(range(300))
    assert all(kept(frames[one]) < kept(frames[other]) for one, other in pairwise(shares))
    # A user's event stays with the share's chance, and one stays in any case: of n events share n + (1 - share)^n.
    for share in shares[:3]:
        counts = {n: sum(user % 3 == n - 1 for user, _ in kept(frames[share])) for n in (1, 2, 3)}
        for n, count in counts.items():
            expected = 100 * (share * n + (1 - share) ** n)
            assert abs(count - expected) < 5 * (100 * n * 0.25) ** 0.5, (share, n)
    held_out = [frame.filter(pl.col("role").is_in(["valid", "test"])) for frame in frames.values()]
    assert all(frame.equals(held_out[0]) for frame in held_out)


def test_which_events_are_kept_hangs_on_the_seed_the_user_and_the_item_alone(tmp_path):
    frame = split.leave_one_out(many_users().interactions, "film")
    first = kept(split.thin(frame, 0.4, 0))
    fewer = frame.filter(pl.col("user") % 7 != 0)
    assert kept(split.thin(fewer, 0.4, 0)) == {(user, item) for user, item in first if user % 7}
    assert kept(split.thin(frame.reverse(), 0.4, 0)) == first
    assert kept(split.thin(frame, 0.4, 1)) != first


@settings(deadline=None, max_examples=60)
@given(
    events=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(["train", "valid", "test", "hidden", "later"])),
        max_size=30,
    ),
    share=st.floats(0.001, 1),
    larger=st.floats(0.001, 1),
    seed=st.integers(0, 2**31),
)
def test_thinning_takes_training_events_alone_and_leaves_each_user_one(events, share, larger, seed):
    frame = pl.DataFrame(events, schema={"user": pl.Int32, "item": pl.Int32, "role": pl.String}, orient="row")
    few, many = (split.thin(frame, one, seed) for one in sorted((share, larger)))
    for thin in (few, many):
        assert thin.drop("role").equals(frame.drop("role"))
        changed = frame.with_columns(now=thin["role"]).filter(pl.col("role") != pl.col("now"))
        assert set(changed["role"]) <= {"train"} and set(changed["now"]) <= {"thinned"}
        assert {user for user, _ in kept(thin)} == {user for user, _ in kept(frame)}
        assert not kept(thin) & set(thin.filter(pl.col("role") == "thinned").select("user", "item").rows())  # repeats
    assert kept(few) <= kept(many)


def test_all_training_events_are_kept_by_default_and_not_a_byte_differs(tmp_path):
    one = run(tmp_path / "a", many_users())
    thinned(tmp_path / "b", 1.0)
    for name in ("split", "candidates"):
        assert (one / f"{name}.parquet").read_bytes() == (tmp_path / f"b/out/{name}.parquet").read_bytes()


def test_cold_users_and_fewer_training_events_go_together(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    frame, meta = thinned(tmp_path / "both", 0.4, **{"--cold-users": 0.2})
    cold, _ = thinned(tmp_path / "cold", 1.0, **{"--cold-users": 0.2})
    assert frame.with_columns(role=pl.col("role").replace("thinned", "train")).equals(cold)
    assert meta["cold_users"] == "0.2" and "training events are kept" in caplog.text
    paths = [tmp_path / f"both/{name}.parquet" for name in ("interactions", "items", "out/split")]
    history = load_history(*paths)
    assert len(history.hidden[0]) == frame["role"].is_in(["hidden", "thinned"]).sum()
    assert history.training()[history.is_target].sum() == (frame["role"] == "train").sum()


def test_a_time_split_may_keep_fewer_training_events(tmp_path):
    whole = tables_of(by_time(tmp_path / "a", three_in_time(), *DATES))[0]
    output = by_time(tmp_path / "b", three_in_time(), *DATES, "--training-share", "0.01")
    frame = tables_of(output)[0]
    assert frame.with_columns(role=pl.col("role").replace("thinned", "train")).equals(whole)
    assert frame.filter(pl.col("role") == "train")["user"].to_list() == sorted(set(whole.filter(role="train")["user"]))
    history = load_history(tmp_path / "b/interactions.parquet", tmp_path / "b/items.parquet", output / "split.parquet")
    assert len(history.hidden[0]) == (frame["role"] == "thinned").sum() > 0


def test_a_tie_with_a_thinned_event_stays_a_tie():
    """The hash decided which of the two is held out, whether the other one is used or not."""
    films = [(user, "film", item, 0) for user in range(8) for item in range(6)]
    frames = [
        split.roles_of(World(films).interactions, "film", split.Settings(training_share=one)) for one in (1.0, 0.1)
    ]
    assert [meta["tied_test"] for _, meta in frames] == ["1.000000", "1.000000"]


def test_a_share_outside_its_bounds_is_refused(tmp_path):
    for share in ("0", "1.1", "nan"):
        with pytest.raises(UserError, match=r"split\.training_share: must be a number above 0 and of at most 1, not"):
            thinned(tmp_path / share, share)
