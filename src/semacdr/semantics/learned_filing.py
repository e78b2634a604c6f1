"""File items as a language model filed some of them: a classifier learns from the model's answers.

For each category a multinomial logistic regression. Its features are the frozen sentence vector of an item's text, the
TF-IDF weights of the words in it, and its domain. Five-fold cross-validation chooses the regularisation, and measures
how often the classifier agrees with the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from semacdr.semantics.categories import Category
from semacdr.semantics.filing import choose

FOLDS = 5
STRENGTHS = (3.0, 10.0, 30.0)  # inverse strengths of the L2 penalty (scikit-learn's C)
UNTUNED = 10.0  # the one for fewer answers than folds
MOST_TUNED = 5000  # answers in cross-validation: with a million items it would take hours
LATER = 0.5  # weight of an item's second subcategory, relative to its first
MOST_WORDS = 50_000
BLOCK = 20_000  # items classified at once, to limit memory
MOST_MARGIN = 1e6  # finite, so that a subcategory that no answer has is never assigned


@dataclass(frozen=True)
class Learned:
    """Assignments as (item, subcategory), the best of an item first, and the result of cross-validation."""

    rows: list[tuple[int, str]]
    checked: int  # answers in cross-validation
    agreeing: int  # of these: the classifier's first subcategory is one of the answer's


class Learner:
    """Learns from answers about some items, and files others; the features are made once."""

    def __init__(self, vectors: np.ndarray, texts: Sequence[str], domains: Sequence[str], most: int) -> None:
        """`vectors`: (items, width) unit vectors of the texts. An item gets up to `most` subcategories a category."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectors, self.most = vectors, most
        names = sorted(set(domains))
        self.domains = np.array([[domain == name for name in names] for domain in domains], np.float64)
        words = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=MOST_WORDS, token_pattern=r"(?u)\b\w\w+\b")
        try:
            self.words = words.fit_transform(texts)
        except ValueError:  # no word is in two texts
            self.words = None

    def features(self, items: Sequence[int] | np.ndarray) -> Any:
        """(items, features) sparse matrix."""
        from scipy.sparse import csr_matrix, hstack

        dense = csr_matrix(np.hstack([self.vectors[items].astype(np.float64), self.domains[items]]))
        return dense if self.words is None else hstack([dense, self.words[items]], format="csr")

    def file(self, category: Category, given: Mapping[int, Sequence[str]], items: Sequence[int]) -> Learned:
        """File `items` as the answers `given` (subcategories by item, the best first) file theirs.

        An item gets several subcategories about as often as the answers give several. A subcategory that is in no
        answer is never assigned. `given` must not be empty; its order decides the folds.
        """
        places = {name: place for place, (name, _) in enumerate(category.subcategories)}
        answers = [[places[name] for name in names] for names in given.values()]
        features = self.features(np.fromiter(given, int))
        strength, held_out = self._tuned(features[:MOST_TUNED], answers[:MOST_TUNED], len(places))
        checked = len(held_out)
        agreeing = sum(int(scores.argmax()) in own for scores, own in zip(held_out, answers[:checked], strict=True))
        most, margin = self._several(held_out, answers)
        model = _fitted(features, answers, strength)
        rows = []
        for begin in range(0, len(items), BLOCK):
            block = items[begin : begin + BLOCK]
            scores = _scores(model, self.features(np.array(block)), len(places))
            rows += [
                (block[i], category.subcategories[o][0]) for i, o in zip(*choose(scores, most, margin), strict=True)
            ]
        return Learned(rows, checked, agreeing)

    @staticmethod
    def _tuned(features: Any, answers: list[list[int]], options: int) -> tuple[float, np.ndarray]:
        """The best strength, and (answers, options) log-probabilities by models that did not see the answer."""
        if len(answers) < FOLDS:
            return UNTUNED, np.empty((0, options))
        fold = np.arange(len(answers)) % FOLDS  # in the order of asked_items, so each fold is stratified
        best: tuple[int, float, np.ndarray] | None = None
        for strength in STRENGTHS:
            scores = np.empty((len(answers), options))
            for left_out in range(FOLDS):
                seen = np.flatnonzero(fold != left_out)
                model = _fitted(features[seen], [answers[i] for i in seen], strength)
                scores[fold == left_out] = _scores(model, features[fold == left_out], options)
            right = sum(int(own.argmax()) in answer for own, answer in zip(scores, answers, strict=True))
            if best is None or right > best[0]:  # of equal ones the strongest penalty
                best = right, strength, scores
        assert best
        return best[1:]

    def _several(self, held_out: np.ndarray, answers: list[list[int]]) -> tuple[int, float]:
        """How many subcategories an item may get, and how far below the best one in log-probability another may be.

        With this margin as many held-out items get a second one as the answers give one.
        """
        count = sum(len(own) > 1 for own in answers[: len(held_out)])
        if self.most == 1 or not count:
            return 1, 0.0
        first, second = -np.sort(-held_out, axis=1)[:, :2].T
        return self.most, float(min(np.sort(first - second)[count - 1], MOST_MARGIN))


def _fitted(features: Any, answers: list[list[int]], strength: float) -> Any:
    """A model of the answers; where they are all of one subcategory, its place.

    An item with several subcategories is an example of each, with weights that fall by LATER and have the sum 1.
    """
    from sklearn.linear_model import LogisticRegression

    rows = np.repeat(np.arange(len(answers)), [len(own) for own in answers])
    places = np.array([place for own in answers for place in own])
    falling = [LATER ** np.arange(len(own)) for own in answers]
    weights = np.concatenate([own / own.sum() for own in falling])
    if len(set(places.tolist())) == 1:
        return int(places[0])
    model = LogisticRegression(C=strength, max_iter=1000)
    return model.fit(features[rows], places, sample_weight=weights)


def _scores(model: Any, features: Any, options: int) -> np.ndarray:
    """(items, options) log-probabilities; minus infinity for a subcategory that the model never saw."""
    scores = np.full((features.shape[0], options), -np.inf)
    if isinstance(model, int):
        scores[:, model] = 0.0
    else:
        scores[:, model.classes_] = np.log(np.maximum(model.predict_proba(features), 1e-300))
    return scores
