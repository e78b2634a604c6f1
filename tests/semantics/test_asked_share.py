"""Which items are asked about: the size, nestedness, and each stratum's share of the sample."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semacdr.semantics.asked_share import FEWEST, asked_items
from semacdr.storage import tables


def catalogue(*strata):
    """Items of strata, given as (domain, category path, number of items)."""
    return [
        {"domain": domain, "categories": list(path), "item_id": f"{domain}{path}{n}"}
        for domain, path, count in strata
        for n in range(count)
    ]


PATHS = st.lists(st.sampled_from("abc"), max_size=3).map(tuple)
STRATA = st.lists(st.tuples(st.sampled_from(["film", "book"]), PATHS, st.integers(1, 60)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(STRATA, st.floats(0.001, 1), st.floats(0.001, 1))
def test_a_smaller_share_is_a_part_of_a_larger_one(strata, one, other):
    items = catalogue(*strata)
    small, large = (asked_items(items, share) for share in sorted((one, other)))
    assert len(set(large)) == len(large) and set(large) <= set(range(len(items)))
    assert set(small) <= set(large)
    if max(one, other) < 1:
        assert large[: len(small)] == small


@settings(max_examples=60, deadline=None)
@given(STRATA, st.floats(0.05, 0.95))
def test_each_stratum_has_its_share_of_the_sample(strata, share):
    """At each level of the strata, the count differs from the share by less than 1, plus that of the stratum around."""
    items = catalogue(*strata)
    asked = asked_items(items, share)
    taken = len(asked) / len(items)
    paths = [(item["domain"], *item["categories"]) for item in items]
    for level in (1, 2, 3, 4):
        sizes = Counter(path[:level] for path in paths if len(path) >= level)
        counts = Counter(paths[place][:level] for place in asked if len(paths[place]) >= level)
        assert all(abs(counts[name] - taken * size) < 2 * level for name, size in sizes.items())


@pytest.mark.parametrize(
    ("items", "share", "count"),
    [(1000, 0.1, 100), (7870, 0.1, 787), (1001, 0.1, 101), (1000, 0.01, FEWEST), (30, 0.01, 30), (1000, 1, 1000)],
)
def test_the_size_of_the_sample(items, share, count):
    """Rounded up, at least 50, and no more than there are; 0.1 * 7870 is a little above 787 in floating point."""
    assert len(asked_items(catalogue(("film", (), items)), share)) == count


def test_a_share_of_one_asks_in_the_order_of_the_items():
    assert asked_items(catalogue(("film", ("a",), 3), ("book", (), 4)), 1.0) == list(range(7))


def test_the_sample_depends_on_ids_and_paths_and_not_on_the_order_of_the_items():
    items = catalogue(("film", ("a", "b"), 120), ("book", ("a",), 90), ("film", ("a",), 80), ("book", (), 70))
    ids = [items[place]["item_id"] for place in asked_items(items, 0.3)]
    turned = items[::-1]
    assert [turned[place]["item_id"] for place in asked_items(turned, 0.3)] == ids
    table = pa.table({name: [item[name] for item in items] for name in items[0]})
    assert [items[place]["item_id"] for place in asked_items(tables.Rows(table), 0.3)] == ids


def test_a_small_domain_and_rare_paths_are_not_left_out():
    """90 of 900 items: 10 of a domain of 100, and 4 or 5 of each of 20 paths in the other."""
    strata = [("film", (f"path{n}",), 40) for n in range(20)]
    items = catalogue(("book", (), 100), *strata)
    asked = Counter((items[place]["domain"], *items[place]["categories"]) for place in asked_items(items, 0.1))
    assert abs(asked["book",] - 10) <= 1
    assert all(3 <= count <= 5 for name, count in asked.items() if name[0] == "film") and len(asked) == 21
