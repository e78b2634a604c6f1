"""Which answers are good enough: conforming ones, and no outliers by the frequency of feature words (appendix C)."""

import re
from collections import Counter
from collections.abc import Callable
from itertools import chain

from semacdr.llm.requests import Answer

FEW = 20  # fewer descriptions say nothing about which words are rare
_REFUSAL = re.compile(r"\b(as an ai|language model|i('m| am) (sorry|unable)|i can(no|')t (help|assist|provide))", re.I)
_MARKUP = re.compile(r"^\s*([{\[]|```|[-*#] |\d+\. )", re.M)
_WORD = re.compile(r"[^\W\d_]{4,}")
_ENDS = re.compile(r"[.!?…。！？؟](?=[\"'”’)]*(\s|$))[\"'”’)]*")


def prose(answer: Answer, most_words: int) -> tuple[str | None, str]:
    """The answer as plain prose of whole sentences, or None; why not, or "".

    An answer that its limit of tokens cut off ends with its last whole sentence.
    """
    text = " ".join((answer.text or "").split()) if not _MARKUP.search(answer.text or "") else None
    if answer.refusal or answer.finish == "content_filter":
        return None, "refused"
    if text is None:
        return None, "not plain prose"
    if _REFUSAL.search(text):
        return None, "refused"
    cut = answer.finish == "length" or len(text.split()) > most_words
    if cut:
        ends = [match.end() for match in _ENDS.finditer(text) if len(text[: match.end()].split()) <= most_words]
        text = text[: ends[-1]] if ends else ""
    if len(text.split()) < 5:
        return None, "too long" if cut else "too short"
    return text, ""


def feature_words(text: str) -> list[str]:
    """The words of four letters and more, in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def outliers(texts: dict[int, str], known: Callable[[int], str], most_loop: float, most_rare: float) -> dict[int, str]:
    """The items whose description stands out by its feature words, and why.

    `texts` by item are the descriptions of one domain, `known(item)` is what was known of it. An outlier says one word
    over and over (more than `most_loop` of its words), has mostly words that no other description and nothing known of
    the item has (more than `most_rare` of its distinct words), or says what was said of another item, word for word.
    """
    documents = Counter(chain.from_iterable(set(feature_words(text)) for text in texts.values()))
    counts = Counter(texts.values())
    several = {(text, known(item)) for item, text in texts.items() if counts[text] > 1}
    same = Counter(text for text, _ in several)
    why = {}
    for item, text in texts.items():
        found = feature_words(text)
        distinct = set(found)
        repeated = len(found) - len(distinct)
        loop = max(Counter(found).values()) if repeated > 2 else 0  # below that no word stands there a fourth time
        if loop > 3 and loop > most_loop * len(found):
            why[item] = "outlier: one word over and over"
        elif same[text] > 1:
            why[item] = "outlier: the text of another item"
        elif len(texts) >= FEW and (rare := [word for word in distinct if documents[word] == 1]):
            rare = set(rare) - set(feature_words(known(item)))
            if len(rare) > most_rare * len(distinct):
                why[item] = "outlier: words that no other description has"
    return why
