"""Samples of a catalogue: both domains and every category in proportion, by seed, without interactions."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from induction_model import catalogue

from semacdr.errors import UserError
from semacdr.semantics.sampling import draw


def test_samples_are_seeded_disjoint_and_alternate_between_domains():
    rows = catalogue()
    samples = draw(rows, [6, 6, 16], 0)
    assert samples == draw(rows, [6, 6, 16], 0) != draw(rows, [6, 6, 16], 1)
    taken = [item["item"] for sample in samples for item in sample]
    assert len(taken) == len(set(taken)) == 28
    for sample in samples:
        assert [item["domain"] for item in sample] == ["book", "film"] * (len(sample) // 2)


def test_the_order_of_the_rows_within_a_category_decides_by_the_seed_alone():
    rows = [row | {"categories": ["all"]} for row in catalogue()]
    first = [min(item["item"] for item in draw(rows, [20], seed)[0]) for seed in range(20)]
    assert len(set(first)) > 3  # not only the first ones of the catalogue


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=5), st.lists(st.integers(2, 20), min_size=1, max_size=4),
    st.integers(0, 9),
)  # fmt: skip
def test_each_category_has_its_share_of_the_samples_together(sizes, wanted, seed):
    """Even steps through the ordered items: a category's items are its share of the draw, give or take one."""
    rows = []
    for domain in ("book", "film"):
        for category, size in enumerate(sizes):
            rows += [{"item": len(rows) + n, "domain": domain, "title": "x", "categories": ["all", f"c{category}"],
                      "description": ""} for n in range(size)]  # fmt: skip
    if sum(sizes) < len(wanted):
        with pytest.raises(UserError, match="samples need more"):
            draw(rows, wanted, seed)
        return
    samples = draw(rows, wanted, seed)
    for place, domain in enumerate(("book", "film")):
        chosen = [[item for item in sample if item["domain"] == domain] for sample in samples]
        shares = [size // 2 + (place < size % 2) for size in wanted]
        count = min(sum(shares), sum(sizes))
        assert sum(map(len, chosen)) == count
        for sample, share in zip(chosen, shares, strict=True):
            assert abs(len(sample) - share * count / sum(shares)) <= 1
        found = Counter(item["categories"][1] for sample in chosen for item in sample)
        for category, size in enumerate(sizes):
            assert abs(found[f"c{category}"] - size * count / sum(sizes)) <= 1 + 1e-9


def test_items_without_text_and_catalogues_of_one_domain_are_not_sampled():
    rows = [row | {"title": "", "categories": [], "description": ""} for row in catalogue(20)]
    with pytest.raises(UserError, match="two domains; items with any text are in: none"):
        draw(rows, [4], 0)
    with pytest.raises(UserError, match="in: book"):
        draw([row for row in catalogue(20) if row["domain"] == "book"], [4], 0)
    marked = rows[:10] + catalogue(20)[20:]
    marked[0]["title"] = marked[5]["title"] = "marked"
    books = [item["item"] for item in draw(marked, [4], 0)[0] if item["domain"] == "book"]
    assert sorted(books) == [0, 5]
