"""Communities: cosines, floors, ties, one's own account, and the index beside the exact search."""

import builtins

import numpy as np
import pytest

from semacdr.errors import UserError
from semacdr.personas import neighbours
from semacdr.personas.neighbours import NONE, nearest, nearest_by_index
from semacdr.personas.space import Space


def space(rows, text=12, terms=7, seed=0, kind="both", balance=0.5, centred=False, clusters=None):
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(99).normal(size=(clusters, text)) if clusters else np.zeros((1, text))
    vectors = middles[rng.integers(len(middles), size=rows)] + 0.5 * rng.normal(size=(rows, text))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = rng.dirichlet(np.ones(terms), rows)
    return Space(vectors.astype(np.float32), weights.astype(np.float32), kind, balance, centred)


def joined(found, rows, most):
    place, similarity = np.full((rows, most), NONE), np.zeros((rows, most), np.float32)
    for chunk, near in found:
        place[chunk, : near.place.shape[1]], similarity[chunk, : near.place.shape[1]] = near.place, near.similarity
    return place, similarity


def exact(source, target, most=5, floor=-1.0, own=None):
    own = np.full(len(target), NONE) if own is None else own
    return joined(nearest(source, target, own, most, floor), len(target), most)


def cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


@pytest.mark.parametrize("kind", ["both", "text", "weights"])
@pytest.mark.parametrize("centred", [False, True])
def test_neighbours_are_those_of_cosines_one_by_one(kind, centred, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 16)
    monkeypatch.setattr(neighbours, "ROWS", 7)
    source, target = (
        space(50, kind=kind, balance=0.3, centred=centred),
        space(20, seed=1, kind=kind, balance=0.3, centred=centred),
    )
    place, similarity = exact(source, target)
    shares = {"both": (0.3, 0.7), "text": (1, 0), "weights": (0, 1)}[kind]
    for q in range(20):
        sums = np.zeros(50)
        for share, name in zip(shares, ("text", "weights"), strict=True):
            sides = [getattr(one, name).astype(np.float64) for one in (source, target)]
            sides = [one - one.mean(0) if centred else one for one in sides]
            sums += [share * cosine(sides[0][s], sides[1][q]) for s in range(50)]
        assert place[q].tolist() == np.argsort(-sums)[:5].tolist()
        assert similarity[q] == pytest.approx(np.sort(sums)[::-1][:5], abs=1e-5)


def test_of_equal_similarities_the_lower_user_comes_first(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 8)
    one = space(1)
    source = Space(np.repeat(one.text, 30, 0), np.repeat(one.weights, 30, 0), "both", 0.5, False)
    place, similarity = exact(source, space(9, seed=3))
    assert place.tolist() == [[0, 1, 2, 3, 4]] * 9 and (similarity == similarity[:, :1]).all()


def test_nobody_is_his_own_neighbour_though_he_is_the_nearest():
    both = space(40)
    own = np.arange(40)
    place, similarity = exact(both, both, own=own)
    assert (exact(both, both)[0][:, 0] == own).all()  # without the rule he is the first
    assert (place != own[:, None]).all() and (similarity < 1 - 1e-6).all()
    found, _ = joined(nearest_by_index(both, both, own, 5, -1.0, 100, 1), 40, 5)
    assert np.array_equal(found, place)


def test_below_the_floor_there_is_nobody():
    source, target = space(50), space(20, seed=1)
    _, similarity = exact(source, target, 50)
    floored, kept = exact(source, target, 50, floor=0.4)
    assert ((similarity >= 0.4) == (floored != NONE)).all() and (kept[floored == NONE] == 0).all()
    assert (exact(source, target, 5, floor=1.0)[0] == NONE).all()


def test_fewer_source_users_than_neighbours_are_all_neighbours():
    place, _ = exact(space(3), space(4, seed=1), 5)
    assert (np.sort(place[:, :3], 1) == [0, 1, 2]).all() and (place[:, 3:] == NONE).all()


def test_the_index_finds_most_of_the_exact_neighbours_and_all_with_all_lists():
    source, target = space(6000, clusters=40), space(200, seed=1, clusters=40)
    own = np.full(200, NONE)
    wanted, similarity = exact(source, target, 10)
    found, similar = joined(nearest_by_index(source, target, own, 10, -1.0, 32, 1), 200, 10)
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(wanted, found, strict=True)])
    assert recall > 0.9
    again, _ = joined(nearest_by_index(source, target, own, 10, -1.0, 32, 1), 200, 10)
    assert np.array_equal(found, again)
    everything, similar = joined(nearest_by_index(source, target, own, 10, -1.0, 10_000, 1), 200, 10)
    assert np.array_equal(everything, wanted)
    np.testing.assert_allclose(similar, similarity, atol=2e-6)


def test_an_index_without_faiss_is_refused(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args):
        if name == "faiss":
            raise ModuleNotFoundError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(
        UserError, match=r"need faiss: pip install 'semacdr\[index\]'; or raise communities\.exact_up_to"
    ):
        next(nearest_by_index(space(30), space(3), np.full(3, NONE), 2, 0.0, 4, 1))
