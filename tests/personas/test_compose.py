"""Engine compose: weights by hand and by a slow oracle, texts, and what they depend on."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semacdr.errors import UserError
from semacdr.personas import compose as module
from semacdr.personas.compose import NOTHING, How, compose, domain_shares, typical
from semacdr.personas.vocabulary import Vocabulary, read_filing

VOCABULARY = Vocabulary((("Tone", ("Dark", "Warm")), ("Motive", ("Escape", "Learn", "Compete"))))
HOW = How(pseudo=2.0, half=3.0, terms=4)
DARK, WARM, ESCAPE, LEARN, COMPETE = range(5)
ITEMS = [  # the terms of items 0 to 4
    {"Tone": ["Dark"], "Motive": ["Escape"]},
    {"Tone": ["Dark", "Warm"], "Motive": ["Learn"]},
    {"Tone": ["Warm"]},
    {},
    {"Tone": ["Warm"], "Motive": ["Compete", "Learn"]},
]


def filing_of(items, vocabulary=VOCABULARY):
    rows = [(i, f, term) for i, item in enumerate(items) for f, terms in item.items() for term in terms]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    item, category, subcategory = map(list, columns)
    table = {"item": pa.array(item, pa.int32()), "category": pa.array(category, pa.string())}
    return read_filing(pa.table(table | {"subcategory": pa.array(subcategory, pa.string())}), vocabulary, len(items))


def made(events, items=ITEMS, how=HOW):
    user, item = (np.array(column, np.int64) for column in zip(*events, strict=True))
    return compose(user, item, filing_of(items), VOCABULARY, how)


def slowly(events, items, how):
    """By user, the weights as the docstring of the module says, with loops."""

    def counted(own):
        counts = dict.fromkeys(VOCABULARY.terms, 0.0)
        for item in own:
            for facet, terms in items[item].items():
                for term in terms:
                    counts[facet, term] += 1 / len(terms)
        return counts

    def total(counts, facet):
        return sum(count for (name, _), count in counts.items() if name == facet)

    everything = counted([item for _, item in events])
    share = {}
    for facet, terms in VOCABULARY.facets:
        for term in terms:
            whole = total(everything, facet)
            share[facet, term] = everything[facet, term] / whole if whole else 1 / len(terms)
    found = {}
    for user in sorted({user for user, _ in events}):
        own = counted([item for one, item in events if one == user])
        found[user] = [
            (own[name] + how.pseudo * share[name]) / (total(own, name[0]) + how.pseudo) for name in VOCABULARY.terms
        ]
    return found


def test_weights_by_hand():
    """The domain: Dark 1.5, Warm 1.5 of 3; Escape 1, Learn 1 of 2. User 4 has one dark item of escape."""
    composed = made([(4, 0), (7, 1), (7, 2)])
    assert composed.user.tolist() == [4, 7] and composed.events.tolist() == [1, 2]
    assert composed.weights[0] == pytest.approx([(1 + 1) / 3, 1 / 3, 2 / 3, 1 / 3, 0])
    assert composed.weights[1] == pytest.approx([(0.5 + 1) / 4, (1.5 + 1) / 4, 1 / 3, 2 / 3, 0])
    assert composed.confidence == pytest.approx([1 / 4, 2 / 5])


def test_texts_by_hand():
    """Scores of user 4: dark 2/3 * 4/3, escape the same; of user 7: warm 0.625 * 1.25, learn 2/3 * 4/3."""
    texts = made([(4, 0), (7, 1), (7, 2)]).text.to_pylist()
    assert texts[0] == "Most typical of this person: dark (tone); escape (motive)."
    assert texts[1] == "Most typical of this person: warm (tone); learn (motive)."


def test_more_terms_make_more_sentences():
    wide = Vocabulary((("A", tuple("abcdefgh")),))
    rows = {term: {"A": [term]} for term in "abcdefgh"}
    items = list(rows.values())
    user = np.array([0] * 5 + [1] * 3)
    found = compose(user, np.arange(8), filing_of(items, wide), wide, How(1.0, 1.0, 5)).text.to_pylist()
    assert found[0] == "Most typical of this person: a (a); b (a). Also typical: c (a); d (a). Sometimes also: e (a)."
    assert found[1] == "Most typical of this person: f (a); g (a). Also typical: h (a)."


def test_a_user_without_a_filed_item_has_the_weights_of_the_domain_and_no_confidence():
    composed = made([(0, 0), (1, 3), (2, 1)])
    shares = domain_shares(np.array([0, 3, 1]), filing_of(ITEMS), VOCABULARY)
    assert composed.weights[1] == pytest.approx(shares) and composed.confidence[1] == 0
    assert composed.text.to_pylist()[1] == NOTHING


def test_a_facet_without_any_filing_has_equal_weights():
    assert made([(0, 2), (1, 2)]).weights[0] == pytest.approx([0, 1, 1 / 3, 1 / 3, 1 / 3])


def test_no_event_gives_no_persona():
    composed = compose(np.zeros(0, np.int64), np.zeros(0, np.int64), filing_of(ITEMS), VOCABULARY, HOW)
    assert composed.weights.shape == (0, 5) and len(composed.text) == 0


events_of_all = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=40).map(sorted)


@settings(deadline=None, max_examples=50)
@given(events_of_all, st.floats(0.1, 20))
def test_weights_are_those_of_the_oracle_and_sum_to_one_in_each_facet(events, pseudo):
    how = How(pseudo, 3.0, 4)
    composed, wanted = made(events, how=how), slowly(events, ITEMS, how)
    assert composed.user.tolist() == list(wanted)
    np.testing.assert_allclose(composed.weights, list(wanted.values()), atol=1e-6)
    assert composed.weights[:, :2].sum(1) == pytest.approx(1) and composed.weights[:, 2:].sum(1) == pytest.approx(1)


@settings(deadline=None, max_examples=50)
@given(events_of_all)
def test_chunks_and_the_order_of_a_users_events_change_nothing(events):
    whole = made(events)
    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(module, "CHUNK", 2)
        parts = made(sorted(events, key=lambda event: (event[0], -event[1])))
    assert np.array_equal(whole.weights, parts.weights) and np.array_equal(whole.confidence, parts.confidence)
    assert whole.text.to_pylist() == parts.text.to_pylist()


def test_typical_terms_have_a_lift_above_one_and_ties_go_by_the_vocabulary():
    shares = np.array([0.5, 0.5, 0.2, 0.2, 0.6])
    weights = np.array([[0.5, 0.5, 0.4, 0.4, 0.2], [0.9, 0.1, 0.2, 0.2, 0.6]])
    assert typical(weights, shares, 3, np.ones(5, bool)).tolist() == [[ESCAPE, LEARN, -1], [DARK, -1, -1]]


def test_other_is_never_named():
    vocabulary = Vocabulary((("Tone", ("Dark", "Other")),))
    filing = filing_of([{"Tone": ["Dark"]}, {"Tone": ["Other"]}], vocabulary)
    texts = compose(np.array([0, 1]), np.array([0, 1]), filing, vocabulary, HOW).text.to_pylist()
    assert texts == ["Most typical of this person: dark (tone).", NOTHING]


def test_confidence_grows_with_events():
    confidence = made([(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]).confidence
    assert (np.diff(confidence) > 0).all() and confidence.max() < 1


def test_a_term_outside_of_the_vocabulary_is_refused():
    with pytest.raises(UserError, match=r"files an item under \('Tone', 'Sad'\), which taxonomy\.json lacks"):
        filing_of([{"Tone": ["Sad"]}])
