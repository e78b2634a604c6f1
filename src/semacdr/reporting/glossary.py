"""The words of the result pages, explained."""

GLOSSARY = (
    ("Full ranking", "the test item is ranked among all items of the target domain that the user has not had before."),
    (
        "Sampled ranking",
        "the test item is ranked among a few random items, the same for every system. It is easier, makes coarser "
        "distinctions, and can order systems otherwise. Compare numbers only with the same number of items.",
    ),
    ("HR@10", "hit rate: the share of users whose test item is among the first ten. Between 0 and 1, more is better."),
    (
        "NDCG@10",
        "the same, but a hit counts more the higher it is: 1 at place 1, 0.63 at 2, 0.5 at 3, 0.29 at 10, 0 below.",
    ),
    ("MRR", "mean reciprocal rank: the mean of 1 / place of the test item, without a limit."),
    ("Seed", "the start of the random numbers of one training. Several seeds show how much luck a result has."),
)
