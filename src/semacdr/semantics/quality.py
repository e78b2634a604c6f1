"""Validate descriptions: plain prose, and no outlier by the frequency of feature words (SemaCDR, appendix C)."""

import re
from collections import Counter
from collections.abc import Callable
from itertools import chain

from semacdr.llm.requests import Answer

ONLY_THOUGHTS = "thoughts without an answer"
FEW = 20  # with fewer descriptions no word can be called rare
_REFUSAL = re.compile(r"\b(as an ai|language model|i('m| am) (sorry|unable)|i can(no|')t (help|assist|provide))", re.I)
_MARKUP = re.compile(r"^\s*([{\[]|```|[-*#] |\d+\. )", re.M)
_THOUGHTS = re.compile(r"\A.*(?:</(?:think|thinking|thought|reasoning)>|\[/THINK\])", re.IGNORECASE | re.DOTALL)
_OPEN_THOUGHTS = re.compile(r"<(?:think|thinking|thought|reasoning)>|\[THINK\]", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{4,}")
# Not after an initial or a title ("a novel by E. M. Forster"): there the sentence goes on. (I: World War I.)
_ENDS = re.compile(r"(?<!\b[A-HJ-Z])(?<!\b[DMJS]r)(?<!\bMrs)(?<!\bSt)[.!?…。！？؟](?=[\"'”’)]*(\s|$))[\"'”’)]*")


def without_thoughts(text: str) -> str | None:
    """The text after a model's reasoning (<think> … </think>); None if the reasoning does not end.

    Some endpoints do not separate the reasoning from the answer. Some chat templates contain the opening tag, so that
    an answer has only the closing one.
    """
    spoken = _THOUGHTS.sub("", text)
    return None if _OPEN_THOUGHTS.search(spoken) else spoken


def prose(answer: Answer, most_words: int) -> tuple[str | None, str]:
    """The answer as plain prose in complete sentences and "", or None and why it is not that.

    Reasoning before it is removed. An answer cut off at its token limit ends with its last complete sentence.
    """
    spoken = without_thoughts(answer.text or "")
    if spoken is None:
        return None, ONLY_THOUGHTS
    text = " ".join(spoken.split()) if not _MARKUP.search(spoken) else None
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
        if cut and not spoken.strip():
            return None, "no text within the limit of tokens"  # a reasoning model spent them on hidden reasoning
        return None, "too long" if cut else "too short"
    return text, ""


def feature_words(text: str) -> list[str]:
    """The words of four letters or more, in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def outliers(texts: dict[int, str], known: Callable[[int], str], most_loop: float, most_rare: float) -> dict[int, str]:
    """The items whose description is an outlier by its feature words, and why.

    `texts` are the descriptions of one domain by item, `known(item)` is the metadata of an item. A description is an
    outlier if it repeats one word (more than `most_loop` of its words), if most of its distinct words (more than
    `most_rare`) are in no other description and not in the item's metadata, or if it equals that of another item.
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
        loop = max(Counter(found).values()) if repeated > 2 else 0  # with fewer repeats no word can occur four times
        if loop > 3 and loop > most_loop * len(found):
            why[item] = "outlier: repeats one word"
        elif same[text] > 1:
            why[item] = "outlier: same text as another item"
        elif len(texts) >= FEW and (unshared := {word for word in distinct if documents[word] == 1}):
            rare = unshared - set(feature_words(known(item)))
            if len(rare) > most_rare * len(distinct):
                why[item] = "outlier: most words are in no other description"
    return why
